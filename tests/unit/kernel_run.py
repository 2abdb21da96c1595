"""A run of emulated VMs and its summary, from a seed: overlay2 on three kernels, and drivers that some of them lack; 6 blocks."""

from __future__ import annotations

import random
from dataclasses import replace

from bench.records import (
    Cell,
    CellSummary,
    ClockReading,
    Estimate,
    Finding,
    GeneratorHost,
    HostFacts,
    LeftOut,
    Reference,
    Run,
    Summary,
    Target,
)
from tests.unit.example_run import compared, example_run, median

BLOCKS = 6
GROW = {"debian-bullseye": 0.93, "debian-bookworm": 1.0, "debian-trixie": 1.12, "debian-bookworm-zfs": 0.99}
HOSTS = {
    "debian-bullseye": ("5.10.0-33-cloud-amd64", "20.10.5+dfsg1", "Debian GNU/Linux 11 (bullseye)", "1.4.13", "1"),
    "debian-bookworm": ("6.1.0-40-cloud-amd64", "20.10.24+dfsg1", "Debian GNU/Linux 12 (bookworm)", "1.6.20", "2"),
    "debian-trixie": ("6.12.48-cloud-amd64", "26.1.5+dfsg1", "Debian GNU/Linux 13 (trixie)", "1.7.24", "2"),
    "debian-bookworm-zfs": ("6.1.0-40-amd64", "20.10.24+dfsg1", "Debian GNU/Linux 12 (bookworm)", "1.6.20", "2"),
}
DRIVERS = {
    "overlay2": ("debian-bullseye", "debian-bookworm", "debian-trixie"),
    "overlay": ("debian-bullseye",),
    "devicemapper": ("debian-bullseye", "debian-bookworm"),
    "zfs": ("debian-bookworm-zfs",),
}
EFFECT = {"overlay2": 1.0, "overlay": 0.98, "devicemapper": 0.55, "zfs": 0.8}
STATUS = {
    "overlay2": {"Backing Filesystem": "extfs", "Supports d_type": "true"},
    "overlay": {"Backing Filesystem": "extfs", "Supports d_type": "true"},
    "devicemapper": {
        "Pool Name": "docker-252:16-5-pool",
        "Backing Filesystem": "ext4",
        "Data loop file": "/var/lib/cowbench/host/m/docker/devicemapper/devicemapper/data",
    },
    "zfs": {"Zpool": "cowbench-7d", "Zpool Health": "ONLINE"},
}


def kernel_example(*, generators: int = 0) -> tuple[Run, Summary]:
    run = kernel_run(generators=generators)
    rng = random.Random(run.load.seed)
    cells = tuple(_cell_summary(rng, cell, workload.name) for workload in run.load.workloads for cell in run.plan)
    by_name = {(one.cell, one.workload): one for one in cells}
    first = next(cell for cell in run.plan if (cell.driver, cell.machine_image) == ("overlay2", "debian-bookworm"))
    return run, Summary(
        schema=1,
        run_id=run.run_id,
        assumption="Blocks are independent; within a block all cells meet the same state of the host.",
        reference=run.reference,
        cells=cells,
        comparisons=tuple(
            replace(compared(by_name, workload, cell, first, "reference"), emulated=True)
            for workload in run.load.workloads
            for cell in run.plan
            if cell is not first
        ),
        measured_s=72.0,
        sound=True,
    )


def kernel_run(*, generators: int = 0) -> Run:
    base = example_run()
    cells = [_cell(driver, image) for image in HOSTS for driver, images in DRIVERS.items() if image in images]
    workloads = tuple(replace(one, concurrency=2, duration_s=2.0) for one in base.load.workloads[:2])
    hosts = tuple(_generator(number, base) for number in range(generators))
    said = "2 connections to load generators were lost and made again, in 2 of 84 trials; the load went on meanwhile"
    found = Finding(check="reconnected", level="info", cell="", text=said, fix="nothing, if they are few")
    return replace(
        base,
        run_id="20261122-190000-kernels",
        stack="kernels",
        matrix_text="cloud: qemu\nmachine_image: [debian-bullseye, debian-bookworm, debian-trixie]\n",
        plan=tuple(cells),
        left_out=(
            LeftOut(
                cell=_cell("devicemapper", "debian-trixie"),
                reason="Docker 25.0 removed devicemapper, and this machine image brings 26.1.5",
                fix="use debian-bullseye or debian-bookworm",
                source="devicemapper-removed",
            ),
        ),
        targets=tuple(_target(base, cell, number, private=bool(generators)) for number, cell in enumerate(cells)),
        load=replace(base.load, workloads=workloads, blocks=BLOCKS),
        reference=Reference(axes={"driver": "overlay2", "backing_filesystem": "ext4", "machine_image": "debian-bookworm"}),
        schedule=base.schedule[: len(cells) * BLOCKS * 2],
        findings=(found,) if generators else (),
        generators=hosts,
        clocks=tuple(
            ClockReading(host=name, offset_s=0.0123 - at / 50, uncertainty_s=0.0021, read_at=f"2026-11-22T19:0{at}:00+00:00")
            for at, name in enumerate([one.name for one in hosts] + [cells[0].host] * bool(hosts))
        ),
    )


