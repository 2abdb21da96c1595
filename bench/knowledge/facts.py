"""What can be known about a host: the vocabulary of the rules, and values brought into one form.

A fact that is missing is not known; a fact that is None is known to be absent (no EL7 kernel, an option that is not set).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Literal

from bench.knowledge import data
from bench.knowledge.versions import version

Kind = Literal["version", "number", "text", "flag", "names", "distro"]

_FAMILIES = ("module_", "tool_")
_EL7 = re.compile(r"3\.10\.0-(\d[\d.]*?)\.el7")


class Fact(data.Entry):
    """One word of the vocabulary. `get` tells a person how to find the value."""

    kind: Kind
    get: str


@cache
def vocabulary() -> Mapping[str, Fact]:
    """Every fact by name, but for the flags `module_<name>` and `tool_<name>`, of which there may be any."""
    return data.read("facts", dict[str, Fact])


def kind_of(name: str) -> Kind | None:
    """How values of the fact are read, or None when there is no such fact."""
    if name in vocabulary():
        return vocabulary()[name].kind
    return "flag" if name.startswith(_FAMILIES) else None


def of_kernel(release: str) -> dict[str, object]:
    """The facts in `uname -r`. On EL7 the build number tells what was ported back, which 3.10.0 does not."""
    el7 = _EL7.match(release)
    return {"kernel": release.partition("-")[0] if "-rc" not in release else release, "el7_build": el7[1] if el7 else None}


def of_os_release(text: str) -> dict[str, object]:
    """The fact in `/etc/os-release`; empty when the file names no version (a rolling release)."""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    name, number = (fields.get(key, "").strip("\"' ") for key in ("ID", "VERSION_ID"))
    return {"distro": f"{name}:{number}"} if name and number else {}


def normal(facts: Mapping[str, object]) -> dict[str, object]:
    """The facts in the form conditions compare; a version that cannot be read is dropped, as not known.

    Raises ValueError for a name outside the vocabulary or a value of another kind: else a slip in a cloud would make its
    rules unknown, and nobody would see it.
    """
    normalised: dict[str, object] = {}
    for name, value in facts.items():
        kind = kind_of(name)
        if kind is None:
            near = get_close_matches(name, vocabulary(), n=1)
            raise ValueError(f"no rule knows the fact {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        read = _read(name, kind, value)
        if read is not None or value is None:
            normalised[name] = read
    return normalised


def _read(name: str, kind: Kind, value: object) -> object:
    match kind, value:
        case _, None:
            return None
        case "version", str() | int() | float() if not isinstance(value, bool):
            return version(str(value))
        case ("number", int() | float()) if not isinstance(value, bool):
            return value
        case ("flag", bool()) | ("text", str()):
            return value
        case "distro", str():
            return ":".join((value.split(":")[0], *(part.split(".")[0] for part in value.split(":")[1:])))
        case ("names", Collection()) if not isinstance(value, str | bytes | Mapping):
            return tuple(str(each).partition("=")[0] for each in value)
    raise ValueError(f"the fact {name!r} is a {kind}, not {value!r}")
