"""Small runs with known samples, for the tests of the statistics."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.records import (
    Cell,
    CellSummary,
    Estimate,
    HostFacts,
    Load,
    Placement,
    Reference,
    Run,
    Sample,
    ServerFacts,
    Target,
    Trial,
    TrialResult,
    Workload,
)
from bench.stats.comparison import Table
from bench.stats.contest import Contest, Side
from bench.stats.pairs import Pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

MS = 1_000_000
SECOND = 1_000_000_000
WINDOW = (10 * SECOND, 11 * SECOND)
KIB = 1024


def target(driver: str, placement: Placement = "writable_layer", *, emulated: bool = False, digest: str = "sha256:one") -> Target:
    name = f"{driver}-{'layer' if placement == 'writable_layer' else 'volume'}"
    cell = Cell(
        name=name,
        host=driver,
        cloud="local",
        region="here",
        instance_type="this-host",
        disk="loop-8GiB",
        machine_image="this-host",
        engine="distribution",
        driver=driver,
        backing_filesystem="ext4",
        server="seaweedfs",
        data_placement=placement,
    )
    host = HostFacts(
        kernel="6.1",
        operating_system="Debian",
        cpus=2,
        memory_bytes=2**30,
        engine_version="28",
        containerd_version="2",
        runc_version="1",
        storage_driver=driver,
        image_store="graphdriver",
        driver_status={},
        backing_filesystem="ext4",
        mount_options="rw",
        mkfs="mkfs.ext4",
        disk_bytes=2**33,
        direct_io=False,
        cgroup_version="2",
        emulated=emulated,
    )
    server = ServerFacts(
        name="seaweedfs",
        version="4",
        layout="appended to volume files",
        image="seaweedfs:4",
        image_id="sha256:id",
        content_digest=digest,
        container_id="c",
        data_path="/data",
        command=("server",),
    )
    return Target(cell=cell, endpoint="http://127.0.0.1:1", engine_url="unix:///s", credential="c", host=host, server=server)


def workload(op: str = "put", name: str = "") -> Workload:
    return Workload(
        name=name or f"{op}-256KiB",
        op=op,
        object_size_bytes=256 * KIB,
        concurrency=2,
        duration_s=1.0,
        warm_up_s=0.1,
        objects=32,
        part_size_bytes=5 * KIB * KIB,
        mix={},
    )


def sample(trial: int, start_ns: int, end_ns: int, **other: object) -> Sample:
    """Return a successful put of 256 KiB in a closed loop, with some fields changed."""
    plain = Sample(
        trial=trial,
        worker=0,
        op="put",
        size_bytes=256 * KIB,
        due_ns=start_ns,
        start_ns=start_ns,
        first_byte_ns=0,
        end_ns=end_ns,
        bytes=256 * KIB,
        status=200,
        error="",
        attempt=1,
    )
    return replace(plain, **other)  # type: ignore[arg-type] # any field may be changed


def steady(trial: int, ops: int, *, seed: int = 0, bytes_each: int = 256 * KIB) -> list[Sample]:
    """Return `ops` back-to-back successes that fill the window exactly."""
    cuts = np.sort(np.random.default_rng((seed, trial)).integers(WINDOW[0], WINDOW[1], ops - 1))
    edges = [WINDOW[0], *cuts.tolist(), WINDOW[1]]
    return [sample(trial, start, end, bytes=bytes_each) for start, end in itertools.pairwise(edges)]


def write_part(folder: Path, name: str, samples: Iterable[Sample]) -> str:
    rows = [{field: getattr(one, field) for field in Sample.__slots__} for one in samples]
    text = {"op", "error"}
    schema = pa.schema([(name, pa.string() if name in text else pa.int64()) for name in Sample.__slots__])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / name, compression="zstd")
    return name


def result(trial: Trial, parts: tuple[str, ...], samples: int, **other: object) -> TrialResult:
    plain = TrialResult(
        trial=trial,
        started_at="2026-01-01T00:00:00Z",
        window_start_ns=WINDOW[0],
        window_end_ns=WINDOW[1],
        samples=samples,
        parts=parts,
        health=None,
        stamps=(),
        problem="",
    )
    return replace(plain, **other)  # type: ignore[arg-type] # any field may be changed


@dataclass
class Bench:
    """A run under construction: what each trial measured is written to `folder` at once."""

    folder: Path
    targets: Sequence[Target]
    workloads: Sequence[Workload] = field(default_factory=lambda: (workload(),))
    blocks: int = 6
    reference: Mapping[str, str] = field(default_factory=lambda: {"driver": "overlay2"})
    results: list[TrialResult] = field(default_factory=list)

    def trial(self, cell: str, workload_name: str, block: int) -> Trial:
        return Trial(index=len(self.results), block=block, position=0, cell=cell, workload=workload_name, seed=block)

    def add(self, cell: str, block: int, samples: Sequence[Sample], *, workload_name: str = "", **other: object) -> None:
        """Add one trial; the samples' own trial number is replaced by its index."""
        trial = self.trial(cell, workload_name or self.workloads[0].name, block)
        rows = [replace(one, trial=trial.index) for one in samples]
        parts = (write_part(self.folder, f"part-{trial.index:05d}-00.parquet", rows),) if rows else ()
        self.results.append(result(trial, parts, len(rows), **other))

    def run(self) -> Run:
        load = Load(
            workloads=tuple(self.workloads),
            blocks=self.blocks,
            seed=1,
            client="boto3",
            expect_100_continue=False,
            verify_share=0.1,
            op_timeout_s=10.0,
        )
        return Run(
            schema=1,
            run_id="20260101-000000-test",
            cowbench_version="0.1.0",
            created_at="2026-01-01T00:00:00Z",
            state="complete",
            stack="test",
            matrix_text="",
            plan=tuple(one.cell for one in self.targets),
            left_out=(),
            targets=tuple(self.targets),
            load=load,
            reference=Reference(axes=dict(self.reference)),
            schedule=tuple(one.trial for one in self.results),
            versions={},
            operator={},
            findings=(),
        )


