"""What each storage driver and snapshotter is good at, bad at, and needs: for the report and for people who choose."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from bench.knowledge import data


class DriverNote(data.Entry):
    """One storage driver or snapshotter. `versions` are of Docker for a graph driver, of containerd for a snapshotter.

    `backing` lists filesystems it runs on; `any` and `block` (a block device) are no filesystem. `options` tells what each
    storage option does.
    """

    name: str
    kind: Literal["graphdriver", "snapshotter"]
    versions: Annotated[str, Field(pattern=r"^>=[\d.]+(,<[\d.]+)?$")]
    kernel: str
    backing: tuple[str, ...]
    d_type: Literal["required", "no matter"]
    module: str | None
    options: Mapping[str, str] = {}
    strengths: str
    weaknesses: str


@cache
def drivers() -> Mapping[str, DriverNote]:
    """Every note, by the driver's name."""
    return {note.name: note for note in data.read("drivers", tuple[DriverNote, ...])}
