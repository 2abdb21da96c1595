"""Does the data root lie on the planned filesystem, and can a storage driver work on it as it was made?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.host_words import without_entry_types
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import Target

_SAME = {"extfs": "ext4", "ext2/ext3": "ext4"}
"""`docker info` and `stat -f` know the ext family by one magic number and so by one name."""


_PLANNED_WITHOUT = re.compile(r"ftype=?0")
"""An axis that asks for a filesystem without directory entry types, as old installers made XFS: to see what comes of it."""


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    return tuple(finding for target in evidence.targets for finding in (*_other_filesystem(target), *_no_entry_types(target)))


def _other_filesystem(target: Target) -> tuple[Finding, ...]:
    planned, found = target.cell.backing_filesystem, target.host.backing_filesystem
    if _name(planned) == _name(found):
        return ()
    text = (
        f"planned backing filesystem {planned}, the data root lies on {found} (mount: {target.host.mount_options or 'unknown'})"
    )
    fix = "look whether the data disk is mounted (findmnt) before the engine starts; then down and up"
    return (_error(target, text, fix),)


def _name(filesystem: str) -> str:
    # `xfs-ftype0` and `xfs:ftype=1` are an xfs, made in a certain way.
    name = re.split("[-:]", filesystem, maxsplit=1)[0].strip().lower()
    return _SAME.get(name, name)


def _no_entry_types(target: Target) -> tuple[Finding, ...]:
    planned, found = _PLANNED_WITHOUT.search(target.cell.backing_filesystem) is not None, without_entry_types(target.host)
    if planned == found:
        return ()
    made = target.host.mkfs or "unknown"
    if planned:
        text = f"planned {target.cell.backing_filesystem}, the filesystem has directory entry types (made by: {made})"
        return (_error(target, text, "down, then up, so that the filesystem is made anew; it was made for another cell"),)
    text = f"{target.host.backing_filesystem} has no d_type: overlay drivers lose deletions on it (made by: {made})"
    fix = "make the filesystem anew with directory entry types: mkfs.xfs -n ftype=1, or ext4 with its feature filetype"
    return (_error(target, text, fix),)


def _error(target: Target, text: str, fix: str) -> Finding:
    return Finding(check="filesystem_in_use", level="error", cell=target.cell.name, text=text, fix=fix)


CHECK = Check(name="filesystem_in_use", when="before", look=_look)
