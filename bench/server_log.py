"""What a server's own log says of the trials in which it failed inside: its answer names no cause, and its log does."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.check import Evidence
    from bench.records import TrialResult

_TRIALS_ASKED = 3
"""A server that fails in many trials fails alike, and each is a question to its engine."""

_LENGTH = 240
"""Of a line that is shown: more is left out of its middle, for the cause stands at the end."""

_COMPLAINT = re.compile(
    r"\b(errors?|fail(s|ed|ure|ing)?|fatal|panic|cannot|could not|unable|refused|denied|no space|timed out)\b|^[EF]\d{4} ",
    re.IGNORECASE,
)
"""Words of servers that something went wrong. glog, of SeaweedFS, marks such a line by its first letter: `E1123 14:29:46.673`."""

_CALM = re.compile(r"^I\d{4} ")
"""glog's mark of what is no complaint, whatever its words: SeaweedFS tells so of deletions that it will try again."""

_PREFIX = re.compile(r"^([IWEF]\d{4} [\d:.]+ +|\d{4}[-/]\d\d[-/]\d\d[T ][\d:.]+\S* +)")
_CHANGING = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+", re.IGNORECASE)
"""Numbers, addresses and identifiers, which make no other complaint of the same one."""


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """A line of trouble without its time, and how many like it there were, itself included."""

    line: str
    count: int


def complaints(said: str) -> tuple[Complaint, ...]:
    """The lines that tell of trouble, each kind once, the most frequent first."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for line in said.splitlines():
        if _CALM.match(line) or not _COMPLAINT.search(line):
            continue
        bare = "".join(char for char in _PREFIX.sub("", line.strip()) if char.isprintable()).strip()
        kind = _CHANGING.sub("N", bare)
        counts[kind] += 1
        first.setdefault(kind, bare)
    return tuple(Complaint(line=first[kind], count=count) for kind, count in counts.most_common())


def of_trials(evidence: Evidence, cell: str, trials: Sequence[int]) -> tuple[Complaint, ...] | None:
    """What the cell's server complained of during the first of these trials; None where nobody can read its log."""
    target = next((each for each in evidence.targets if each.cell.name == cell), None)
    if evidence.server_log is None or target is None or isinstance(evidence.now.get(target.cell.host), str):
        return None
    said: list[str] = []
    for began, ended in _times(evidence, cell, trials):
        text = evidence.server_log(target, began, ended)
        if text is None:
            break
        said.append(text)
    return complaints("\n".join(said)) if said else None


def _times(evidence: Evidence, cell: str, trials: Sequence[int]) -> Iterator[tuple[float, float]]:
    """Begin and end of trials on the operator's clock, in seconds since the epoch: cells of one host are measured in turn."""
    hosts = {target.cell.name: target.cell.host for target in evidence.targets}
    beside = sorted(_began(result) for result in evidence.results if hosts.get(result.trial.cell) == hosts[cell])
    for result in [result for result in evidence.results if result.trial.index in trials][:_TRIALS_ASKED]:
        began = _began(result)
        yield began, next((other for other in beside if other > began), datetime.now(UTC).timestamp())


def _began(result: TrialResult) -> float:
    return datetime.fromisoformat(result.started_at).timestamp()


def words(found: Sequence[Complaint] | None) -> str:
    """The clause that tells it, for the end of a sentence; empty where nobody can read the log."""
    if found is None:
        return ""
    if not found:
        return ", and its log says nothing of it"
    first, *others = found
    like = f"{first.count} lines like it" if first.count > 1 else ""
    more = f"{len(others)} other kind{'s' if len(others) > 1 else ''} of complaint" if others else ""
    counted = ", ".join(filter(None, (like, more)))
    half = _LENGTH // 2
    line = first.line if len(first.line) <= _LENGTH else f"{first.line[:half]} ... {first.line[-half:]}"
    return f", and its log says {line!r}" + (f" ({counted})" if counted else "")
