"""One value of a file, with its place: whoever asks for it decides the type, and gets it or an error that names the place.

So `no` is never silently false, a version never a number, a date never a date.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from bench.errors import InputError
from stacks import quantity

_SHOWN = 60
_ALIKE = 0.7
"""From here on a name is taken for a slip of another: debian-12, which public clouds have, is none of debian-trixie."""
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")
_NOTHING = ("", "~", "null", "Null", "NULL")

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of the file. `line` and `column` count from 1 and are those of its key, or its own as an item of a list.

    `content` is a scalar's text, a list's items, or a mapping's values by key. `plain` tells a scalar without quotes.
    """

    content: str | tuple[Value, ...] | Mapping[str, Value]
    file: str
    line: int
    column: int
    key: str
    plain: bool = False

    @property
    def place(self) -> str:
        """`file:line:column key`."""
        return f"{self.file}:{self.line}:{self.column} {self.key}".rstrip()

    def error(self, what: str, next_step: str) -> InputError:
        """An error at this place."""
        return InputError(what, where=self.place, next_step=next_step)

    def mapping(self, *, required: Collection[str] = (), optional: Collection[str]) -> Mapping[str, Value]:
        """The values by key, all of them known, none of `required` missing."""
        if not isinstance(self.content, Mapping):
            raise self.error(f"{self._what()} stands where keys with values are meant", f"write {_keys(required or optional)}")
        for key, value in self.content.items():
            if key not in required and key not in optional:
                raise value.error(f"unknown key {_short(key)}", _nearest(key, (*required, *optional)))
        for key in required:
            if key not in self.content:
                raise self.error(f"the key {key!r} is missing", f"add it; needed here: {', '.join(required)}")
        return self.content

    def items(self) -> tuple[Value, ...]:
        """The items of a list, at least one; anything else is a list of one."""
        if not isinstance(self.content, tuple):
            return (self,)
        if not self.content:
            raise self.error("the list is empty", "give it an item, or leave the key out")
        return self.content

    def text(self) -> str:
        """A scalar's text, never empty."""
        if not isinstance(self.content, str):
            raise self.error(f"{self._what()} stands where one word is meant", "write a single value")
        if self.content == "" or (self.plain and self.content in _NOTHING):
            raise self.error("no value is given", "write one after the colon, or leave the key out")
        return self.content

    def one_of(self, known: Collection[str], what: str) -> str:
        """One of the known names. `what` says what they name."""
        text = self.text()
        if text not in known:
            raise self.error(f"unknown {what} {_short(text)}", _nearest(text, known))
        return text

    def flag(self) -> bool:
        """`true` or `false`, and nothing that looks like it."""
        text = self.text()
        if not self.plain or text not in ("true", "false"):
            raise self.error(f"{_short(text)} is neither true nor false", "write true or false")
        return text == "true"

    def integer(self, low: int, high: int) -> int:
        """A whole number within the bounds."""
        text = self.text()
        if not self.plain or not _INTEGER.fullmatch(text):
            raise self.error(f"{_short(text)} is no whole number", f"write a number from {low} to {high}, without quotes")
        return self._within(int(text), low, high, str)

    def number(self, low: float, high: float) -> float:
        """A number within the bounds."""
        text = self.text()
        if not self.plain or not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            raise self.error(f"{_short(text)} is no number", f"write a number from {low:g} to {high:g}, without quotes")
        return self._within(float(text), low, high, "{:g}".format)

    def size_bytes(self, low: int, high: int) -> int:
        """A size such as `256KiB` within the bounds, in bytes."""
        value = self._quantity(quantity.size_bytes, "size", "write a size such as 4KiB, 64MiB or 1GiB")
        return self._within(value, low, high, quantity.size_text)

    def duration_s(self, low: float, high: float) -> float:
        """A duration such as `300ms` within the bounds, in seconds."""
        value = self._quantity(quantity.duration_s, "duration", "write a duration such as 300ms, 1s or 2m")
        return self._within(value, low, high, quantity.duration_text)

    def _quantity(self, read: Callable[[str], _Number], what: str, next_step: str) -> _Number:
        text = self.text()
        try:
            return read(text)
        except ValueError as reason:
            raise self.error(f"{_short(text)} is no {what}: {reason}", next_step) from None

    def _within(self, value: _Number, low: _Number, high: _Number, spell: Callable[[_Number], str]) -> _Number:
        if not low <= value <= high:
            raise self.error(f"{_short(self.text())} is out of range", f"write a value from {spell(low)} to {spell(high)}")
        return value

    def _what(self) -> str:
        if isinstance(self.content, str):
            return "nothing" if self.content in _NOTHING else f"the single value {_short(self.content)}"
        return "a list" if isinstance(self.content, tuple) else "a mapping"


def _keys(keys: Collection[str]) -> str:
    return ", ".join(f"{key}: ..." for key in keys)


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _nearest(text: str, known: Collection[str]) -> str:
    near = get_close_matches(text, known, n=1, cutoff=_ALIKE)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known here: {', '.join(known)}"