def _cell(driver: str, image: str) -> Cell:
    filesystem = "zfs" if driver == "zfs" else "ext4"
    host = f"qemu-{driver}-{image[7:14]}-x7k2m1q"
    return Cell(
        name=f"qemu-{driver}-{filesystem}-seaweedfs-layer-{image[:11]}-{image[7:9]}{image[-3:]}",
        host=host,
        cloud="qemu",
        region="here",
        instance_type="2cpu-1GiB",
        disk="virtio-8GiB",
        machine_image=image,
        engine="distribution",
        driver=driver,
        backing_filesystem=filesystem,
        server="versitygw",
        data_placement="writable_layer",
    )


def _target(base: Run, cell: Cell, number: int, *, private: bool) -> Target:
    one = base.targets[0]
    address = f"77.0.{10 + number}"
    return replace(
        one,
        cell=cell,
        endpoint="" if private else f"http://127.{address}:7070",
        private_endpoint=f"http://10.{address}:7070",
        reach=("ssh", "-F", f"ssh/{cell.host}.config", cell.host),
        host=_facts(one.host, cell.driver, cell.machine_image),
        server=replace(one.server, command=("versitygw", "--port", f"10.{address}:7070", "posix", "/data")),
    )


def _facts(base: HostFacts, driver: str, image: str) -> HostFacts:
    kernel, engine, system, containerd, cgroup = HOSTS[image]
    return replace(
        base,
        kernel=kernel,
        operating_system=system,
        memory_bytes=985 * 2**20,
        engine_version=engine,
        containerd_version=containerd,
        storage_driver=driver,
        driver_status=STATUS[driver],
        backing_filesystem="zfs" if driver == "zfs" else "ext4",
        mkfs="zpool create -o ashift=12 -O atime=off" if driver == "zfs" else base.mkfs,
        mount_options="rw,noatime,xattr" if driver == "zfs" else "rw,noatime",
        direct_io=False,
        cgroup_version=cgroup,
        emulated=True,
        virtualization="QEMU 7.2.22, emulated",
        machine_image_digest=f"sha256:{image.encode().hex()}",
    )


def _generator(number: int, base: Run) -> GeneratorHost:
    return GeneratorHost(
        name=f"qemu-generator-{number}",
        cloud="qemu",
        region="here",
        address=f"10.77.9.{number + 1}",
        engine_url="ssh://qemu-generator",
        reach=("ssh", "-F", "ssh/generator.config", f"qemu-generator-{number}"),
        folder="/var/lib/cowbench/host/work",
        host=_facts(base.targets[0].host, "overlay2", "debian-bookworm"),
        image_id="sha256:5ca1ab1e0ddba115eedc0ffee",
    )


def _cell_summary(rng: random.Random, cell: Cell, workload: str) -> CellSummary:
    rate = {"put": 22.0, "get": 41.0}[workload[:3]] * EFFECT[cell.driver] * GROW[cell.machine_image]
    ops = tuple(round(rate * rng.gauss(1, 0.03), 3) for _ in range(BLOCKS))
    moved = tuple(one * 256 * 1024 for one in ops)
    latencies: dict[str, Estimate | None] = {
        "p50": median(tuple(round(rng.gauss(0.09, 0.003) / EFFECT[cell.driver], 6) for _ in range(BLOCKS))),
        "p90": median(tuple(round(rng.gauss(0.16, 0.008) / EFFECT[cell.driver], 6) for _ in range(BLOCKS))),
        "p99": None,
        "p99.9": None,
    }
    return CellSummary(
        cell=cell.name,
        workload=workload,
        trials=BLOCKS,
        unsound_trials=0,
        stamps={},
        ops=round(sum(ops) * 2),
        failed_ops=0,
        failures={},
        throughput_bytes_per_s=median(moved),
        ops_per_s=median(ops),
        failure_ratio=Estimate(center=0.0, low=0.0, high=0.02, confidence=0.95, n=BLOCKS),
        latency_s=latencies,
        blocks=tuple(range(BLOCKS)),
        trial_throughput_bytes_per_s=moved,
        trial_ops_per_s=ops,
        emulated=True,
        quantile_curve=tuple((1 - 10 ** -(step / 12), 0.06 + 0.05 * step / 12) for step in range(1, 15)),
    )
