"""A realistic run and its summary, computed from a seed: 6 driver configurations x 2 placements x 3 workloads, 8 blocks.

Smaller and broken ones are made from it with `dataclasses.replace`.
"""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import replace

from bench.records import (
    RUN_SCHEMA,
    SUMMARY_SCHEMA,
    Cell,
    CellSummary,
    Comparison,
    Estimate,
    Finding,
    HostFacts,
    LeftOut,
    Load,
    Reference,
    Run,
    ServerFacts,
    Summary,
    Target,
    Trial,
    Verdict,
    Workload,
)

DRIVERS = (
    ("overlay2", "ext4", 1.0),
    ("overlay2", "xfs", 1.04),
    ("overlay", "ext4", 0.99),
    ("btrfs", "btrfs", 0.86),
    ("vfs", "ext4", 1.01),
    ("fuse-overlayfs", "ext4", 0.42),
)
PLACEMENTS = ("writable_layer", "volume")
BLOCKS = 8
SEED = 20261122
T_95_SIMULTANEOUS = 4.03
"""Student's t at 1 - 0.05/2/5 for 7 degrees of freedom."""

WORKLOADS = (
    Workload(
        name="put-256KiB",
        op="put",
        object_size_bytes=256 * 1024,
        concurrency=4,
        duration_s=5.0,
        warm_up_s=1.0,
        objects=0,
        part_size_bytes=0,
        mix={},
    ),
    Workload(
        name="get-256KiB",
        op="get",
        object_size_bytes=256 * 1024,
        concurrency=4,
        duration_s=5.0,
        warm_up_s=1.0,
        objects=200,
        part_size_bytes=0,
        mix={},
    ),
    Workload(
        name="list-4KiB",
        op="list",
        object_size_bytes=4096,
        concurrency=2,
        duration_s=5.0,
        warm_up_s=1.0,
        objects=1000,
        part_size_bytes=0,
        mix={},
    ),
)
OPS_PER_S = {"put-256KiB": 310.0, "get-256KiB": 640.0, "list-4KiB": 88.0}


def example() -> tuple[Run, Summary]:
    run = example_run()
    return run, example_summary(run)


def example_run() -> Run:
    cells = tuple(_cell(driver, filesystem, placement) for driver, filesystem, _ in DRIVERS for placement in PLACEMENTS)
    return Run(
        schema=RUN_SCHEMA,
        run_id="20261122T152733-k3f9",
        cowbench_version="0.1.0",
        created_at="2026-11-22T15:27:33+00:00",
        state="complete",
        stack="local-default",
        matrix_text="cloud: local\ndriver: [overlay2, overlay, btrfs, vfs, fuse-overlayfs]\nserver: versitygw\nblocks: 8\n",
        plan=cells,
        left_out=tuple(_left_out(*why) for why in LEFT_OUT),
        targets=tuple(_target(cell, number) for number, cell in enumerate(cells)),
        load=Load(
            workloads=WORKLOADS,
            blocks=BLOCKS,
            seed=SEED,
            client="boto3",
            expect_100_continue=False,
            verify_share=0.05,
            op_timeout_s=20.0,
        ),
        reference=Reference(axes={"driver": "overlay2", "backing_filesystem": "ext4"}),
        schedule=_schedule(cells),
        versions={"boto3": "1.44.5", "botocore": "1.44.5", "locust": "2.47.0", "python": "3.11.7", "pulumi": "3.259.0"},
        operator={"kernel": "6.18.44", "cpu": "2 x Intel Xeon @ 2.60 GHz", "memory": "8 GiB"},
        findings=FINDINGS,
    )


def example_summary(run: Run) -> Summary:
    rng = random.Random(run.load.seed)
    drift = [rng.gauss(1.0, 0.05) for _ in range(BLOCKS)]
    cells = tuple(_cell_summary(rng, cell, workload, drift) for workload in run.load.workloads for cell in run.plan)
    return Summary(
        schema=SUMMARY_SCHEMA,
        run_id=run.run_id,
        assumption="Blocks are independent; within a block all cells meet the same state of the host.",
        reference=run.reference,
        cells=cells,
        comparisons=tuple(_comparisons(run, {(c.cell, c.workload): c for c in cells})),
        measured_s=1482.6,
        sound=True,
    )


