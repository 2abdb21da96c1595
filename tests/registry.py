"""What every family promises about its registry: names and files agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def files_of(package: Path) -> set[str]:
    """Module names in a family's folder."""
    return {path.stem for path in package.glob("*.py")} - {"__init__"}


def modules(names: Iterable[str]) -> set[str]:
    """Module names that the registry's names stand for."""
    return {name.replace("-", "_") for name in names}


def folder(module_file: str | None) -> Path:
    """The folder of a package."""
    assert module_file is not None
    return Path(module_file).parent
