"""A YAML file → values that know their place, read strictly: plain values only, each key once, one document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from bench.errors import InputError
from stacks.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT_BYTES = 1 << 20
_LIMIT_DEPTH = 16

_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What YAML does not take for printable ("YAML 1.1", 5.1): libyaml tells no place for it.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True)
class Document:
    """A file's text, and its one value."""

    text: str
    root: Value


def read(path: Path) -> Document:
    """The file's one document. Raises InputError when it cannot be read, is not YAML, or uses more of YAML than plain values."""
    file = str(path)
    text = _text(path)
    events = yaml.parse(text, _LOADER)
    try:
        next(events)  # the start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            raise InputError("the file is empty", where=file, next_step="start from a matrix of stacks/matrices")
        root = _value(next(events), events, file=file, key="", place=None, depth=0)
        next(events)  # the end of the document
        if not isinstance(after := next(events), yaml.StreamEndEvent):
            raise InputError("a second document begins here", where=_where(file, after), next_step="keep one document in a file")
    except yaml.YAMLError as error:
        raise _not_yaml(error, file, text) from None
    return Document(text, root)


def _text(path: Path) -> str:
    file = str(path)
    try:
        if path.is_dir():
            raise InputError("this is a directory", where=file, next_step="name a YAML file in it")
        if not path.is_file():
            raise InputError(
                "there is no such file", where=file, next_step="check the path; see stacks/matrices for what there is"
            )
        with path.open("rb") as stream:
            content = stream.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=file, next_step="check the path and its permissions"
        ) from None
    if len(content) > LIMIT_BYTES:
        raise InputError("the file is larger than 1MiB", where=file, next_step="a matrix needs a few hundred lines at most")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("this is not a text file in UTF-8", where=file, next_step="name a YAML file") from None
    if control := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, control.start()) + 1
        where = f"{file}:{line}:{control.start() - text.rfind(chr(10), 0, control.start())}"
        raise InputError("a control character stands here", where=where, next_step="name a text file, or remove it")
    return text


def _value(
    event: yaml.Event, events: Iterator[yaml.Event], *, file: str, key: str, place: tuple[int, int] | None, depth: int
) -> Value:
    line, column = place or _mark(event)
    where = f"{file}:{line}:{column} {key}".rstrip()
    _refuse_more_than_values(event, where)
    if depth > _LIMIT_DEPTH:
        raise InputError("values are nested too deeply", where=where, next_step="a matrix needs four levels")
    content: str | tuple[Value, ...] | dict[str, Value]
    plain = False
    if isinstance(event, yaml.MappingStartEvent):
        content = _mapping(events, file=file, key=key, depth=depth + 1)
    elif isinstance(event, yaml.SequenceStartEvent):
        content = _sequence(events, file=file, key=key, depth=depth + 1)
    else:
        assert isinstance(event, yaml.ScalarEvent)  # all that is left once aliases are refused
        content, plain = event.value, event.implicit[0]
    return Value(content=content, file=file, line=line, column=column, key=key, plain=plain)


def _mapping(events: Iterator[yaml.Event], *, file: str, key: str, depth: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        where = _where(file, event)
        _refuse_more_than_values(event, where)
        if not isinstance(event, yaml.ScalarEvent):
            raise InputError("a key is no single word", where=where, next_step="write `key: value`")
        inner = f"{key}.{event.value}" if key else event.value
        if event.value in values:
            what = f"the key {event.value!r} is given twice, first in line {values[event.value].line}"
            raise InputError(what, where=f"{where} {inner}", next_step="keep one of them")
        values[event.value] = _value(next(events), events, file=file, key=inner, place=_mark(event), depth=depth)
    return values


def _sequence(events: Iterator[yaml.Event], *, file: str, key: str, depth: int) -> tuple[Value, ...]:
    values: list[Value] = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        values.append(_value(event, events, file=file, key=f"{key}[{len(values)}]", place=None, depth=depth))
    return tuple(values)


def _refuse_more_than_values(event: yaml.Event, where: str) -> None:
    """Aliases can make a small file huge, tags can name any type; a matrix needs neither."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise InputError("anchors and aliases are not read here", where=where, next_step="write the value out in each place")
    if getattr(event, "tag", None):
        raise InputError("YAML tags (!...) are not read here", where=where, next_step="write the plain value")


def _mark(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    assert mark is not None  # only events made by hand have none
    return mark.line + 1, mark.column + 1


def _where(file: str, event: yaml.Event) -> str:
    line, column = _mark(event)
    return f"{file}:{line}:{column}"


def _not_yaml(error: yaml.YAMLError, file: str, text: str) -> InputError:
    mark = error.problem_mark or error.context_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return InputError(f"not valid YAML: {error}", where=file, next_step="compare with a matrix of stacks/matrices")
    where = f"{file}:{mark.line + 1}:{mark.column + 1}"
    if any("\t" in line[: mark.column + 1] for line in _LINE_BREAK.split(text)[mark.line : mark.line + 1]):
        return InputError("a tab stands where YAML wants spaces", where=where, next_step="indent with spaces")
    return InputError(
        f"not valid YAML: {error.problem or error.context}",
        where=where,
        next_step="look at this line and the one before: indentation, a missing colon, an open quote or bracket",
    )
