"""How long planning takes: a matrix of 10,000 cells, and the requests for its hosts. `python -m tests.bench_plan [CELLS]`.

It prints figures and judges none: they are of the machine that it runs on.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stacks import drivers, hosts, matrix, plan

if TYPE_CHECKING:
    from collections.abc import Iterator

_CELLS = 10_000
_PER_SIZE = len(drivers.DRIVERS) * 2 * 2 * 3 * 2
"""Cells for each size of the disk: every driver on three machine images, two filesystems, two servers, both placements."""

_MATRIX = """\
schema: 1
name: large
axes:
  cloud: qemu
  disk: [{disks}]
  machine_image: [debian-bullseye, debian-bookworm, debian-trixie]
  driver: [{drivers}]
  backing_filesystem: [ext4, xfs]
  server: [seaweedfs, versitygw]
  data_placement: [writable_layer, volume]
load:
  seed: 1
  workloads: {{op: put, object_size: 4KiB}}
"""


def main(cells: int) -> None:
    """Read, expand, plan, and ask for hosts, with the seconds that each takes."""
    sizes = ", ".join(f"virtio-{8 + number}GiB" for number in range(cells // _PER_SIZE))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.yaml")
        path.write_text(_MATRIX.format(disks=sizes, drivers=", ".join(drivers.DRIVERS)), encoding="utf-8")
        with _timed("read"):
            wanted = matrix.read(path)
    with _timed("expand"):
        expanded = plan.expand(wanted)
    with _timed("expand and plan"):
        planned = plan.plan(wanted, plan.facts_of)
    with _timed("requests for hosts"):
        requests = hosts.targets("large", planned.cells, None)
    sys.stdout.write(f"{len(expanded)} cells, {len(planned.cells)} of them can work, on {len(requests)} hosts\n")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    sys.stdout.write(f"{what:<20}{time.perf_counter() - began:7.2f} s\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else _CELLS)
