"""New objects, one request each: creates and allocations go through the storage driver."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from bench import ops
from bench.workload import Op, WorkloadKind, new_key, nothing_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Workload


def _plan(workload: Workload, seed: int) -> Iterator[Op]:
    for number in count():
        yield Op(name="put", key=new_key(workload, seed, number), size_bytes=workload.object_size_bytes)


KIND = WorkloadKind(name="put", ready=nothing_ready, plan=_plan, perform=ops.put, creates=("put",))
