"""Failure signatures: lines that engines, kernels and servers leave behind, with what they mean and what to do."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from bench.knowledge import data
from bench.knowledge.rules import Judgement, judge

Place = Literal["engine", "kernel", "api", "container", "host"]


class Signature(data.Entry):
    """A message that is known. `pattern` is searched in one line; `sample` is such a line, `rules` foresee the failure.

    What is `harmless` is worth a word, but never why something failed. `by_server` are words that a server, too, says of what it
    stands on.
    """

    kind: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    at: Place
    pattern: str
    sample: str
    cause: str
    cure: str
    source: str
    rules: tuple[str, ...] = ()
    harmless: bool = False
    by_server: bool = False


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What a line of a log means. `confirmed` holds the rules behind it that match the facts: then the cause is no guess."""

    kind: str
    at: Place
    line: str
    cause: str
    cure: str
    source: str
    confirmed: tuple[Judgement, ...] = ()


@cache
def signatures() -> tuple[Signature, ...]:
    """Every signature, the specific before the general: the first that matches a line explains it."""
    return data.read("signatures", tuple[Signature, ...])


def explain(text: str, facts: Mapping[str, object] | None = None) -> tuple[Explanation, ...]:
    """The lines of `text` that are known, each signature once; empty when nothing is recognised.

    In order of first appearance, but what is harmless last: an engine warns of much before the one line that tells.

    Raises ValueError for facts that `judge` refuses.
    """
    matched = {each.rule: each for each in judge(facts)} if facts else {}
    found = sorted(_first_lines(text), key=lambda each: each[0].harmless)
    return tuple(_explanation(signature, line, matched) for signature, line in found)


def _first_lines(text: str) -> Iterator[tuple[Signature, str]]:
    seen: set[str] = set()
    for line in text.splitlines():
        signature = _recognise(line)
        if signature is not None and signature.pattern not in seen:
            seen.add(signature.pattern)
            yield signature, line.strip()


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Signature], ...]:
    return tuple((re.compile(each.pattern), each) for each in signatures())


def _recognise(line: str) -> Signature | None:
    return next((signature for pattern, signature in _patterns() if pattern.search(line)), None)


def _explanation(signature: Signature, line: str, judged: Mapping[str, Judgement]) -> Explanation:
    confirmed = tuple(judged[rule] for rule in signature.rules if rule in judged and judged[rule].outcome == "matched")
    return Explanation(
        kind=signature.kind,
        at=signature.at,
        line=line,
        cause=signature.cause,
        cure=signature.cure,
        source=signature.source,
        confirmed=confirmed,
    )
