"""A small run to store, measure and check: two cells, two workloads, a generator that needs no server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
from pyarrow import parquet

from bench import schedule
from bench.generator import Progress
from bench.records import (
    RUN_SCHEMA,
    Cell,
    GeneratorHost,
    HostFacts,
    Load,
    Reference,
    Run,
    ServerFacts,
    Target,
    Trial,
    TrialResult,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

KEYS = {"small": ("AKIASMALL", "not to be found anywhere")}
SECOND_NS = 1_000_000_000


def target(name: str = "btrfs", **facts: Any) -> Target:
    """A target that is what was planned; `facts` replace what was read back, `cell` what was planned."""
    cell = Cell(
        name=name,
        host=f"host-{name}",
        cloud="local",
        region="here",
        instance_type="this-host",
        disk="loop",
        machine_image="this-host",
        engine="distribution",
        driver="btrfs",
        backing_filesystem="btrfs",
        server="versitygw",
        data_placement="writable_layer",
    )
    host = HostFacts(
        kernel="6.1.0-18-amd64",
        operating_system="Debian GNU/Linux 12 (bookworm)",
        cpus=2,
        memory_bytes=8 * 2**30,
        engine_version="20.10.24",
        containerd_version="1.6.20",
        runc_version="1.1.5",
        storage_driver="btrfs",
        image_store="graphdriver",
        driver_status={"Build Version": "Btrfs v6.2"},
        backing_filesystem="btrfs",
        mount_options="rw,noatime",
        mkfs="mkfs.btrfs -q -f",
        disk_bytes=8 * 2**30,
        direct_io=True,
        cgroup_version="2",
        emulated=False,
    )
    server = ServerFacts(
        name="versitygw",
        version="1.8.0",
        layout="one file per object",
        image="versitygw:1.8.0",
        image_id="sha256:1d",
        content_digest="sha256:c0ffee",
        container_id="0123456789abcdef",
        data_path="/data",
        command=("versitygw", "posix", "/data"),
    )
    changed = {key: value for key, value in facts.items() if key in HostFacts.__dataclass_fields__}
    planned = {key: value for key, value in facts.items() if key.startswith("planned_")}
    return Target(
        cell=replace(cell, **{key.removeprefix("planned_"): value for key, value in planned.items()}),
        endpoint=facts.get("endpoint", "http://127.0.0.1:9"),
        engine_url="unix:///nowhere.sock",
        credential="small",
        host=replace(host, **changed),
        server=replace(server, content_digest=facts.get("content_digest", server.content_digest)),
    )


def generator_host(name: str = "generator-1", *, cloud: str = "local", region: str = "here") -> GeneratorHost:
    """A host that load comes from; it is this one."""
    return GeneratorHost(
        name=name,
        cloud=cloud,
        region=region,
        address="10.77.0.9",
        engine_url="unix:///nowhere.sock",
        reach=("sh", "-c"),
        folder="/nowhere",
        host=target().host,
        image_id="sha256:9e",
    )


def workload(name: str, duration_s: float = 1.0) -> Workload:
    return Workload(
        name=name,
        op=name,
        object_size_bytes=4096,
        concurrency=2,
        duration_s=duration_s,
        warm_up_s=0.5,
        objects=10,
        part_size_bytes=0,
        mix={},
    )


def load(blocks: int = 2) -> Load:
    return Load(
        workloads=(workload("put"), workload("get")),
        blocks=blocks,
        seed=7,
        client="boto3",
        expect_100_continue=False,
        verify_share=0.1,
        op_timeout_s=10.0,
    )


def run(blocks: int = 2, cells: tuple[str, ...] = ("btrfs", "vfs")) -> Run:
    targets = tuple(target(name) for name in cells)
    return Run(
        schema=RUN_SCHEMA,
        run_id="20260102-030405-small",
        cowbench_version="0.1.0",
        created_at="2026-01-02T03:04:05+00:00",
        state="running",
        stack="small",
        matrix_text="driver: [btrfs, vfs]\n",
        plan=tuple(each.cell for each in targets),
        left_out=(),
        targets=targets,
        load=load(blocks),
        reference=Reference(axes={"driver": "btrfs"}),
        schedule=schedule.trials(cells, ("put", "get"), blocks, seed=7),
        versions={"python": "3.11"},
        operator={"kernel": "6.1"},
        findings=(),
    )


def result(trial: Trial, *, parts: tuple[str, ...] = (), samples: int = 0, window_s: float = 1.0, **changed: Any) -> TrialResult:
    return replace(
        TrialResult(
            trial=trial,
            started_at="2026-01-02T03:04:05+00:00",
            window_start_ns=SECOND_NS,
            window_end_ns=SECOND_NS + int(window_s * SECOND_NS),
            samples=samples,
            parts=parts,
            health=None,
            stamps=(),
            problem="",
        ),
        **changed,
    )


def write_part(path: Path, trial: int, ops: list[dict[str, Any]]) -> None:
    """A part as the load generator writes it; each op says what differs from a good put of 4 KiB, one millisecond long."""
    usual: dict[str, Any] = {
        "op": "put",
        "size_bytes": 4096,
        "start_ns": SECOND_NS,
        "bytes": 4096,
        "status": 200,
        "error": "",
        "lasts_ns": 1_000_000,
    }
    rows = [usual | op for op in ops]
    columns = {name: [row[name] for row in rows] for name in ("size_bytes", "start_ns", "bytes", "status")}
    words = {name: pa.array([row[name] for row in rows]).dictionary_encode() for name in ("op", "error")}
    end = [row["start_ns"] + row["lasts_ns"] for row in rows]
    ones = {"trial": [trial] * len(rows), "worker": [0] * len(rows), "attempt": [1] * len(rows), "first_byte_ns": [0] * len(rows)}
    parquet.write_table(pa.table(columns | words | ones | {"end_ns": end, "due_ns": columns["start_ns"]}), path)


class FakeGenerator:
    """Measures nothing: each trial writes one part. `dies_at` is called with each step and how many trials came before."""

    def __init__(
        self,
        *,
        load: Load,
        credentials: Mapping[str, tuple[str, str]],
        samples: Path,
        log: Path,
        hosts: tuple[GeneratorHost, ...] = (),
        dies_at: Callable[[str, int], None] = lambda _step, _count: None,
        problem: Callable[[str, Target], str] = lambda _step, _target: "",
    ) -> None:
        self.load, self.credentials, self.samples, self.log, self.hosts = load, credentials, samples, log, hosts
        self.dies_at, self.problem = dies_at, problem
        self.count = 0
        self.steps: list[tuple[str, str, str]] = []

    def __enter__(self) -> Self:
        self.log.touch()
        return self

    def __exit__(self, *_: object) -> None:
        self.steps.append(("close", "", ""))

    def prepare(self, target: Target, workload: Workload) -> str:
        self.steps.append(("prepare", target.cell.name, workload.name))
        self.dies_at("prepare", self.count)
        return self.problem("prepare", target)

    def measure(self, trial: Trial, target: Target, on_progress: Callable[[Progress], None]) -> TrialResult:
        self.steps.append(("measure", target.cell.name, trial.workload))
        part = f"part-{trial.index:05d}-00.parquet"
        write_part(self.samples / part, trial.index, [{}, {}, {"error": "network/reset/ECONNRESET", "bytes": 0, "status": 0}])
        on_progress(Progress(ops=3, failed_ops=1, elapsed_s=1.0, ops_per_s=3.0, bytes_per_s=8192.0))
        self.dies_at("measure", self.count)
        if problem := self.problem("measure", target):
            (self.samples / part).unlink()
            return result(trial, problem=problem)
        return result(trial, parts=(part,), samples=3)

    def clean_up(self, target: Target, workload: Workload) -> str:
        self.steps.append(("clean_up", target.cell.name, workload.name))
        self.dies_at("clean_up", self.count)
        self.count += 1
        return self.problem("clean_up", target)

    def abandon(self) -> None:
        """Nothing takes long here."""
