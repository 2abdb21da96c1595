"""A `Durability` as a person reads it: what was done, a table, what it means, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.phrases import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.durability import Durability

_KIBI = 1 << 10
_NOT_FLUSHED = "a write is acknowledged from the page cache, it is not flushed to the disk first"


def lines(result: Durability) -> tuple[str, ...]:
    """The whole text, line by line."""
    return (_what_was_done(result), "", *_table(result), "", *_meaning(result), *_examples(result), f"next: {_next_step(result)}")


def _what_was_done(result: Durability) -> str:
    put = f"{counted(result.users, 'user')} put objects of {_size(result.size_bytes)} for {result.load_s:.1f} s"
    flushed = "" if result.flush_age_s is None else f", the last {result.flush_age_s:.1f} s after everything had been flushed"
    back = f"{result.server} answered again {result.down_s:.0f} s later"
    return f"{result.cell}: {put}{flushed}; then the host lost its power, and {back}."


def _table(result: Durability) -> Iterator[str]:
    rows = (
        ("acknowledged", result.acknowledged, ""),
        ("  intact", result.intact, "the same bytes"),
        ("  lost", result.lost, "the server knows no such key"),
        ("  wrong", result.wrong, "other bytes, or another size"),
        ("  unreadable", result.unreadable, "an error instead of the object"),
        ("in doubt", result.in_doubt, "never acknowledged, so there or not would both be right:"),
        ("  stored", result.in_doubt_intact, "the same bytes"),
        ("  wrong", result.in_doubt_wrong, "torn: stored in part"),
    )
    for name, count, note in rows:
        yield f"  {name:<14}{count:>7}   {note}".rstrip()


def _meaning(result: Durability) -> Iterator[str]:
    missing = result.acknowledged - result.intact
    if result.oldest_missing_age_s is None:
        yield "Everything that was acknowledged is there."
    else:
        yield f"Everything acknowledged more than {_age(result.oldest_missing_age_s)} before the cut survived."
    if result.youngest_intact_age_s is not None and missing:
        yield f"The youngest object that survived had been acknowledged {_age(result.youngest_intact_age_s)} before it."
    if result.still_listed:
        yield f"{result.still_listed} of the {missing} that are not intact are listed: their names survived, not their bytes."
    if result.missing_despite_flush:
        yield f"{counted(result.missing_despite_flush, 'object')} of them had been flushed to the host's disk before the cut."
    if missing or result.in_doubt_wrong:
        yield (
            f"{result.server} promises whole objects on the disk, and broke that promise."
            if result.promised
            else f"{result.server} does not promise more: {_NOT_FLUSHED}."
        )


def _examples(result: Durability) -> Iterator[str]:
    for example in result.examples:
        yield f"  {example.fate}: {example.key}, acknowledged {_age(example.age_s)} before the cut ({example.detail})"


def _next_step(result: Durability) -> str:
    return {
        "kept": "several cuts tell more than one; repeat it with more --seconds and other sizes",
        "lost, as was to be expected": (
            "keep a copy of whatever must survive a power loss, or choose a server that flushes before it answers"
        ),
        "promise broken": "read the server's log (cowbench logs CELL), and tell its makers: the ledger is exact",
        "flushed data lost": "look at the filesystem of the host (dmesg) and at how its disk is attached: a flush must reach it",
    }[result.verdict]


def _age(seconds: float) -> str:
    return f"{seconds:.1f} s"


def _size(size_bytes: int) -> str:
    return f"{size_bytes // _KIBI} KiB" if size_bytes % _KIBI == 0 else f"{size_bytes} B"
