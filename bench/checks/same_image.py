"""Do all cells with the same server run the same container image? Another image would be measured as another driver."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import Target

_FIX = "build or pull the image once, pin its digest, then down and up: every engine gets the same bytes"


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    # A server's image may differ between processors, so hosts of one instance type must agree, others need not.
    alike: dict[tuple[str, str], list[Target]] = defaultdict(list)
    for target in evidence.targets:
        alike[target.cell.server, target.cell.instance_type].append(target)
    odd = tuple(finding for group in alike.values() for finding in _odd_ones(group))
    return odd + _across(alike)


def _odd_ones(group: list[Target]) -> tuple[Finding, ...]:
    ((usual, count),) = Counter(target.server.content_digest for target in group).most_common(1)
    return tuple(
        Finding(
            check="same_image",
            level="error",
            cell=target.cell.name,
            text=f"server {target.cell.server} runs image {_short(target)}, while {count} of {len(group)} cells run {usual[:19]}",
            fix=_FIX,
        )
        for target in group
        if target.server.content_digest != usual
    )


def _across(alike: dict[tuple[str, str], list[Target]]) -> tuple[Finding, ...]:
    digests: dict[str, set[str]] = defaultdict(set)
    for (server, _), group in alike.items():
        digests[server] |= {target.server.content_digest for target in group[:1]}
    return tuple(
        Finding(
            check="same_image",
            level="warning",
            cell="",
            text=f"server {server} has {len(found)} different images on different instance types: not to be compared",
            fix="compare within one instance type, or use instance types of one processor family",
        )
        for server, found in digests.items()
        if len(found) > 1
    )


def _short(target: Target) -> str:
    return target.server.content_digest[:19] or "of unknown digest"


CHECK = Check(name="same_image", when="before", look=_look)
