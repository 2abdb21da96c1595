"""Reads the data files of this folder; a fault in one is a fault of the program, so it is raised as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

_FOLDER = Path(__file__).parent
# libyaml reads these files ten times faster; not every build of PyYAML has it.
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_T = TypeVar("_T")


class Entry(BaseModel):
    """One entry of a data file: frozen, and no key that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read(stem: str, shape: type[_T]) -> _T:
    """What stands in `<stem>.yaml` under the key `<stem>`. Raises pydantic.ValidationError when it is not of that shape."""
    content = yaml.load((_FOLDER / f"{stem}.yaml").read_text(encoding="utf-8"), _LOADER)  # noqa: S506 (both are safe loaders)
    return TypeAdapter(shape).validate_python(content[stem])
