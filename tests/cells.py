"""Cells for tests, one call each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.records import Cell
from stacks import axes as known_axes

if TYPE_CHECKING:
    from bench.records import Placement

_PLAIN = Cell(
    name="",
    host="",
    cloud="local",
    region="here",
    instance_type="this-host",
    disk="loop-2GiB",
    machine_image="this-host",
    engine="distribution",
    driver="overlay2",
    backing_filesystem="ext4",
    server="versitygw",
    data_placement="writable_layer",
)


def cell(driver: str = "overlay2", filesystem: str = "ext4", placement: Placement = "writable_layer", **axes: Any) -> Cell:
    """A cell of the local cloud, or of the one that is given with what is usual there, and a name made of what is given."""
    usual = known_axes.usual(axes["cloud"], "") if "cloud" in axes else {}
    made = replace(_PLAIN, driver=driver, backing_filesystem=filesystem, data_placement=placement, **{**usual, **axes})
    short = "layer" if placement == "writable_layer" else placement
    host = f"{driver}-{filesystem}"
    return replace(made, name=f"{made.cloud}-{host}-{made.server}-{short}", host=host)