def only(run: Run, summary: Summary, cells: int, workloads: int = 1) -> tuple[Run, Summary]:
    """Keep the first cells and workloads, and the comparisons between them."""
    kept = {cell.name for cell in run.plan[:cells]}
    names = {workload.name for workload in run.load.workloads[:workloads]}
    return (
        replace(
            run,
            plan=run.plan[:cells],
            targets=run.targets[:cells],
            left_out=(),
            findings=(),
            load=replace(run.load, workloads=run.load.workloads[:workloads]),
            schedule=tuple(trial for trial in run.schedule if trial.cell in kept and trial.workload in names),
        ),
        replace(
            summary,
            cells=tuple(c for c in summary.cells if c.cell in kept and c.workload in names),
            comparisons=tuple(c for c in summary.comparisons if c.cell in kept and c.against in kept and c.workload in names),
        ),
    )


def partial_runs() -> dict[str, tuple[Run, Summary]]:
    """Runs that went wrong or were small, each with what its summary would then hold."""
    run, summary = example()
    one_cell = only(run, summary, cells=1)
    block = _cut_to_one_block(run, summary)
    unmeasured = [without_trials(cell, trials=0, stamps={}) for cell in summary.cells]
    bare = {"throughput_bytes_per_s": None, "ops_per_s": None, "quantile_curve": ()}
    return {
        "one cell only": one_cell,
        "a single block": block,
        "no comparisons": (run, replace(summary, comparisons=())),
        "no sound trial": (
            run,
            replace(
                summary,
                cells=tuple(without_trials(cell, trials=BLOCKS, stamps={"server_gone": BLOCKS}) for cell in summary.cells),
                comparisons=tuple(_refused(one, "every trial is unsound: start the server again") for one in summary.comparisons),
                sound=False,
            ),
        ),
        "everything failed": (
            run,
            replace(
                summary,
                cells=tuple(
                    replace(
                        cell,
                        ops=4000,
                        failed_ops=4000,
                        failures={"network/refused/ECONNREFUSED": 4000},
                        latency_s=dict.fromkeys(cell.latency_s),
                        **bare,  # type: ignore[arg-type]  # the keys are those fields
                    )
                    for cell in summary.cells
                ),
                comparisons=(),
            ),
        ),
        "interrupted before the first trial": (
            replace(run, state="interrupted"),
            replace(summary, cells=tuple(unmeasured), comparisons=(), measured_s=0.0),
        ),
        "nothing was reached": (
            replace(run, targets=(), findings=(), left_out=()),
            replace(summary, cells=(), comparisons=(), measured_s=0.0, sound=False),
        ),
        "the reference is missing": (
            run,
            replace(
                summary, comparisons=tuple(_refused(replace(one, against=""), "no reference") for one in summary.comparisons)
            ),
        ),
        "a cell that is not in the plan": (replace(run, plan=run.plan[1:]), summary),
    }


def renamed(name: str) -> tuple[Run, Summary]:
    """Give the first cell and its driver, the first workload, a finding and every reason one name, which may be markup."""
    run, summary = example()
    old = {run.plan[0].name, run.load.workloads[0].name}
    cell = replace(run.plan[0], name=name, driver=name)

    def new(value: str) -> str:
        return name if value in old else value

    return (
        replace(
            run,
            plan=(cell, *run.plan[1:]),
            targets=(replace(run.targets[0], cell=cell), *run.targets[1:]),
            load=replace(run.load, workloads=(replace(run.load.workloads[0], name=name), *run.load.workloads[1:])),
            findings=(*run.findings, replace(run.findings[0], cell=name, text=name, level="error")),
        ),
        replace(
            summary,
            cells=tuple(replace(one, cell=new(one.cell), workload=new(one.workload)) for one in summary.cells),
            comparisons=tuple(
                replace(one, cell=new(one.cell), against=new(one.against), workload=new(one.workload), reason=name)
                for one in summary.comparisons
            ),
        ),
    )


