"""What did a host's kernel say while it was measured? It names causes that ops only feel: a full thin pool, a dying disk."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench import reach
from bench.check import Check, Evidence
from bench.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.knowledge import Explanation

_READ = "cat /proc/uptime && dmesg"
_LINE = re.compile(r"\[\s*(\d+\.\d+)\] (.*)")
"""A line of dmesg(1): seconds since the kernel started, and what it said."""

_SLACK_S = 5.0
"""A kernel's own clock is not that of /proc/uptime to the second."""


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    if not evidence.results:
        return ()
    began = min(datetime.fromisoformat(result.started_at) for result in evidence.results)
    # The kernel of the operator's machine speaks of everything else that runs there, too.
    loaded = {target.cell.host: (target.cell.name, target.reach) for target in evidence.targets}
    hosts = {generator.name: ("", generator.reach) for generator in evidence.generators} | loaded
    asked = {host: found for host, found in hosts.items() if tuple(found[1]) != reach.HERE}
    return tuple(finding for host, (cell, way) in asked.items() for finding in _findings(host, cell, way, began))


def _findings(host: str, cell: str, way: Sequence[str], began: datetime) -> Iterator[Finding]:
    for meaning in _meanings(_said_since(way, began)):
        yield Finding(
            check="kernel_log",
            level="warning",
            cell=cell,
            text=f"the kernel of host {host} said {meaning.line!r}: {meaning.cause.rstrip('.')}",
            fix=meaning.cure,
        )


def _meanings(said: str) -> list[Explanation]:
    """What is known of it, the harmless left out: a VM that waits for its processor complains of that all the time."""
    from bench import knowledge  # noqa: PLC0415 - its data files are read only where a kernel can be asked

    harmless = {signature.cause for signature in knowledge.signatures() if signature.harmless}
    return [each for each in knowledge.explain(said) if each.at == "kernel" and each.cause not in harmless]


def _said_since(way: Sequence[str], began: datetime) -> str:
    """Lines since then. A host that does not answer is another check's to tell.

    `began` is of this machine's clock, as now is; only how long a host has been up is asked, for its clock may be wrong.
    """
    try:
        uptime, _, log = reach.call(way, _READ).decode(errors="replace").partition("\n")
        since_s = float(uptime.split()[0]) - (datetime.now(UTC) - began).total_seconds() - _SLACK_S
    except (reach.Unreachable, reach.Refused, ValueError, IndexError):
        return ""
    lines = (_LINE.match(line) for line in log.splitlines())
    return "\n".join(found[2] for found in lines if found and float(found[1]) >= since_s)


CHECK = Check(name="kernel_log", when="after", look=_look)
