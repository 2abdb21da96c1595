"""Did every object come back as it was stored? One that did not is an error: fast and wrong is no result."""

from __future__ import annotations

from typing import Any

from bench.check import Check, Evidence, query, without_reclaimed
from bench.records import Finding

# Also the ops that prepare, and those of the warm-up: a wrong answer is wrong whenever it comes.
_WRONG = "starts_with(error, 'integrity/')"

# Of the ops that read back what was stored every failure counts: an object that cannot be read is lost, whatever the server says
# of it. But where its VM was taken away nobody says anything.
_UNREADABLE = f"error <> '' AND op = 'verify' AND NOT {_WRONG}"

_MEANING = {
    "integrity/wrong_size": "came back shorter or longer than they were stored",
    "integrity/wrong_digest": "came back with other content than was stored",
    "integrity/wrong_listing": "were missing in a listing, or listed though never stored",
}
"""Layer and kind of `bench.errors.Failure`; any other one means that an object could not be read back."""


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    rows = (*_rows(evidence, _WRONG), *_rows(without_reclaimed(evidence), _UNREADABLE))
    return tuple(_say(*row) for row in sorted(rows, key=lambda row: row[:2]))


def _rows(evidence: Evidence, condition: str) -> list[tuple[Any, ...]]:
    counted = "cell, error, count(*), list(DISTINCT workload ORDER BY workload), list(DISTINCT trial ORDER BY trial)"
    return query(evidence, f"SELECT {counted} FROM samples WHERE {condition} GROUP BY cell, error")  # noqa: S608 - of constants


def _say(cell: str, error: str, count: int, workloads: list[str], trials: list[int]) -> Finding:
    what = _MEANING.get(error.rpartition("/")[0], f"were stored, then not readable ({error})")
    return Finding(
        check="integrity",
        level="error",
        cell=cell,
        text=f"objects {what}: {count}, in {', '.join(workloads)} ({_trials(trials)})",
        fix="do not use this cell's numbers; look at the logs of server and kernel (dmesg), then repeat with verify_share 1",
        trials=tuple(trials),
    )


def _trials(trials: list[int]) -> str:
    return "1 trial" if len(trials) == 1 else f"{len(trials)} trials"


CHECK = Check(name="integrity", when="after", look=_look)
