"""Names of cells and hosts: readable, short, and made of the cell's own values alone, so that no other cell changes them."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from stacks import axes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CELL_LIMIT = 60
HOST_LIMIT = 26
"""Sockets of an engine lie below a directory of this name, and a socket's path has 107 bytes at most (`unix(7)`)."""

_DIGEST_CHARACTERS = 7
_PLACEMENTS = {"writable_layer": "layer", "volume": "volume"}


def cell_name(values: Mapping[str, str], usual: Mapping[str, str]) -> str:
    """`local-overlay2-ext4-seaweedfs-layer`, and what differs from what the cloud gives unasked (`stacks.axes.usual`)."""
    placement = _PLACEMENTS[values["data_placement"]]
    words = (values["cloud"], values["driver"], values["backing_filesystem"], values["server"], placement)
    return _name(words, _unusual(values, usual), CELL_LIMIT)


def host_name(values: Mapping[str, str], usual: Mapping[str, str]) -> str:
    """`overlay2-ext4`: the cell without server and placement, and without the cloud that is the default."""
    cloud = () if values["cloud"] == axes.default_cloud() else (values["cloud"],)
    return _name((*cloud, values["driver"], values["backing_filesystem"]), _unusual(values, usual), HOST_LIMIT)


def generator_name(cloud: str, region: str, number: int) -> str:
    """`load-qemu-1`; with the region, where it is not the cloud's usual one."""
    return _name(tuple(filter(None, ("load", cloud, region, str(number)))), {}, HOST_LIMIT)


def _unusual(values: Mapping[str, str], usual: Mapping[str, str]) -> dict[str, str]:
    return {axis: values[axis] for axis in axes.OF_THE_CLOUD if values[axis] != usual.get(axis)}


def _name(words: Sequence[str], unusual: Mapping[str, str], limit: int) -> str:
    """The words as they are where that tells everything, else with a digest of all that the name stands for at its end."""
    name = "-".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in (*words, *unusual.values()))
    if not unusual and name == "-".join(words) and len(name) <= limit:
        return name
    digest = hashlib.blake2b(repr((tuple(words), sorted(unusual.items()))).encode()).digest()
    suffix = base64.b32encode(digest).decode().lower()[:_DIGEST_CHARACTERS]
    return f"{name[: limit - _DIGEST_CHARACTERS - 1].strip('-')}-{suffix}"
