"""Is each host, engine and server still the one that was measured? Containers outlive a dead engine, and still answer.

Hosts that load came from are asked too. Of a spot VM that went during the run `spot_reclaimed` tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.check import Check, Evidence, Gone, reclaimed
from bench.host_words import is_spot
from bench.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import HostFacts, ServerFacts

_FACTS = ("kernel", "engine_version", "storage_driver", "image_store", "backing_filesystem", "mount_options")
"""What must be after the load as it was before it. A filesystem that met an error turns `rw` into `ro`."""

_DEAD = "read the engine's log and the kernel's (dmesg: OOM kills, disk errors) on that host; then down, up, and measure again"
_LATE = "it is a spot VM, and no trial was lost with it: most likely its cloud took it away after the last one"
_TAKEN = "nothing: what was measured stands; without deploy.spot no VM goes before its time"
_CHANGED = "look who restarted the host or its engine, or remounted its disk, during the run; then down, up, and measure again"
_RESTARTED = "look who or what restarted it (its log, the host's console log: cowbench logs CELL); then measure again"


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    return tuple(
        Finding(check="engine_survived", level="warning" if fix == _TAKEN else "error", cell=cell, text=text, fix=fix)
        for cell, (text, fix) in _problems(evidence)
        if text
    )


def _problems(evidence: Evidence) -> Iterator[tuple[str, tuple[str, str]]]:
    """Of each cell, and of each host that load came from, the first that is wrong."""
    taken = {host for each in reclaimed(evidence).values() for host in each.hosts}
    now = {host: found for host, found in evidence.now.items() if host not in taken}
    for target in evidence.targets:
        host, cell = target.cell.host, target.cell.name
        problem = _of_host(host, target.host, now.get(host, target.host))
        yield cell, problem or _of_server(cell, target.server, evidence.servers_now.get(cell, target.server))
    for generator in evidence.generators:
        yield "", _of_host(generator.name, generator.host, now.get(generator.name, generator.host)) or ("", "")


def _of_host(host: str, was: HostFacts, now: HostFacts | str) -> tuple[str, str] | None:
    if isinstance(now, str):
        said = " ".join(now.split())
        if isinstance(now, Gone) and is_spot(was):
            return f"host {host} does not answer after the load ({said}); {_LATE}", _TAKEN
        return f"after the load the engine of host {host} could not be asked ({said}), whether or not the server answers", _DEAD
    if was.boot_id and now.boot_id and was.boot_id != now.boot_id:
        return f"host {host} was booted anew during the run: its memory was lost, and trials met a cold cache", _RESTARTED
    for fact in _FACTS:
        before, after = getattr(was, fact), getattr(now, fact)
        if before != after:
            words = fact.replace("_", " ")
            return f"the {words} of host {host} was {before} before the load and {after} after it", _CHANGED
    return None


def _of_server(cell: str, was: ServerFacts, now: ServerFacts) -> tuple[str, str]:
    if was.container_id != now.container_id:
        what = "made anew" if now.container_id else "removed"
        return f"the container of {cell} was {what} during the run: trials before and after met other objects", _RESTARTED
    if was.started_at and now.started_at and was.started_at != now.started_at:
        times = f"at {was.started_at} before the load, at {now.started_at} after it"
        return f"the server of {cell} was restarted during the run (started {times})", _RESTARTED
    return "", ""


CHECK = Check(name="engine_survived", when="after", look=_look)
