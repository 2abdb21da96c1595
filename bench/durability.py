"""Does a server keep what it acknowledged when its host loses power? Counted object by object, against a ledger kept over here.

The model of the power loss: the VM's process is killed. Its disks are files of the operator's machine, opened without waiting for
that machine's own disk: what the VM's kernel had written or flushed to them is in the page cache over here and stays; what was
still in the VM's memory is gone. So this finds a server or a filesystem that does not flush, not a disk that lies about it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Fate = Literal["intact", "lost", "wrong", "unreadable"]
"""Intact: the same bytes. Lost: no such key. Wrong: other bytes or another size. Unreadable: an error instead."""

Verdict = Literal["kept", "lost, as was to be expected", "promise broken", "flushed data lost"]

_EXAMPLES = 3
_NS = 1e9


@dataclass(frozen=True, kw_only=True)
class Put:
    """A line of the ledger: an object that was sent, and when the server's answer to it was in our hands.

    `acknowledged_ns` is of the operator's monotonic clock; None when no success was ever answered: the object is in doubt.
    """

    key: str
    size_bytes: int
    sha256: str
    acknowledged_ns: int | None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What became of an object. `detail` says what was there instead; `listed` whether its key is still among the bucket's."""

    fate: Fate
    detail: str = ""
    listed: bool = True


@dataclass(frozen=True, kw_only=True)
class Example:
    """An acknowledged object that is not intact, and how long before the power loss it was acknowledged."""

    key: str
    fate: Fate
    detail: str
    age_s: float


@dataclass(frozen=True, kw_only=True)
class Durability:
    """What a power loss left of what was acknowledged. Ages are seconds before the cut, None where there is no such object.

    The first five are of the `Subject`. `down_s` is from the cut until the server answered again. Objects in doubt were under
    way: they may be there or not, but not wrong. `still_listed` counts the acknowledged ones that are not intact though their
    key is listed. `flush_age_s` is when everything was flushed on purpose; what was acknowledged before that and is not intact is
    `missing_despite_flush`.
    """

    cell: str
    server: str
    promised: bool
    users: int
    size_bytes: int
    load_s: float
    down_s: float
    acknowledged: int
    intact: int
    lost: int
    wrong: int
    unreadable: int
    in_doubt: int
    in_doubt_intact: int
    in_doubt_wrong: int
    still_listed: int
    youngest_intact_age_s: float | None
    oldest_missing_age_s: float | None
    flush_age_s: float | None
    missing_despite_flush: int
    examples: tuple[Example, ...]
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Times:
    """Of the operator's monotonic clock: load began, all was flushed (None: it was not), power was cut, server answered."""

    began_ns: int
    flush_ns: int | None
    cut_ns: int
    back_ns: int


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose durability it is. `promised`: its documentation or source says that it flushes an object before it answers."""

    cell: str
    server: str
    promised: bool
    users: int
    size_bytes: int


def judge(subject: Subject, puts: Sequence[Put], readings: Mapping[str, Reading], times: Times) -> Durability:
    """Count the ledger's objects by what became of them. Pure; there is a reading for every key of the ledger."""
    acknowledged = [(put, readings[put.key], _age_s(put, times)) for put in puts if put.acknowledged_ns is not None]
    doubtful = [readings[put.key] for put in puts if put.acknowledged_ns is None]
    missing = [(put, reading, age) for put, reading, age in acknowledged if reading.fate != "intact"]
    flush_age_s = None if times.flush_ns is None else (times.cut_ns - times.flush_ns) / _NS
    despite_flush = 0 if flush_age_s is None else sum(age > flush_age_s for _, _, age in missing)
    in_doubt_wrong = sum(reading.fate == "wrong" for reading in doubtful)
    fates = [reading.fate for _, reading, _ in acknowledged]
    return Durability(
        **asdict(subject),
        load_s=(times.cut_ns - times.began_ns) / _NS,
        down_s=(times.back_ns - times.cut_ns) / _NS,
        acknowledged=len(acknowledged),
        intact=fates.count("intact"),
        lost=fates.count("lost"),
        wrong=fates.count("wrong"),
        unreadable=fates.count("unreadable"),
        in_doubt=len(doubtful),
        in_doubt_intact=sum(reading.fate == "intact" for reading in doubtful),
        in_doubt_wrong=in_doubt_wrong,
        still_listed=sum(reading.listed for _, reading, _ in missing),
        youngest_intact_age_s=min((age for _, reading, age in acknowledged if reading.fate == "intact"), default=None),
        oldest_missing_age_s=max((age for _, _, age in missing), default=None),
        flush_age_s=flush_age_s,
        missing_despite_flush=despite_flush,
        examples=_examples(missing),
        verdict=_verdict(bool(missing or in_doubt_wrong), promised=subject.promised, despite_flush=despite_flush),
    )


def _age_s(put: Put, times: Times) -> float:
    """An answer that was on its way when the power went is as young as can be."""
    assert put.acknowledged_ns is not None
    return max(0.0, (times.cut_ns - put.acknowledged_ns) / _NS)


def _verdict(anything_amiss: bool, *, promised: bool, despite_flush: int) -> Verdict:  # noqa: FBT001 - private, one caller
    if despite_flush:
        return "flushed data lost"
    if not anything_amiss:
        return "kept"
    return "promise broken" if promised else "lost, as was to be expected"


def _examples(missing: Sequence[tuple[Put, Reading, float]]) -> tuple[Example, ...]:
    """The oldest of each fate: they are the ones that should have been safe first."""
    oldest = sorted(missing, key=lambda each: each[2], reverse=True)
    found: list[Example] = []
    for fate in ("wrong", "unreadable", "lost"):
        of_this = [(put, reading, age) for put, reading, age in oldest if reading.fate == fate][:_EXAMPLES]
        found += [Example(key=put.key, fate=reading.fate, detail=reading.detail, age_s=age) for put, reading, age in of_this]
    return tuple(found)


def acceptable(result: Durability) -> bool:
    """Whether nobody broke a promise: the server none of its own, the host none of those that a flush makes."""
    return result.verdict in {"kept", "lost, as was to be expected"}