def _cut_to_one_block(run: Run, summary: Summary) -> tuple[Run, Summary]:
    def first(estimate: Estimate | None, value: float) -> Estimate | None:
        return Estimate(center=value, low=None, high=None, confidence=0.95, n=1) if estimate else None

    cells = [
        replace(
            cell,
            trials=1,
            blocks=(0,),
            throughput_bytes_per_s=first(cell.throughput_bytes_per_s, cell.trial_throughput_bytes_per_s[0]),
            ops_per_s=first(cell.ops_per_s, cell.trial_ops_per_s[0]),
            trial_throughput_bytes_per_s=cell.trial_throughput_bytes_per_s[:1],
            trial_ops_per_s=cell.trial_ops_per_s[:1],
            client_cpu_share=first(cell.client_cpu_share, 0.5),
            latency_s={name: first(estimate, estimate.center if estimate else 0) for name, estimate in cell.latency_s.items()},
        )
        for cell in summary.cells
        if cell.trial_ops_per_s
    ]
    reason = "need >= 6 sound blocks, have 1: raise blocks"
    return (
        replace(run, load=replace(run.load, blocks=1), schedule=tuple(trial for trial in run.schedule if trial.block == 0)),
        replace(
            summary,
            cells=tuple(cells),
            comparisons=tuple(_refused(one, reason) for one in summary.comparisons),
            sound=False,
        ),
    )


def _refused(one: Comparison, reason: str) -> Comparison:
    return replace(
        one, ratio=None, block_ratios=(), p_sign_flip=None, verdict="refused", more_blocks=None, reason=reason, blocks=0
    )


def without_trials(cell: CellSummary, *, trials: int, stamps: dict[str, int]) -> CellSummary:
    """Empty a cell summary: `trials` were made, all of them unsound by `stamps`, or none at all."""
    return replace(
        cell,
        trials=trials,
        unsound_trials=trials,
        stamps=stamps,
        throughput_bytes_per_s=None,
        ops_per_s=None,
        failure_ratio=None,
        latency_s=dict.fromkeys(cell.latency_s),
        blocks=(),
        trial_throughput_bytes_per_s=(),
        trial_ops_per_s=(),
        client_cpu_share=None,
        quantile_curve=(),
    )


LEFT_OUT = (
    (
        "zfs",
        "zfs",
        "the kernel has no zfs module: `modprobe zfs` says it is not found",
        "use a machine image with zfsutils-linux",
        "zfs-module-missing",
    ),
    (
        "devicemapper",
        "loop",
        "the kernel has no dm_thin_pool module, and Docker 25 removed the driver",
        "use an engine before 25 on a kernel with dm_thin_pool",
        "devicemapper-removed",
    ),
    (
        "aufs",
        "ext4",
        "aufs was never in mainline and this kernel was not patched with it",
        "use an Ubuntu machine image with linux-image-extra",
        "aufs-not-in-kernel",
    ),
)

FINDINGS = (
    Finding(
        check="steady",
        level="warning",
        cell="local-btrfs-btrfs-versitygw-volume",
        text="Throughput fell by 11 % from the first to the last third of the window.",
        fix="Raise warm_up_s, or measure longer.",
        trials=(31, 58),
    ),
    Finding(
        check="client_bound",
        level="warning",
        cell="local-overlay2-xfs-versitygw-volume",
        text="8 of 8 trials of get-256KiB (100%): the load generator was the limit, it used up to 94% of a core",
        fix="lower concurrency, use larger objects or a lighter client, or give the generator a host of its own; then run again",
        trials=(12, 17, 40, 71, 99, 120),
    ),
    Finding(
        check="driver_in_use",
        level="info",
        cell="",
        text="All six hosts report the planned storage driver.",
        fix="Nothing to do.",
    ),
)


def _cell(driver: str, filesystem: str, placement: str) -> Cell:
    host = f"local-{driver}-{filesystem}"
    return Cell(
        name=f"{host}-versitygw-{placement.replace('_', '-')}",
        host=host,
        cloud="local",
        region="",
        instance_type="",
        disk="loop",
        machine_image="this-host",
        engine="distribution",
        driver=driver,
        backing_filesystem=filesystem,
        server="versitygw",
        data_placement="volume" if placement == "volume" else "writable_layer",
    )


def _left_out(driver: str, filesystem: str, reason: str, fix: str, source: str) -> LeftOut:
    return LeftOut(cell=_cell(driver, filesystem, "writable_layer"), reason=reason, fix=fix, source=source)


