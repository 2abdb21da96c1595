"""A table as a value: heads, groups of rows, footnotes. What it looks like is the business of the reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.report.numbers import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODE = (
    "kernel",
    "host name",
    "image digest",
    "mount options",
    "made by",
    "image id",
    "content digest",
    "command",
    "data path",
    "image",
    "driver status",
)
"""Facts that are set in a fixed-width font: names and lines that one copies."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a table. `interval` stands smaller beside `text`; `note` becomes a footnote; `tone` is for the eye."""

    text: str
    interval: str = ""
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A column. Where room is short only `brief` columns keep their interval, and `remark` columns become footnotes."""

    text: str
    unit: str = ""
    numeric: bool = True
    brief: bool = True
    code: bool = False
    remark: bool = False


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows under one heading; each row has an entry per column, the first one names it."""

    title: str
    rows: tuple[tuple[Entry, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table. `notes` are its footnotes in order of first use."""

    heads: tuple[Head, ...]
    groups: tuple[Group, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Return each footnote once."""
        entries = (entry for group in self.groups for row in group.rows for entry in row)
        return tuple(dict.fromkeys(entry.note for entry in entries if entry.note))

    def mark(self, entry: Entry) -> str:
        """Return the letter of an entry's footnote, or nothing."""
        return _letter(self.notes.index(entry.note)) if entry.note else ""

    def narrow(self) -> Table:
        """Return the table without its remark columns: a remark becomes the footnote of the entry before it."""
        kept = [index for index, head in enumerate(self.heads) if not head.remark]
        groups = tuple(replace(group, rows=tuple(self._noted(row) for row in group.rows)) for group in self.groups)
        return Table(heads=tuple(self.heads[index] for index in kept), groups=groups)

    def _noted(self, row: tuple[Entry, ...]) -> tuple[Entry, ...]:
        kept: list[Entry] = []
        for head, entry in zip(self.heads, row, strict=True):
            if not head.remark:
                kept.append(entry)
            elif entry.text:
                kept[-1] = replace(kept[-1], note=entry.text)
        return tuple(kept)

    def padding(self, column: int, entry: Entry) -> str:
        """Return what would fill the decimals that `entry` lacks beside the others of its column, so that points align."""
        longest = max((_fraction(row[column].text) or "" for group in self.groups for row in group.rows), key=len, default="")
        mine = _fraction(entry.text)
        return "" if mine is None else longest[len(mine) :]

    @property
    def marked_notes(self) -> tuple[tuple[str, str], ...]:
        """Return each footnote with its letter."""
        return tuple((_letter(index), note) for index, note in enumerate(self.notes))


def plain(text: str) -> Entry:
    """Return an entry of text as it is, a gap where there is none."""
    return Entry(text=text or MISSING)


def differing_facts(head: str, facts: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, str], Table | None]:
    """Tell facts on which all agree from those that differ: only these are worth a column."""
    first = next(iter(facts.values()), {})
    differing = [fact for fact in first if len({one[fact] for one in facts.values()}) > 1]
    shared = {fact: value or MISSING for fact, value in first.items() if fact not in differing}
    if not differing:
        return shared, None
    rows = tuple((Entry(text=name, tone="name"), *(plain(one[fact]) for fact in differing)) for name, one in facts.items())
    heads = (Head(text=head, numeric=False), *(Head(text=fact, numeric=False, code=fact in _CODE) for fact in differing))
    return shared, Table(heads=heads, groups=(Group(title="", rows=rows),))


def _fraction(text: str) -> str | None:
    """Return the decimal point and what follows it, empty for a whole number, None for what is not a plain number or ratio."""
    whole, _, digits = text.removesuffix("\u00d7").partition(".")
    if not (whole + digits).replace("\u202f", "").isdigit():
        return None
    return f".{digits}" if digits else ""


def _letter(index: int) -> str:
    return (chr(ord("a") + index // 26 - 1) if index >= 26 else "") + chr(ord("a") + index % 26)  # noqa: PLR2004  (letters)
