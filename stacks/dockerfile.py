"""Reads the few Dockerfile instructions that the project's own images use, and refuses every other one."""

from __future__ import annotations

import json
import posixpath
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What an image is made of.

    `copies` pairs a file, a folder or a tar to be unpacked, each of the build folder, with its absolute path in the image;
    `directories` exist besides.
    """

    copies: tuple[tuple[str, str], ...] = ()
    directories: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] = ()

    @property
    def working_directory(self) -> str:
        """The last WORKDIR, as `docker build` has it; `/` without one."""
        return self.directories[-1] if self.directories else "/"


def read(text: str, where: str) -> Definition:
    """Return the definition in `text`; `where` names the file in errors.

    Raises:
        InputError: an instruction, a form of one, or a base image that this project does not use.
    """
    instructions = [
        (number, line.split(maxsplit=1))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not instructions or instructions[0][1] != ["FROM", "scratch"]:
        raise _refused("the first instruction must be `FROM scratch`", where, 1)
    found: dict[str, list[tuple[str, ...]]] = {name: [] for name in _READERS}
    copies: list[tuple[str, str]] = []
    for number, words in instructions[1:]:
        name, rest = words[0], words[1] if len(words) > 1 else ""
        if name not in _READERS or rest.endswith("\\"):
            raise _refused(f"`{' '.join(words)}` is not understood", where, number)
        try:
            found[name].append(_READERS[name](rest))
        except ValueError as error:
            raise _refused(f"{name} wants {error}", where, number) from error
        if name in _COPYING:
            source, path = found[name][-1]
            copies.append((source, path))
    return Definition(
        copies=tuple(copies),
        directories=tuple(path for (path,) in found["WORKDIR"]),
        labels=tuple((key, value) for key, value in found["LABEL"]),
        environment=tuple((key, value) for key, value in found["ENV"]),
        entrypoint=found["ENTRYPOINT"][-1] if found["ENTRYPOINT"] else (),
    )


def _copy(rest: str) -> tuple[str, ...]:
    words = rest.split()
    if len(words) != 2 or words[0].startswith(("-", "/")) or not _absolute(words[1]):  # noqa: PLR2004 - a source and a path
        raise ValueError("one file or folder and its absolute path in the image")
    return tuple(words)


def _add(rest: str) -> tuple[str, ...]:
    """Docker's ADD of a local tar unpacks it; of anything else it would be a COPY."""
    words = _copy(rest)
    if not words[0].endswith(".tar") or "://" in words[0]:
        raise ValueError("one .tar, which it unpacks, and an absolute path in the image")
    return words


def _workdir(rest: str) -> tuple[str, ...]:
    if not _absolute(rest):
        raise ValueError("an absolute path")
    return (rest,)


def _pair(rest: str) -> tuple[str, ...]:
    words = shlex.split(rest)
    key, equals, value = words[0].partition("=") if len(words) == 1 else ("", "", "")
    if not (key and equals) or "$" in value:
        raise ValueError('one key="value", without variables')
    return key, value


def _entrypoint(rest: str) -> tuple[str, ...]:
    try:
        words = json.loads(rest)
    except ValueError:
        words = None  # the shell form: an image from scratch has no shell
    if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
        raise ValueError('a JSON list such as ["/usr/bin/server"]')
    return tuple(words)


def _absolute(path: str) -> bool:
    return path.startswith("/") and posixpath.normpath(path) == path


def _refused(what: str, where: str, line: int) -> InputError:
    return InputError(
        what,
        where=f"{where}, line {line}",
        next_step="use FROM scratch, COPY, ADD, WORKDIR, LABEL, ENV and ENTRYPOINT, one per line; images/README.md shows each",
    )


_COPYING = frozenset({"COPY", "ADD"})

_READERS: Mapping[str, Callable[[str], tuple[str, ...]]] = {
    "COPY": _copy,
    "ADD": _add,
    "WORKDIR": _workdir,
    "LABEL": _pair,
    "ENV": _pair,
    "ENTRYPOINT": _entrypoint,
}
