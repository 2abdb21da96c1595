"""Which pairs of targets are too unlike to be compared: by what was read back, not by what was planned.

A fact of a host may differ only where the two cells differ on an axis that sets it. Else the ratio would be told of the one axis
and be made by another thing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import GeneratorHost, Target
    from bench.stats.pairs import Pair

_DIGEST_SHOWN = 19
_MEMORY_TOLERANCE = 0.1
"""What a kernel keeps for itself differs a little between hosts of one size."""

_SET_BY: dict[str, tuple[str, ...]] = {
    "cpus": ("cloud", "instance_type"),
    "memory_bytes": ("cloud", "instance_type"),
    "kernel": ("cloud", "machine_image"),
    "cgroup_version": ("cloud", "machine_image"),
    "virtualization": ("cloud",),
    "engine_version": ("engine", "cloud", "machine_image"),
    "containerd_version": ("engine", "cloud", "machine_image"),
    "runc_version": ("engine", "cloud", "machine_image"),
    "disk_bytes": ("cloud", "disk"),
    "direct_io": ("cloud", "disk"),
    "mkfs": ("backing_filesystem",),
}
"""Facts of a host, and the axes that set each. A machine image brings a kernel and, unless the engine axis pins a version, its
distribution's engine: cells of two images are compared as what they are, pairs of both, and the report says so. A version that
is pinned is held to by the check `engine_in_use`. KVM and bare metal are both hardware: two clouds may differ in that."""

_LOAD_FACTS = ("emulated", "cpus", "kernel", "image id")
"""Of a host that load comes from, what is compared, in this order."""

_EVERY_FILESYSTEM = frozenset(
    {"ro", "rw", "sync", "async", "dirsync", "noatime", "relatime", "nodiratime", "strictatime", "lazytime"}
)
"""Mount options that the kernel knows for all filesystems: mount(8), "Filesystem-independent mount options"."""


class Difference(NamedTuple):
    """One fact and its value on either side, in words."""

    fact: str
    one: str
    other: str


def unlike(pair: Pair) -> str:
    """Return why the two targets must not be compared, empty when they may.

    The client is the same for all cells of a run (`Load.client`), so within a run it cannot differ. Digests and commands are
    compared only where both cells were to have the same server: where the server is the axis of interest, others are the point.
    """
    one, other = pair.cell, pair.against
    if other is None:
        return f"no cell with {pair.wanted} stands beside it: add one to the matrix, or choose another reference"
    if one.host.emulated != other.host.emulated:
        emulated = one if one.host.emulated else other
        return f"{emulated.cell.name} ran emulated, the other on hardware: compare cells of one kind"
    if reason := _load_differs(pair) or _image_differs(one, other):
        return reason
    if _same(one, other, ("server",)) and one.server.content_digest != other.server.content_digest:
        digests = " and ".join(target.server.content_digest[:_DIGEST_SHOWN] or "none" for target in (one, other))
        return f"their {one.cell.server} images differ ({digests}): deploy both from the same image"
    return _told(tuple(differences(one, other)))


def _load_differs(pair: Pair) -> str:
    """Say in what the hosts differ that the two loads came from: no axis sets them, so nothing explains it."""
    mine, theirs = _generators(pair.cell_load), _generators(pair.against_load)
    if mine == theirs:
        return ""
    if len(mine) != len(theirs):
        what = f"in number ({len(mine)} and {len(theirs)}, none being the operator's machine)"
    else:
        pairs = [each for one, other in zip(mine, theirs, strict=True) for each in zip(_LOAD_FACTS, one, other, strict=True)]
        what = "in " + ", ".join(f"{fact} ({one} and {other})" for fact, one, other in dict.fromkeys(pairs) if one != other)
    return f"the hosts that their load came from differ {what}: give both the same, or compare cells with one load"


def _generators(load: tuple[GeneratorHost, ...]) -> list[tuple[str, ...]]:
    """Return what may make one load another, host by host in an order that does not depend on their names."""
    kinds = [(each.host.emulated, each.host.cpus, each.host.kernel, each.image_id) for each in load]
    return [tuple(map(str, kind)) for kind in sorted(kinds)]


def _image_differs(one: Target, other: Target) -> str:
    digests = (one.host.machine_image_digest, other.host.machine_image_digest)
    if digests[0] == digests[1] or not _same(one, other, ("cloud", "machine_image")):
        return ""
    shown = " and ".join(digest[:_DIGEST_SHOWN] or "none" for digest in digests)
    name = one.cell.machine_image
    return f"they were deployed from two builds of the machine image {name} ({shown}): cowbench down, then up, deploys both anew"


def differences(one: Target, other: Target) -> Iterator[Difference]:
    """Yield the facts in which two targets differ although no axis on which their cells differ sets them."""
    for fact, axes in _SET_BY.items():
        mine, theirs = getattr(one.host, fact), getattr(other.host, fact)
        if _same(one, other, axes) and not _equal(fact, mine, theirs):
            yield Difference(fact.replace("_", " "), str(mine) or "none", str(theirs) or "none")
    yield from _tokens("mount options", *_mount_options(one, other))
    if _same(one, other, ("server",)):
        yield from _tokens("server command", _command(one), _command(other))


def _told(found: tuple[Difference, ...]) -> str:
    if not found:
        return ""
    first, *others = found
    also = f", and in {', '.join(one.fact for one in others)}" if others else ""
    what = f"they differ in {first.fact} ({first.one} and {first.other}){also}, which no axis of the comparison explains"
    return f"{what}: deploy both alike, or make it an axis of the matrix"


def _same(one: Target, other: Target, axes: tuple[str, ...]) -> bool:
    return all(getattr(one.cell, axis) == getattr(other.cell, axis) for axis in axes)


def _equal(fact: str, one: object, other: object) -> bool:
    if fact == "memory_bytes" and isinstance(one, int) and isinstance(other, int):
        return abs(one - other) <= _MEMORY_TOLERANCE * max(one, other)
    return one == other


def _mount_options(one: Target, other: Target) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the options that can be compared: of two filesystems, or of two kernels, only those that both would show."""
    sides = [tuple(sorted(target.host.mount_options.split(","))) for target in (one, other)]
    if one.host.backing_filesystem != other.host.backing_filesystem or not _same(one, other, ("cloud", "machine_image")):
        sides = [tuple(option for option in options if option in _EVERY_FILESYSTEM) for options in sides]
    return sides[0], sides[1]


def _command(target: Target) -> tuple[str, ...]:
    """Return the server's command without its addresses, which every cell has of its own."""
    urls = [urlsplit(url) for url in (target.endpoint, target.private_endpoint)]
    own = "|".join(re.escape(name) for url in urls for name in (url.netloc, url.hostname) if name)
    return tuple(re.sub(own, "address", part) if own else part for part in target.server.command)


def _tokens(fact: str, one: tuple[str, ...], other: tuple[str, ...]) -> Iterator[Difference]:
    """Yield what stands on one side only, so that a long command does not bury its one odd flag."""
    if one != other:
        mine, theirs = (tuple(part for part in a if part not in b) for a, b in ((one, other), (other, one)))
        if not mine and not theirs:  # the same, in another order
            mine, theirs = one, other
        yield Difference(fact, " ".join(mine) or "nothing", " ".join(theirs) or "nothing")
