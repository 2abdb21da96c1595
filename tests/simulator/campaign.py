"""A whole campaign against the simulator: `cowbench bench` on every simulated cloud, with VMs; what was made, and what is left.

    python -m tests.simulator.campaign [--clouds aws,hetzner] [--folder DIR]

Ends with 0 when everything stood, was measured and is gone, and no secret was where none must be.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import yaml

from stacks import matrix, plan, vm_process
from tests.simulator import clouds, table
from tests.simulator.place import CHECKOUT, simulator
from tests.simulator.secret_search import Search

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MATRIX = Path(__file__).with_suffix(".yaml")
VM_BYTES = 512 << 20
_OVERHEAD_BYTES = 256 << 20
_LOOK_EVERY_S = 10.0
_LIMIT_S = 5400


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--clouds", default=",".join(clouds.CLOUDS), help="with commas between")
    parser.add_argument("--folder", type=Path, default=Path("runs"), help="where the run folder goes")
    given = parser.parse_args()
    chosen = tuple(given.clouds.split(","))
    with tempfile.TemporaryDirectory(prefix="cb") as directory:
        return _campaign(Path(directory), chosen, given.folder.absolute())


def _campaign(place: Path, chosen: tuple[str, ...], runs: Path) -> int:
    wanted = place / "campaign.yaml"
    wanted.write_text(_of_clouds(MATRIX.read_text(), chosen))
    hosts = {cell.host for cell in plan.plan(matrix.read(wanted), plan.facts_of).cells}
    _insist_on_room(len(hosts))
    state, began = place / "s", time.monotonic()
    with simulator(place / "c", clouds=chosen, machines=chosen, most_memory_bytes=VM_BYTES) as simulated:
        environment = {**os.environ, **simulated.environment(), "COWBENCH_STATE": str(state)}
        search = Search(state=state, simulator=simulated.directory)
        code = _bench(wanted, runs, environment, search)
        search.look_into(state, runs, place / "c")
        left = _told(simulated.directory)
        swept = subprocess.run(
            [sys.executable, "-m", "bench.cli", "sweep", "--all"], env=environment, capture_output=True, text=True, check=False
        )
    _say(f"{len(hosts)} VMs on {len(chosen)} clouds, {time.monotonic() - began:.0f} s in all; cowbench ended with {code}")
    _say(f"left in the accounts: {left}; a sweep afterwards: {swept.stdout.strip() or swept.stderr.strip()}")
    for place_of_secret in sorted(search.found):
        _say(f"SECRET {place_of_secret}")
    _say(f"{len(search.secrets)} secrets in use, found where none must be: {len(search.found)}")
    # 4, measured but not sound, is what two blocks on a crowded machine may well be.
    return int(code not in {0, 4} or left > 0 or bool(search.found) or not search.secrets)


def _of_clouds(text: str, chosen: Sequence[str]) -> str:
    document = yaml.safe_load(text)
    document["axes"]["cloud"] = list(chosen)
    return yaml.safe_dump(document, sort_keys=False)


def _insist_on_room(vms: int) -> None:
    needed = vms * (VM_BYTES + _OVERHEAD_BYTES)
    there = psutil.virtual_memory().available - vm_process.untouched_bytes(_OVERHEAD_BYTES)
    if needed > there:
        sys.exit(
            f"{vms} VMs need {needed >> 20} MiB of memory, {there >> 20} MiB are free; next: fewer clouds, as in --clouds aws,gcp"
        )


def _bench(wanted: Path, runs: Path, environment: Mapping[str, str], search: Search) -> int:
    command = [sys.executable, "-m", "bench.cli", "bench", str(wanted), "--stack", "simulated", "--runs", str(runs)]
    process = subprocess.Popen(command, env=environment, cwd=CHECKOUT)
    deadline = time.monotonic() + _LIMIT_S
    try:
        while process.poll() is None and time.monotonic() < deadline:
            search.look()
            # Disks and logs come and go: whole folders are looked into at the end, and once in between.
            time.sleep(_LOOK_EVERY_S)
    finally:
        if process.poll() is None:
            process.terminate()
    return process.wait()


def _told(directory: Path) -> int:
    """Print what was created and deleted, by cloud and type; how much still exists."""
    events = table.history(directory)
    made = Counter((event.cloud, event.kind) for event in events)
    left = Counter((event.cloud, event.kind) for event in events if event.deleted_at is None)
    _say(f"\n{'cloud':<14}{'type':<58}{'created':>8}{'deleted':>8}{'left':>6}")
    for (cloud, kind), count in sorted(made.items()):
        remains = left[cloud, kind]
        _say(f"{cloud:<14}{kind:<58}{count:>8}{count - remains:>8}{remains:>6}")
    return sum(left.values())


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
