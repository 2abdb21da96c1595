"""Short words for what a host is: its kernel, its machine image, what its storage driver stands on. Nothing is decided here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.records import HostFacts, Target

_SERIES = re.compile(r"\d+\.\d+")
_OWN_IMAGE = re.compile(r"(?:[^\s,;()]*/)?([^\s,;()/#?]+)(?:\?[^\s,;()#]*)?#sha256=[0-9A-Fa-f]{8,64}")
"""A machine image of the user's own: a path or an address and a checksum, as in the matrix."""

_LOOP_FILE = "Data loop file"
"""What `docker info` shows of devicemapper only where its pool lies in a file: loop-lvm (devmapper/driver.go, `Status`)."""


def series(kernel: str) -> str:
    """Return the series of a kernel release, `5.10` of `5.10.0-33-cloud-amd64`; one without numbers is returned as it is."""
    found = _SERIES.match(kernel)
    return found[0] if found else kernel


def is_own_image(reference: str) -> bool:
    """Return whether a machine image is the user's own file: its name states nothing that we could hold it to."""
    return "#sha256=" in reference


def image_name(reference: str) -> str:
    """Return what a machine image is called: the file's name of a user's own, else its name as in the matrix."""
    return re.split(r"[?#]", reference, maxsplit=1)[0].rpartition("/")[2] if is_own_image(reference) else reference


def without_paths(text: str) -> str:
    """Return `text` with each machine image of the user's own shortened to its file name: a path tells little, and not to all."""
    return _OWN_IMAGE.sub(r"\1", text)


def pool(facts: HostFacts) -> str:
    """Return on what devicemapper keeps its thin pool, `loop-lvm` (a file) or `direct-lvm` (a disk); empty for other drivers."""
    if facts.storage_driver != "devicemapper":
        return ""
    return "loop-lvm" if _LOOP_FILE in facts.driver_status else "direct-lvm"


def without_entry_types(facts: HostFacts) -> bool:
    """Return whether the backing filesystem was made without directory entry types, which overlay drivers need."""
    return "ftype=0" in facts.mkfs or facts.driver_status.get("Supports d_type", "true").lower() == "false"


def is_on_this_machine(target: Target) -> bool:
    """Return whether a target's host is a VM that the operator's own machine runs: only of those do we know what runs them."""
    return target.machine == "operator" and bool(target.host.virtualization)


def is_spot(facts: HostFacts) -> bool:
    """Return whether a host is a rented one that its cloud may take away at any time: `aws m7i.large spot, kvm`."""
    return re.search(r"\bspot\b", facts.virtualization) is not None


def rented_type(facts: HostFacts) -> str:
    """Return the instance type that a rented host was made of, empty where that was not noted: `aws m7i.large spot, kvm`."""
    found = re.match(r"\S+ ([^\s,]+)", facts.virtualization)
    return found[1] if found else ""
