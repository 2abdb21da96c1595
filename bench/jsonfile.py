"""One JSON file on disk: read strictly into a record, with the place of a fault; written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
from contextlib import contextmanager
from functools import cache
from types import GenericAlias
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import DeployError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

_SECRET = re.compile(r"secret|passw|passphrase|private_?key|access_?key|session_?token", re.IGNORECASE)
_USER_INFO = re.compile(r"://[^/@\s]*:[^/@\s]*@")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SHOWN = 3


def parse(text: str, record: type[T], *, where: str, schema: int | None, again: str) -> T:
    """The record that `text` holds. `schema` is the version to insist on, `again` says how such a file is made anew.

    Raises InputError for what is not JSON, of another version, holds a secret, or does not fit.
    """
    document = _load(text, where=where, again=again)
    if schema is not None:
        _insist_on_version(document, schema, where=where, again=again)
    _refuse_secrets(document, "", where=where)
    from pydantic import ValidationError  # noqa: PLC0415 - a third of a second that `--help` need not wait for

    try:
        found: tuple[T] = _strict(record).validate_json(f"[{text}]")  # type: ignore[arg-type]  # a class is hashable
    except ValidationError as error:
        raise InputError(_say(error), where=where, next_step=again) from None
    return found[0]


@cache
def _strict(record: type) -> TypeAdapter[Any]:
    """How `parse` reads that record: types as they are written, no unknown keys, nothing missing.

    It is of a tuple of one record, for pydantic takes "no unknown keys" for a plain dataclass only from what encloses it.
    """
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 - a third of a second that `--help` need not wait for

    return TypeAdapter(GenericAlias(tuple, (record,)), config=ConfigDict(extra="forbid", strict=True))


def _load(text: str, *, where: str, again: str) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        what = "the file ends too early: it is truncated or empty" if cut else f"not JSON: {error.msg}"
        raise InputError(what, where=f"{where}:{error.lineno}:{error.colno}", next_step=again) from None
    except RecursionError:
        raise InputError("not a file of ours: nested too deeply", where=where, next_step=again) from None


def _insist_on_version(document: object, schema: int, *, where: str, again: str) -> None:
    found = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise InputError('no whole number under "schema": not a file of ours', where=where, next_step=again)
    if found > schema:
        newer = f"schema {found} is newer than this Cowbench, which reads schema {schema}"
        raise InputError(
            newer, where=where, next_step="use the Cowbench that wrote it, or a later one: git pull, then make setup"
        )
    if found < schema:
        older = f"schema {found} is older than this Cowbench, which reads schema {schema}"
        raise InputError(older, where=where, next_step=f"use the Cowbench that wrote it, or make it anew: {again}")


def _refuse_secrets(value: object, place: str, *, where: str) -> None:
    """Raises InputError, which names the place and never the value, where a key or an address looks like it carries a secret."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{place}.{key}" if place else str(key)
            if _SECRET.search(str(key)) and inner:
                raise InputError(f"{here} looks like a secret; this file never carries one", where=where, next_step=_NO_SECRET)
            _refuse_secrets(inner, here, where=where)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _refuse_secrets(inner, f"{place}[{position}]", where=where)
    elif isinstance(value, str) and _USER_INFO.search(value):
        raise InputError(f"{place} carries a user and a password in its address", where=where, next_step=_NO_SECRET)


_NO_SECRET = "remove it, name the credential in `credential`, give the keys by the environment, and change keys that were shown"  # noqa: S105 - advice, not a secret


def _say(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    told = "; ".join(f"{_place(fault['loc'][1:])}: {fault['msg']}" for fault in faults[:_SHOWN])
    rest = len(faults) - _SHOWN
    return told + (f"; and {rest} more" if rest > 0 else "")


def _place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".") or "the whole file"


def replace(path: Path, text: str) -> None:
    """Writes `text` to `path` so that after a crash there is the old file or the new one, never half of either."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes names that were added to or removed from `folder` survive a power failure."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(path: Path, *, full: Callable[[], str], other: str) -> Iterator[None]:
    """Turns an OSError inside into one clear error. `full` gives the next step when the disk is full, `other` is the one else."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise DeployError(f"the disk is full ({reason})", where=str(path), next_step=full()) from None
        raise InputError(f"cannot be written ({reason})", where=str(error.filename or path), next_step=other) from None
