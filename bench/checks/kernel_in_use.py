"""Is the planned kernel the one that runs? A machine image whose name states one (`linux-6.1`) must run it, on every host."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.host_words import image_name, is_own_image
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import Target

_STATED = re.compile(r"(?:kernel|linux)[-_ ]?v?(\d+\.\d+(?:\.\d+)*)", re.IGNORECASE)


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    wrong = tuple(_differs(target) for target in evidence.targets if not _runs_stated_kernel(target))
    return wrong + _several_kernels(evidence.targets)


def _stated(target: Target) -> str:
    # The file name of a user's own image is no statement of ours: `rocky-linux-9.4.qcow2` means the distribution.
    match = None if is_own_image(target.cell.machine_image) else _STATED.search(target.cell.machine_image)
    return match[1] if match else ""


def _runs_stated_kernel(target: Target) -> bool:
    stated = _stated(target)
    # `6.1` is meant by 6.1.0-18-amd64, not by 6.12.
    return not stated or re.match(rf"{re.escape(stated)}(?!\d)", target.host.kernel) is not None


def _differs(target: Target) -> Finding:
    return Finding(
        check="kernel_in_use",
        level="error",
        cell=target.cell.name,
        text=f"machine image {target.cell.machine_image} states kernel {_stated(target)}, running is {target.host.kernel}",
        fix="boot the planned kernel (look at the boot loader's default and at automatic upgrades), then up again",
    )


def _several_kernels(targets: tuple[Target, ...]) -> tuple[Finding, ...]:
    kernels: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for target in targets:
        kernels[target.cell.cloud, target.cell.region, target.cell.machine_image].add(target.host.kernel)
    return tuple(
        Finding(
            check="kernel_in_use",
            level="warning",
            cell="",
            text=f"hosts of machine image {image_name(image)} run different kernels: {', '.join(sorted(found))}",
            fix="pin the machine image, switch off automatic upgrades, then down and up",
        )
        for (_, _, image), found in kernels.items()
        if len(found) > 1
    )


CHECK = Check(name="kernel_in_use", when="before", look=_look)