def side(name: str, values: Mapping[int, float | None], **other: object) -> Side:
    """Return one side of a comparison whose cell has no failures and only sound trials, unless said otherwise."""
    plain = CellSummary(
        cell=name,
        workload="put-256KiB",
        trials=len(values),
        unsound_trials=0,
        stamps={},
        ops=1000,
        failed_ops=0,
        failures={},
        throughput_bytes_per_s=None,
        ops_per_s=None,
        failure_ratio=Estimate(center=0.0, low=0.0, high=0.001, confidence=0.95, n=len(values)),
        latency_s={},
        blocks=tuple(values),
        trial_throughput_bytes_per_s=(),
        trial_ops_per_s=(),
    )
    return Side(cell=replace(plain, **other), values=values)  # type: ignore[arg-type] # any field may be changed


def by_block(values: Iterable[float]) -> dict[int, float | None]:
    return dict(enumerate(values))


def table(*contests: Contest, metric: str = "throughput_bytes_per_s", quantile: float | None = None) -> Table:
    return Table(workload="put-256KiB", metric=metric, quantile=quantile, contests=contests)


def contest(
    cell: Iterable[float] | Side,
    against: Iterable[float] | Side | None,
    *,
    kind: Literal["reference", "control_arm"] = "reference",
    targets: tuple[Target, Target | None] | None = None,
) -> Contest:
    """Return btrfs against overlay2, from values by block or from whole sides."""
    one, other = targets or (target("btrfs"), target("overlay2"))
    return Contest(
        pair=Pair(kind=kind, cell=one, against=other, wanted="driver overlay2"),
        cell=cell if isinstance(cell, Side) else side("btrfs-layer", by_block(cell)),
        against=against if isinstance(against, Side) or against is None else side("overlay2-layer", by_block(against)),
    )
