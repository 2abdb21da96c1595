"""What exists in the simulated clouds, what once did, and what is to go wrong: one SQLite file that many processes share."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.simulator.member import Refused, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.simulator.member import Kind

_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS rows (
    number INTEGER PRIMARY KEY AUTOINCREMENT, cloud TEXT, id TEXT, kind TEXT, name TEXT, urn TEXT, inputs TEXT, outputs TEXT,
    created_at REAL, UNIQUE (cloud, id)
);
CREATE TABLE IF NOT EXISTS history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, cloud TEXT, id TEXT, kind TEXT, name TEXT, created_at REAL, deleted_at REAL,
    ended TEXT
);
CREATE TABLE IF NOT EXISTS counters (cloud TEXT, name TEXT, value INTEGER, PRIMARY KEY (cloud, name));
CREATE TABLE IF NOT EXISTS faults (number INTEGER PRIMARY KEY AUTOINCREMENT, fault TEXT, times INTEGER);
"""
_BUSY_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that was created, and deleted unless `deleted_at` is None; `ended` says by whom."""

    cloud: str
    kind: str
    id: str
    name: str
    created_at: float
    deleted_at: float | None
    ended: str


@contextmanager
def transaction(directory: Path) -> Iterator[sqlite3.Connection]:
    """The database of a simulator, for one change: all of it or nothing, also when the process is killed."""
    with reading(directory) as connection:
        # Written to the kernel, not to the disk: what must survive is the death of processes.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


@contextmanager
def reading(directory: Path) -> Iterator[sqlite3.Connection]:
    """The same for one question: it waits for nobody who writes."""
    connection = sqlite3.connect(directory / "table.sqlite", timeout=_BUSY_S, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def create(directory: Path) -> None:
    """An empty database; one that is there stays as it is."""
    connection = sqlite3.connect(directory / "table.sqlite", timeout=_BUSY_S)
    try:
        connection.executescript(_SCHEMA)
    finally:
        connection.close()


def history(directory: Path) -> tuple[Event, ...]:
    """Everything that was ever created, oldest first."""
    with reading(directory) as database:
        found = database.execute("SELECT cloud, kind, id, name, created_at, deleted_at, ended FROM history ORDER BY number")
        names = ("cloud", "kind", "id", "name", "created_at", "deleted_at", "ended")
        return tuple(Event(**dict(zip(names, each, strict=True))) for each in found)


@dataclass(frozen=True, kw_only=True)
class CloudTable:
    """What exists in one cloud: a `member.Table`. `changed` is called after every change.

    `without_urn` is a resource that this view leaves out: one that is checked for a change must not meet itself. Rows younger
    than `unseen_s` are left out too, as a cloud's API does not know at once what it has just made.
    """

    directory: Path
    cloud: str
    kinds: Mapping[str, Kind]
    changed: Callable[[], None] = lambda: None
    without_urn: str = ""
    unseen_s: float = 0.0

    def without(self, urn: str) -> CloudTable:
        """The same table, but for one resource."""
        return replace(self, without_urn=urn)

    def after(self, unseen_s: float) -> CloudTable:
        """The same table, but for what is younger than so many seconds."""
        return replace(self, unseen_s=unseen_s)

    def rows(self, *kinds: str) -> tuple[Row, ...]:
        """As `member.Table.rows`."""
        wanted = json.dumps(kinds)
        with reading(self.directory) as database:
            found = database.execute(f"{_SELECT} {_OF_KINDS} ORDER BY number", {**self._view(), "kinds": wanted}).fetchall()
        return tuple(map(_row, found))

    def row(self, id: str) -> Row | None:  # noqa: A002 - as in the interface
        """As `member.Table.row`."""
        with reading(self.directory) as database:
            found = database.execute(f"{_SELECT} AND id = :id", {**self._view(), "id": id}).fetchone()
        return _row(found) if found else None

    def counter(self, name: str) -> int:
        """As `member.Table.counter`."""
        with transaction(self.directory) as database:
            (value,) = database.execute(
                "INSERT INTO counters VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value",
                (self.cloud, name),
            ).fetchone()
        return int(value)

    def change(self, id: str, outputs: Mapping[str, Any]) -> None:  # noqa: A002 - as in the interface
        """As `member.Table.change`; outputs that are not named stay."""
        with transaction(self.directory) as database:
            kept = database.execute("SELECT outputs FROM rows WHERE cloud = ? AND id = ?", (self.cloud, id)).fetchone()
            if kept:
                text = json.dumps({**json.loads(kept[0]), **outputs})
                database.execute("UPDATE rows SET outputs = ? WHERE cloud = ? AND id = ?", (text, self.cloud, id))
        self.changed()

    def remove(self, id: str) -> None:  # noqa: A002 - as in the interface
        """As `member.Table.remove`."""
        self.end(id, "deleted")

    def end(self, id: str, how: str, *, insist: bool = False) -> None:  # noqa: A002 - as in the interface
        """The row goes; `how` is for the history. One who insists does not ask whether something still needs it."""
        row = replace(self, without_urn="", unseen_s=0.0).row(id)
        if row is None:
            return
        try:
            self.kinds[row.kind].unmake(self, row)
        except Refused:
            if not insist:
                raise
        with transaction(self.directory) as database:
            database.execute("DELETE FROM rows WHERE cloud = ? AND id = ?", (self.cloud, id))
            database.execute(
                "UPDATE history SET deleted_at = ?, ended = ? WHERE cloud = ? AND id = ? AND deleted_at IS NULL",
                (time.time(), how, self.cloud, id),
            )
        for part in self._parts_of(id):
            self.end(part.id, how, insist=True)
        self.changed()

    def _parts_of(self, id: str) -> list[Row]:  # noqa: A002 - as in the interface
        """What is gone with it, though nobody deleted it: its subnets, its attachments."""
        kinds = {name: kind.goes_with for name, kind in self.kinds.items() if kind.goes_with}
        rows = replace(self, without_urn="", unseen_s=0.0).rows(*kinds) if kinds else ()
        return [row for row in rows if any(str(row.inputs.get(name)) == id for name in kinds[row.kind])]

    def insert(self, row: Row, urn: str) -> None:
        """A new row. Raises Refused when there is one of its id."""
        texts = (json.dumps(dict(row.inputs)), json.dumps(dict(row.outputs)))
        try:
            with transaction(self.directory) as database:
                database.execute(
                    "INSERT INTO rows (cloud, id, kind, name, urn, inputs, outputs, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (self.cloud, row.id, row.kind, row.name, urn, *texts, row.created_at),
                )
                database.execute(
                    "INSERT INTO history (cloud, id, kind, name, created_at, ended) VALUES (?, ?, ?, ?, ?, '')",
                    (self.cloud, row.id, row.kind, row.name, row.created_at),
                )
        except sqlite3.IntegrityError as error:
            raise Refused("AlreadyExists", f"cannot create {row.kind} {row.id}: it exists already") from error
        self.changed()

    def update(self, id: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:  # noqa: A002 - as in the interface
        """Other inputs and outputs for a row."""
        with transaction(self.directory) as database:
            database.execute(
                "UPDATE rows SET inputs = ?, outputs = ? WHERE cloud = ? AND id = ?",
                (json.dumps(dict(inputs)), json.dumps(dict(outputs)), self.cloud, id),
            )
        self.changed()

    def _view(self) -> dict[str, Any]:
        # Nothing is younger than 0 s; but clocks step back.
        youngest = time.time() - self.unseen_s if self.unseen_s else float("inf")
        return {"cloud": self.cloud, "without": self.without_urn, "youngest": youngest}


_SELECT = (
    "SELECT id, cloud, kind, name, inputs, outputs, created_at FROM rows"
    " WHERE cloud = :cloud AND created_at <= :youngest AND (:without = '' OR urn != :without)"
)
_OF_KINDS = "AND (:kinds = '[]' OR kind IN (SELECT value FROM json_each(:kinds)))"


def _row(found: tuple[Any, ...]) -> Row:
    id_, cloud, kind, name, inputs, outputs, created_at = found
    return Row(
        id=id_,
        cloud=cloud,
        kind=kind,
        name=name,
        inputs=json.loads(inputs),
        outputs=json.loads(outputs),
        created_at=created_at,
    )
