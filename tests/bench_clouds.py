"""How long it takes to plan and preview 500 rented VMs, and to start one cloud's program. `python -m tests.bench_clouds [VMS]`.

The clouds are simulated, Pulumi's engine is not. It prints figures and judges none: they are of the machine that it runs on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from stacks import axes
from tests.simulator import clouds as simulated
from tests.simulator.place import CHECKOUT, simulator

_VMS = 500
_FIRST_SIZE_GIB = 20

_START = """\
import sys, pulumi
from types import SimpleNamespace
from stacks import clouds, image
from tests.contract.test_cloud import Recorder, WANTED
from tests.cells import cell
from stacks import program
image.ensure = lambda name: SimpleNamespace(content_digest="sha256:1")
pulumi.runtime.set_mocks(Recorder(), project="cowbench", stack="start", preview=False)
program.run((cell(cloud=sys.argv[1]),), WANTED)
"""
"""A program of one cell up to its last registration: mostly the import of the cloud's SDK."""


def main(vms: int) -> None:
    """Plan, preview, start."""
    with tempfile.TemporaryDirectory(prefix="cb") as folder, simulator(Path(folder, "c")) as running:
        environment = {**os.environ, **running.environment(), "COWBENCH_STATE": str(Path(folder, "s"))}
        path = Path(folder, "large.yaml")
        path.write_text(yaml.safe_dump(_matrix(vms), sort_keys=False), encoding="utf-8")
        for verb in ("plan", "preview"):
            seconds, said = _timed([sys.executable, "-m", "bench.cli", verb, str(path)], environment)
            told = said.splitlines()[0 if verb == "plan" else -1]
            sys.stdout.write(f"{verb} of {vms} VMs on {len(simulated.CLOUDS)} clouds{seconds:8.1f} s   {told[:90]}\n")
            sys.stdout.flush()
        for cloud in simulated.CLOUDS:
            seconds, _ = _timed([sys.executable, "-c", _START, cloud], environment)
            sys.stdout.write(f"start of {cloud + chr(39) + 's program':<24}{seconds:8.1f} s\n")


def _matrix(vms: int) -> dict[str, object]:
    """Every VM has a disk of another size, so none is shared by two cells."""
    per_cloud = -(-vms // len(simulated.CLOUDS))
    include: list[dict[str, object]] = []
    for cloud in simulated.CLOUDS:
        kind = str(axes.usual(cloud, "")["disk"]).rpartition("-")[0]
        sizes = [f"{kind}-{_FIRST_SIZE_GIB + number}GiB" for number in range(per_cloud)]
        usual = {"machine_image": ["debian-12"], "driver": ["overlay2"], "server": ["versitygw"], "data_placement": ["volume"]}
        include.append({"cloud": [cloud], "disk": sizes, **usual})
    return {
        "schema": 1,
        "name": "large",
        "axes": include[0],
        "include": include[1:],
        "deploy": {"operator": "127.0.0.0/8"},
        "load": {"blocks": 1, "workloads": [{"op": "put", "object_size": "4KiB"}]},
    }


def _timed(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    began = time.monotonic()
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - began, done.stdout


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else _VMS)
