"""Samples that outlast a power cut: a trial's line in `trials.jsonl` is flushed, and must not name parts that are not there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def flush(folder: Path, names: Iterable[str]) -> None:
    """Returns when these files of the folder, and their names in it, are on the disk. Raises OSError."""
    for path in (*(folder / name for name in names), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
