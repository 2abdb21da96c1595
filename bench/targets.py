"""The seam between deploying and measuring: `targets.json`, which says where each cell answers and what was read back there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bench import jsonfile
from bench.errors import InputError
from bench.records import TARGETS_SCHEMA, Target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


_AGAIN = "write it again: cowbench up MATRIX, or pulumi stack output targets --json"


@dataclass(frozen=True, kw_only=True)
class _File:
    schema: int
    stack: str
    targets: tuple[Target, ...]


def read(path: Path) -> tuple[str, tuple[Target, ...]]:
    """The stack's name and its targets. Raises InputError for a file that is missing or is not a sound `targets.json`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), next_step=_AGAIN) from None
    except UnicodeDecodeError:
        raise InputError("not text in UTF-8", where=str(path), next_step=_AGAIN) from None
    return parse(text, where=str(path))


def parse(text: str, *, where: str = "targets.json") -> tuple[str, tuple[Target, ...]]:
    """The stack's name and its targets. Raises InputError for another version, unknown keys, secrets, no or duplicate cells."""
    file = jsonfile.parse(text, _File, where=where, schema=TARGETS_SCHEMA, again=_AGAIN)
    names = [target.cell.name for target in file.targets]
    if not names:
        raise InputError("no targets: nothing was deployed", where=where, next_step="deploy first: cowbench up MATRIX")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two targets for one cell: {', '.join(twice)}", where=where, next_step=_AGAIN)
    return file.stack, file.targets


def write(path: Path, stack: str, targets: Sequence[Target]) -> None:
    """Writes the file whole or not at all. Raises InputError for a path that cannot be written, DeployError for a full disk."""
    with jsonfile.writing(
        path, full=lambda: "free some space, then: cowbench up MATRIX", other="choose a folder that exists and is yours"
    ):
        jsonfile.replace(path, render(stack, targets))


def render(stack: str, targets: Sequence[Target]) -> str:
    """The text of the file, the same for the same targets."""
    return (
        json.dumps(asdict(_File(schema=TARGETS_SCHEMA, stack=stack, targets=tuple(targets))), indent=2, ensure_ascii=False) + "\n"
    )
