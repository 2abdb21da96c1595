"""The comparison language of the rules: `name: wanted` → a test of one fact.

- `docker: ">=17.12,<23.0"` for versions and numbers: comparisons, all of which must hold.
- `driver: [overlay2, overlay]` for text: any of them; `debian:*` is a pattern.
- `explicit: false` for flags: exactly this.
- `opts: [overlay2.size]` for names: any of them is there.
- `el7_build: absent`, also `unset`: known not to be there. `set`: there, with whatever value.
- `fs_not: [xfs]`: none of them.
- `opts_missing: [dm.fs]` for names: none of them is there.
- `opts_prefix_not: [overlay2]` for names: one is there with another first part (up to its first dot).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bench.knowledge.facts import Kind, kind_of
from bench.knowledge.versions import version

Test = Callable[[object], bool]

_COMPARISON = re.compile(r"(<=|>=|==|<|>)\s*(\S+)")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Condition:
    """A test of one fact."""

    fact: str
    test: Test

    def holds(self, facts: Mapping[str, object]) -> bool | None:
        """Whether the fact passes the test, or None when it is not known. `facts` come from `bench.knowledge.facts.normal`."""
        return self.test(facts[self.fact]) if self.fact in facts else None


def condition(name: str, wanted: object) -> Condition:
    """The condition as a rule writes it. Raises ValueError when it cannot be understood."""
    fact, negation = _split(name)
    kind = kind_of(fact)
    if kind is None:
        raise ValueError(f"{name}: no such fact")
    if negation:
        return Condition(fact, _NEGATIONS[negation](_strings(wanted)))
    if wanted in ("absent", "unset"):
        return Condition(fact, lambda value: value is None)
    if wanted == "set":
        return Condition(fact, lambda value: value is not None)
    return Condition(fact, _present(_test(name, kind, wanted)))


def _split(name: str) -> tuple[str, str]:
    if kind_of(name) is None:
        for suffix in _NEGATIONS:
            if name.endswith(suffix):
                return name.removesuffix(suffix), suffix
    return name, ""


def _present(test: Test) -> Test:
    return lambda value: value is not None and test(value)


def _test(name: str, kind: Kind, wanted: object) -> Test:
    if kind in ("version", "number"):
        return _comparisons(name, kind, str(wanted))
    if kind == "flag":
        if not isinstance(wanted, bool):
            raise ValueError(f"{name}: true or false, not {wanted!r}")
        return lambda value: value is wanted
    patterns = _strings(wanted)
    if kind == "names":
        return lambda value: any(each in patterns for each in _names(value))
    return lambda value: any(fnmatchcase(str(value), pattern) for pattern in patterns)


def _comparisons(name: str, kind: Kind, wanted: str) -> Test:
    parts = wanted.split(",") if wanted[:1] in "<>=" else [f"=={wanted}"]
    bounds: list[tuple[Callable[[Any, Any], bool], object]] = []
    for part in parts:
        match = _COMPARISON.fullmatch(part.strip())
        bound = None if match is None else version(match[2]) if kind == "version" else float(match[2])
        if match is None or bound is None:
            raise ValueError(f"{name}: {part!r} is no comparison")
        bounds.append((_OPERATORS[match[1]], bound))
    return lambda value: all(compare(value, bound) for compare, bound in bounds)


def _strings(wanted: object) -> tuple[str, ...]:
    return tuple(str(each) for each in wanted) if isinstance(wanted, list) else (str(wanted),)


def _names(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _none_of(patterns: tuple[str, ...]) -> Test:
    return lambda value: not any(fnmatchcase(str(value), pattern) for pattern in patterns)


def _lacks(names: tuple[str, ...]) -> Test:
    return lambda value: not any(each in names for each in _names(value))


def _foreign_prefix(prefixes: tuple[str, ...]) -> Test:
    return lambda value: any(each.partition(".")[0] not in prefixes for each in _names(value))


# Longest first: `opts_prefix_not` also ends in `_not`.
_NEGATIONS: Mapping[str, Callable[[tuple[str, ...]], Test]] = {
    "_prefix_not": _foreign_prefix,
    "_missing": _lacks,
    "_not": _none_of,
}