def _target(cell: Cell, number: int) -> Target:
    filesystem, driver = cell.backing_filesystem, cell.driver
    mkfs = {"ext4": "mkfs.ext4 -q -m 0 -E lazy_itable_init=0", "xfs": "mkfs.xfs -q -n ftype=1", "btrfs": "mkfs.btrfs -q"}
    mounted = {"ext4": "rw,relatime,discard", "xfs": "rw,relatime,attr2,inode64,noquota", "btrfs": "rw,relatime,space_cache=v2"}
    status = {"Backing Filesystem": "extfs" if filesystem == "ext4" else filesystem}
    return Target(
        cell=cell,
        endpoint=f"http://127.0.0.1:{7100 + number}",
        engine_url=f"unix:///run/cowbench/{cell.host}.sock",
        credential="versitygw",
        host=HostFacts(
            kernel="6.18.44-generic",
            operating_system="Debian GNU/Linux 12 (bookworm)",
            cpus=2,
            memory_bytes=8 * 2**30,
            engine_version="20.10.24+dfsg1",
            containerd_version="1.6.20",
            runc_version="1.1.5",
            storage_driver=driver,
            image_store="graphdriver",
            driver_status=status | ({"Supports d_type": "true"} if driver == "overlay2" else {}),
            backing_filesystem=filesystem,
            mount_options=mounted[filesystem],
            mkfs=mkfs[filesystem],
            disk_bytes=8 * 2**30,
            direct_io=True,
            cgroup_version="1",
            emulated=False,
        ),
        server=ServerFacts(
            name="versitygw",
            version="1.0.20",
            layout="one file per object",
            image="cowbench/versitygw:1.0.20",
            image_id="sha256:3f8b1c2d9e",
            content_digest="sha256:77ab09c4d15e2f",
            container_id=f"c{number:011x}",
            data_path="/data",
            command=("versitygw", "--port", f"127.0.0.1:{7100 + number}", "posix", "/data"),
            feels_driver=True,
            quirks=("An error answer closes the connection, so the op after a failure also pays for a connect.",),
        ),
    )


def _schedule(cells: tuple[Cell, ...]) -> tuple[Trial, ...]:
    rng = random.Random(SEED)
    trials: list[Trial] = []
    for block in range(BLOCKS):
        for workload in WORKLOADS:
            for position, cell in enumerate(rng.sample(cells, len(cells))):
                trials.append(
                    Trial(
                        index=len(trials),
                        block=block,
                        position=position,
                        cell=cell.name,
                        workload=workload.name,
                        seed=SEED + block,
                    )
                )
    return tuple(trials)


def _effect(cell: Cell, workload: Workload) -> float:
    effect = next(e for driver, filesystem, e in DRIVERS if (driver, filesystem) == (cell.driver, cell.backing_filesystem))
    through = {"put": 1.0, "get": 0.3, "list": 0.6}[workload.op]
    if cell.data_placement == "volume":
        return 1.08 + (effect - 1) * through * (0.1 if cell.driver != "btrfs" else 0.9)
    return 1 + (effect - 1) * through


def _cell_summary(rng: random.Random, cell: Cell, workload: Workload, drift: list[float]) -> CellSummary:
    rate = OPS_PER_S[workload.name] * _effect(cell, workload)
    ops_per_s = tuple(round(rate * block * math.exp(rng.gauss(0, 0.022)), 3) for block in drift)
    moved = workload.object_size_bytes if workload.op != "list" else 0
    throughput = tuple(ops * moved for ops in ops_per_s)
    p50 = workload.concurrency / rate * 0.9
    ops = round(sum(ops_per_s) * workload.duration_s)  # rounded throughout: golden files must not hang on a libm's last digit
    failures = (
        {"s3/throttled/SlowDown": 31, "network/reset/ECONNRESET": 4}
        if cell.driver == "fuse-overlayfs" and workload.op == "put" and cell.data_placement == "writable_layer"
        else {}
    )
    failed = sum(failures.values())
    summary = CellSummary(
        cell=cell.name,
        workload=workload.name,
        trials=BLOCKS,
        unsound_trials=0,
        stamps={},
        ops=ops,
        failed_ops=failed,
        failures=failures,
        throughput_bytes_per_s=median(throughput),
        ops_per_s=median(ops_per_s),
        failure_ratio=Estimate(center=failed / ops, low=0.6 * failed / ops, high=1.5 * failed / ops, confidence=0.95, n=BLOCKS),
        latency_s={
            name: None
            if name == "p99.9" and workload.op == "list"
            else median(tuple(round(p50 * factor * math.exp(rng.gauss(0, 0.04)), 6) for _ in range(BLOCKS)))
            for name, factor in (("p50", 1.0), ("p90", 1.7), ("p99", 3.4), ("p99.9", 7.5))
        },
        blocks=tuple(range(BLOCKS)),
        trial_throughput_bytes_per_s=throughput,
        trial_ops_per_s=ops_per_s,
        client_cpu_share=_cpu_share(rate),
        quantile_curve=tuple(
            (1 - 10**-nines, p50 * (0.35 + 0.9 * nines**1.55 + (0.4 if nines > 2 else 0) * (nines - 2)))
            for nines in [step / 12 for step in range(1, 37 if workload.op != "list" else 25)]
        ),
    )
    if (
        cell.driver == "overlay2"
        and cell.backing_filesystem == "xfs"
        and workload.op == "get"
        and moved
        and "volume" in cell.name
    ):
        return without_trials(summary, trials=BLOCKS, stamps={"client_bound": BLOCKS})
    return summary


