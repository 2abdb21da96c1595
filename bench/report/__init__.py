"""The family of reports: each is a pure function from a run and its summary to one text. Members are loaded by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Run, Summary

REPORTS = (
    "html",
    "markdown",
    "junit",
    "csv",
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report as a value: `render` gives the text of `file`, which lies in the run folder."""

    name: str
    file: str
    render: Callable[[Run, Summary], str]


def load(name: str) -> Report:
    """Return the report of that name; only this one is imported, so a CSV never waits for the drawing library.

    Raises:
        KeyError: `name` is not one of `REPORTS`.
    """
    if name not in REPORTS:
        raise KeyError(f"no report named {name!r}: choose one of {', '.join(REPORTS)}")
    report: Report = import_module(f"{__name__}.{name}").REPORT
    return report
