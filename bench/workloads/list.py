"""Pages of ListObjectsV2 over the objects that stand ready: directory reads and lookups, hardly any data.

An op is one page of half the objects (at most 1000), beginning behind a random key, so that each page is full and no op
waits for the token of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench import ops
from bench.workload import Op, WorkloadKind, draw, needs_objects, ready_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Workload

_PAGE_KEYS: Final = 1000
"""The most keys that S3 puts on a page."""


def _plan(workload: Workload, seed: int) -> Iterator[Op]:
    chance = draw(seed)
    keys = tuple(item.key for item in ready_objects(workload))
    page = min(_PAGE_KEYS, max(1, len(keys) // 2))
    while True:
        at = chance.randrange(max(1, len(keys) - page))
        expected = keys[at + 1 : at + 1 + page]
        yield Op(name="list", key=keys[at], size_bytes=0, expected=expected)


def _problem(workload: Workload) -> str:
    if workload.objects < 2:  # noqa: PLR2004 - a page begins behind one key and holds another
        return f"workload {workload.name!r} lists pages of objects but has {workload.objects}: set `objects` to 2 or more."
    return needs_objects(workload)


KIND = WorkloadKind(
    name="list",
    ready=ready_objects,
    plan=_plan,
    perform=ops.list_page,
    problem=_problem,
)