def _cpu_share(rate: float) -> Estimate:
    """A client that needs a millisecond of a core for each op."""
    return Estimate(
        center=round(rate / 1000, 3),
        low=round(0.95 * rate / 1000, 3),
        high=round(1.04 * rate / 1000, 3),
        confidence=0.9922,
        n=BLOCKS,
    )


def median(values: tuple[float, ...]) -> Estimate:
    ordered = sorted(values)
    return Estimate(center=statistics.median(ordered), low=ordered[0], high=ordered[-1], confidence=0.9922, n=len(ordered))


def _comparisons(run: Run, cells: dict[tuple[str, str], CellSummary]) -> list[Comparison]:
    made = []
    for workload in run.load.workloads:
        for cell in run.plan:
            reference = _cell("overlay2", "ext4", cell.data_placement)
            if cell != reference:
                made.append(compared(cells, workload, cell, reference, "reference"))
    for workload in run.load.workloads:
        for cell in run.plan:
            if cell.data_placement == "writable_layer":
                volume = _cell(cell.driver, cell.backing_filesystem, "volume")
                made.append(compared(cells, workload, cell, volume, "control_arm"))
    return made


def compared(cells: dict[tuple[str, str], CellSummary], workload: Workload, cell: Cell, against: Cell, kind: str) -> Comparison:
    one, other = cells[cell.name, workload.name], cells[against.name, workload.name]
    ratios = tuple(a / b for a, b in zip(one.trial_ops_per_s, other.trial_ops_per_s, strict=False))
    estimate = _geometric_mean(ratios) if ratios else None
    verdict: Verdict = "refused"
    reason = "8 of 8 trials of local-overlay2-xfs-versitygw-volume were client_bound: lower the concurrency"
    if estimate and estimate.low is not None and estimate.high is not None:
        verdict = "faster" if estimate.low > 1 else "slower" if estimate.high < 1 else "no difference shown"
        low, high = 100 * (estimate.low - 1), 100 * (estimate.high - 1)
        reason = f"differences beyond {low:+.1f} % .. {high:+.1f} % are ruled out" if verdict == "no difference shown" else ""
    return Comparison(
        kind="reference" if kind == "reference" else "control_arm",
        workload=workload.name,
        metric="ops_per_s" if workload.op == "list" else "throughput_bytes_per_s",
        cell=cell.name,
        against=against.name,
        blocks=len(ratios),
        ratio=estimate,
        block_ratios=ratios,
        p_sign_flip=0.0078 if verdict in ("faster", "slower") else 0.31 if ratios else None,
        verdict=verdict,
        more_blocks=14 if verdict == "no difference shown" else None,
        reason=reason,
    )


def _geometric_mean(ratios: tuple[float, ...]) -> Estimate:
    logs = [math.log(ratio) for ratio in ratios]
    center, half = statistics.mean(logs), T_95_SIMULTANEOUS * statistics.stdev(logs) / math.sqrt(len(logs))
    low, middle, high = (round(math.exp(log), 6) for log in (center - half, center, center + half))
    return Estimate(center=middle, low=low, high=high, confidence=0.95, n=len(logs))
