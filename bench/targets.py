"""The seam between deploying and measuring: `targets.json`, which says where each cell answers and what was read back there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bench import jsonfile
from bench.errors import InputError
from bench.records import TARGETS_SCHEMA, GeneratorHost, Target

if TYPE_CHECKING:
    from pathlib import Path


_AGAIN = "write it again: cowbench up MATRIX, or pulumi stack output targets --json"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What stands: the targets of a stack, and the hosts that their load comes from, if it is not the operator's machine."""

    stack: str
    targets: tuple[Target, ...]
    generators: tuple[GeneratorHost, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _File(Deployment):
    schema: int


def read(path: Path) -> Deployment:
    """What the file says. Raises InputError for a file that is missing or is not a sound `targets.json`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), next_step=_AGAIN) from None
    except UnicodeDecodeError:
        raise InputError("not text in UTF-8", where=str(path), next_step=_AGAIN) from None
    return parse(text, where=str(path))


def parse(text: str, *, where: str = "targets.json") -> Deployment:
    """What the text of such a file says. Raises InputError for another version, unknown keys, secrets, no or duplicate cells."""
    file = jsonfile.parse(text, _File, where=where, schema=TARGETS_SCHEMA, again=_AGAIN)
    names = [target.cell.name for target in file.targets]
    if not names:
        raise InputError("no targets: nothing was deployed", where=where, next_step="deploy first: cowbench up MATRIX")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two targets for one cell: {', '.join(twice)}", where=where, next_step=_AGAIN)
    return Deployment(stack=file.stack, targets=file.targets, generators=file.generators)


def write(path: Path, deployment: Deployment) -> None:
    """Writes the file whole or not at all. Raises InputError for a path that cannot be written, DeployError for a full disk."""
    with jsonfile.writing(
        path, full=lambda: "free some space, then: cowbench up MATRIX", other="choose a folder that exists and is yours"
    ):
        jsonfile.replace(path, render(deployment))


def render(deployment: Deployment) -> str:
    """The text of the file, the same for the same deployment."""
    return json.dumps({"schema": TARGETS_SCHEMA, **asdict(deployment)}, indent=2, ensure_ascii=False) + "\n"
