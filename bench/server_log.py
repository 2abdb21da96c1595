"""What a server's own log says of the trials in which it failed inside: its answer names no cause, and its log may."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.check import Evidence
    from bench.knowledge import Explanation
    from bench.records import TrialResult

_SLACK_S = 5.0
"""What a server has to say of an op may come after its answer."""

_AROUND_S = 60.0
"""Of a trial without samples only one moment is known, and what prepares it is tried again for a while."""

_TELLING = 0.1
"""From this share of all complaints on, one whose meaning is known is taken for the cause."""

_LENGTH = 240
"""Of a line that is shown: more is left out of its middle, for the cause stands at the end."""

_COMPLAINT = re.compile(
    r"(?<!\b0 )\berrors?\b|\b(fail(s|ed|ure|ing)?|fatal|panic|cannot|could not|unable|refused|denied|corrupt(ed|ion)?)\b"
    r"|\b(timed out|deadline exceeded|out of memory|unexpected EOF|broken pipe|connection reset|segmentation violation)\b"
    r"|^[WEF]\d{4} ",
    re.IGNORECASE,
)
"""Words of servers that something went wrong. glog, of SeaweedFS, marks such a line by its first letter: `E1123 14:29:46.673`."""

_CALM = re.compile(r"^I\d{4} ")
"""glog's mark of what is no complaint, whatever its words: SeaweedFS tells so of deletions that it will try again."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TIME = re.compile(r"^([IWEF]\d{4} [\d:.]+ +|\d{4}[-/]\d\d[-/]\d\d[T ][\d:.]+\S* +)")
_CHANGING = re.compile(r"\b(?=[\w-]*\d)[\w-]{6,}\b|\d+")
"""Numbers, addresses and identifiers, which make no other complaint of the same one."""


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """A line of trouble without its time, and how many like it there were, itself included."""

    line: str
    count: int


def complaints(said: Iterable[str]) -> tuple[Complaint, ...]:
    """The lines that tell of trouble, each kind once, the most frequent first."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for each in said:
        line = _COLOUR.sub("", each).expandtabs(1).strip()
        if _CALM.match(line) or not (_COMPLAINT.search(line) or _known_words().search(line)):
            continue
        bare = "".join(char for char in _TIME.sub("", line) if char.isprintable()).strip()
        kind = _CHANGING.sub("N", bare)
        counts[kind] += 1
        first.setdefault(kind, bare)
    return tuple(Complaint(line=first[kind], count=count) for kind, count in counts.most_common())


def known(found: Sequence[Complaint]) -> tuple[Complaint, Explanation] | None:
    """The first complaint whose meaning is known and that is no rare one; None where there is none."""
    enough = _TELLING * sum(each.count for each in found)
    for each in found:
        if each.count >= enough and (meaning := _meaning(each.line)):
            return each, meaning
    return None


@cache
def _known_words() -> re.Pattern[str]:
    from bench import knowledge  # noqa: PLC0415 - its data files are read only where something failed

    return re.compile("|".join(signature.pattern for signature in knowledge.signatures() if signature.by_server))


def _meaning(line: str) -> Explanation | None:
    """What is known of a line, if a server says such a thing of what it stands on."""
    from bench import knowledge  # noqa: PLC0415 - its data files are read only where something failed

    ours = {signature.kind for signature in knowledge.signatures() if signature.by_server}
    return next((each for each in knowledge.explain(line) if each.kind in ours), None)


def words(found: Sequence[Complaint] | None) -> str:
    """The clause that tells the first of them, for the end of a sentence; empty where nobody can read the log."""
    if found is None:
        return ""
    if not found:
        return ", and what is left of its log tells nothing of it"
    line, half = found[0].line, _LENGTH // 2
    shown = line if len(line) <= _LENGTH else f"{line[:half]} ... {line[-half:]}"
    like = f"one of {found[0].count} like it" if found[0].count > 1 else ""
    every = f"{sum(each.count for each in found)} complaints in all" if len(found) > 1 else ""
    counted = ", ".join(filter(None, (like, every)))
    return f", and its log says {shown!r}" + (f" ({counted})" if counted else "")


class Logs:
    """The logs of a run's servers, each read once, when it is first asked for."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._targets = {target.cell.name: target for target in evidence.targets}
        self._read: dict[str, Sequence[tuple[float, str]] | None] = {}

    def complaints(self, cell: str, trials: Sequence[int]) -> tuple[Complaint, ...] | None:
        """What the cell's server complained of around these trials; None where its log of then cannot be read, or is gone."""
        lines, wanted = self._lines(cell), frozenset(trials)
        if lines is None:
            return None
        every = [self._span(result) for result in self._evidence.results if result.trial.index in wanted]
        # Engines keep a few megabytes: the log of earlier trials is overwritten.
        spans = [(begin, end) for begin, end in every if not lines or end >= lines[0][0]]
        if not spans:
            return None
        return complaints(text for at, text in lines if any(begin <= at <= end for begin, end in spans))

    def _lines(self, cell: str) -> Sequence[tuple[float, str]] | None:
        if cell not in self._read:
            self._read[cell] = self._ask(cell)
        return self._read[cell]

    def _ask(self, cell: str) -> Sequence[tuple[float, str]] | None:
        target, read = self._targets.get(cell), self._evidence.server_log
        if read is None or target is None or isinstance(self._evidence.now.get(target.cell.host), str):
            return None
        try:
            return read(target)
        except Exception:  # noqa: BLE001 - that ops failed must be told whatever ails the log
            return None

    def _span(self, result: TrialResult) -> tuple[float, float]:
        """Begin and end of what may be about the trial, in seconds since the epoch, by the clock of the cell's host."""
        began = datetime.fromisoformat(result.started_at).timestamp()
        lasts_s = (result.window_end_ns - result.window_start_ns) / 1e9
        warm_up_s = next((each.warm_up_s for each in self._evidence.workloads if each.name == result.trial.workload), 0.0)
        ahead_s, uncertain_s = self._clock(self._targets[result.trial.cell].cell.host, began)
        slack_s = (_AROUND_S if result.problem else _SLACK_S) + uncertain_s
        return began + ahead_s - slack_s, began + ahead_s + warm_up_s + lasts_s + slack_s

    def _clock(self, host: str, at: float) -> tuple[float, float]:
        """How far the clock of the host was ahead of ours, and how uncertain that is, by the reading nearest in time."""
        readings = [each for each in self._evidence.clocks if each.host == host]
        nearest = min(readings, key=lambda each: abs(datetime.fromisoformat(each.read_at).timestamp() - at), default=None)
        return (nearest.offset_s, nearest.uncertainty_s) if nearest else (0.0, 0.0)
