"""What is known of a distribution before a VM of it was ever booted: its kernel, its cgroups, the engine that it packages."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import knowledge

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).parent / "distributions.toml"

_LIKE, _AT_LEAST, _NONE = "like", "kernel_at_least", "none"


@cache
def _all() -> dict[str, dict[str, Any]]:
    stated = tomllib.loads(FILE.read_text(encoding="utf-8"))
    shared = stated.pop(_LIKE)
    return {name: {**shared[own[_LIKE]], **own} for name, own in stated.items()}


def names() -> tuple[str, ...]:
    """Every distribution that is known here, `debian-12` and the like."""
    return tuple(_all())


@cache
def facts(name: str) -> Mapping[str, object]:
    """Facts of `bench.knowledge` for a VM of it, as far as they are known. Raises KeyError for another name.

    `docker` is None where the distribution is known to have no engine of its own.
    """
    stated = {fact: None if value == _NONE else value for fact, value in _all()[name].items() if fact not in {_LIKE, _AT_LEAST}}
    if "kernel" in stated:
        return {**stated, **knowledge.of_kernel(str(stated["kernel"]))}
    # A kernel that is not known exactly is known not to be the one of EL 7: that one never changes.
    return {**stated, "el7_build": None}


def kernel_at_least(name: str) -> str:
    """The oldest kernel that an image of it comes with where clouds follow newer ones; empty where that is not known."""
    return str(_all().get(name, {}).get(_AT_LEAST, ""))
