"""New objects stored in parts: create, parts one after another, complete. The whole upload is one op."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from bench import ops
from bench.workload import Op, WorkloadKind, new_key, nothing_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Workload

_MOST_PARTS: Final = 10_000
"""S3's limit ("Amazon S3 multipart upload limits")."""


def _plan(workload: Workload, seed: int) -> Iterator[Op]:
    for number in count():
        yield Op(name="multipart", key=new_key(workload, seed, number), size_bytes=workload.object_size_bytes)


def _problem(workload: Workload) -> str:
    if workload.part_size_bytes < 1:
        return f"workload {workload.name!r} has parts of {workload.part_size_bytes} bytes: set `part_size` to 5MiB or more."
    if -(-workload.object_size_bytes // workload.part_size_bytes) > _MOST_PARTS:
        return f"workload {workload.name!r} has more than {_MOST_PARTS} parts to an object: raise `part_size`."
    return ""


KIND = WorkloadKind(
    name="multipart", ready=nothing_ready, plan=_plan, perform=ops.multipart, creates=("multipart",), problem=_problem
)
