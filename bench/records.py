"""The nouns of the measurement, flat and frozen. Standard library only: every other module may import this one.

Units are in the names: `_s`, `_ns`, `_bytes`, `_bytes_per_s`. What can be computed is not stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Placement = Literal["writable_layer", "volume"]
Level = Literal["info", "warning", "error"]
Verdict = Literal["faster", "slower", "no difference shown", "refused"]

TARGETS_SCHEMA = 1
RUN_SCHEMA = 1
SUMMARY_SCHEMA = 1

PRACTICAL = 0.03
"""A ratio nearer to 1 than this share is told as "no practical difference": stated in advance, for every metric."""

SAMPLES_BEYOND = 10
"""A latency quantile is given only where at least this many samples lie beyond it: fewer, and it is the story of a few ops."""

CREW_PORT = 5557
"""Where the master of several load generators listens, on their private network: Locust's own choice."""

AXES = (
    "cloud",
    "region",
    "instance_type",
    "disk",
    "machine_image",
    "engine",
    "driver",
    "backing_filesystem",
    "server",
    "data_placement",
)
"""The axes of a cell, outermost first. Cells that differ only in the last two share a host."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the matrix."""

    name: str
    host: str
    cloud: str
    region: str
    instance_type: str
    disk: str
    machine_image: str
    engine: str
    driver: str
    backing_filesystem: str
    server: str
    data_placement: Placement


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A point of the matrix that is not built, and why. `source` names the rule or the probe that said so."""

    cell: Cell
    reason: str
    fix: str
    source: str


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What was read back from a host after it stood; never what was asked for.

    `mkfs` is the command that made the filesystem, `mount_options` the line of the mount table.
    """

    kernel: str
    operating_system: str
    cpus: int
    memory_bytes: int
    engine_version: str
    containerd_version: str
    runc_version: str
    storage_driver: str
    image_store: Literal["graphdriver", "containerd"]
    driver_status: dict[str, str]
    backing_filesystem: str
    mount_options: str
    mkfs: str
    disk_bytes: int
    direct_io: bool
    cgroup_version: str
    emulated: bool
    virtualization: str = ""
    """What the host runs on where that is ours to know: `QEMU 7.2.22, KVM`, `QEMU 7.2.22, emulated`; else empty."""
    machine_image_digest: str = ""
    """Of the machine image that was booted; empty where none was."""
    boot_id: str = ""
    """Another one after every boot of the kernel: `random/boot_id` of proc(5). Empty where it was not read."""


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What was read back from a server's container: its image, where its data lies, how it stores objects.

    `feels_driver`: an object is a file of its own, so creates and lookups go through the storage driver. `quirks` are sentences
    that a reader of the numbers should know.
    """

    name: str
    version: str
    layout: str
    image: str
    image_id: str
    content_digest: str
    container_id: str
    data_path: str
    command: tuple[str, ...]
    feels_driver: bool = False
    quirks: tuple[str, ...] = ()
    started_at: str = ""
    """When the container was last started, as its engine tells it (`State.StartedAt`). Empty where it was not read."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A deployed cell with its endpoint. `credential` is a name; the secret itself is never here.

    `endpoint` is where the operator's machine reaches the server, empty where its firewall lets only load generators in; those
    use `private_endpoint`. `reach` is the start of a command line, on the operator's machine, that runs the one shell command
    appended to it on the target's host. Targets of one `machine` share hardware, so that trials on them never overlap: `operator`
    is the operator's own machine, others are cloud and region.
    """

    cell: Cell
    endpoint: str
    engine_url: str
    credential: str
    host: HostFacts
    server: ServerFacts
    private_endpoint: str = ""
    reach: tuple[str, ...] = ("sh", "-c")
    machine: str = "operator"


@dataclass(frozen=True, kw_only=True)
class GeneratorHost:
    """A deployed host that load comes from, for the targets of the same `cloud` and `region`.

    `address` is its own on the private network, `folder` a directory on it that its load generator container shares.
    `reach` as in `Target`.
    """

    name: str
    cloud: str
    region: str
    address: str
    engine_url: str
    reach: tuple[str, ...]
    folder: str
    host: HostFacts
    image_id: str


@dataclass(frozen=True, kw_only=True)
class ClockReading:
    """How far the clock of `host` is ahead of the operator's, in seconds, give or take `uncertainty_s` (half a round trip)."""

    host: str
    offset_s: float
    uncertainty_s: float
    read_at: str


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A named mix of operations on objects of one size, driven by `concurrency` users in a closed loop.

    `objects` is how many objects stand ready before a reading workload starts. `op` is a name of `bench.workloads`.
    """

    name: str
    op: str
    object_size_bytes: int
    concurrency: int
    duration_s: float
    warm_up_s: float
    objects: int
    part_size_bytes: int
    mix: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Generators:
    """Hosts of their own that the load comes from: `count` in every region of every cloud that has a cell."""

    count: int
    instance_type: str
    machine_image: str


@dataclass(frozen=True, kw_only=True)
class Load:
    """How the whole run is driven: the same for every cell. Without `generators` the operator's machine drives it."""

    workloads: tuple[Workload, ...]
    blocks: int
    seed: int
    client: str
    expect_100_continue: bool
    verify_share: float
    op_timeout_s: float
    generators: Generators | None = None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Which cell others are compared with: values on some axes; the other axes are the compared cell's own."""

    axes: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One timed pass of one workload on one target: the unit of repetition.

    `seed` fixes keys, sizes and the order of ops; it is the same for every cell of a block and workload.
    """

    index: int
    block: int
    position: int
    cell: str
    workload: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class ClientHealth:
    """The generator's own state inside the measured window: lags in nanoseconds.

    `cpu_share` is of one core (one process can use hardly more), the host's shares are of all its cores.
    """

    cpu_share: float
    hub_lag_p99_ns: int
    hub_lag_max_ns: int
    start_lag_p99_ns: int
    host_cpu_share: float
    host_steal_share: float


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What became of a trial. Times are of the generator's monotonic clock, as in its samples; `started_at` is of the operator's.

    `stamps` mark an unsound trial (`client_bound`, `server_gone`, ...); `problem` says why a trial has no samples.
    `repeats` counts earlier passes that were thrown away because a host was disturbed (`bench.campaign`); nothing had failed.
    `reconnects` counts how often the connection to a generator on a host of its own was lost and made again meanwhile: what was
    measured does not depend on it.
    """

    trial: Trial
    started_at: str
    window_start_ns: int
    window_end_ns: int
    samples: int
    parts: tuple[str, ...]
    health: ClientHealth | None
    stamps: tuple[str, ...]
    problem: str
    repeats: int = 0
    reconnects: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One operation as it happened, also a failed one. Columns of `samples/*.parquet`.

    `error` is empty for a success, else `layer/class/code` of `bench.errors`. `bytes` were moved, `size_bytes` was asked.
    In a closed loop `due_ns` equals `start_ns`. `first_byte_ns` is 0 where no byte came.
    """

    trial: int
    worker: int
    op: str
    size_bytes: int
    due_ns: int
    start_ns: int
    first_byte_ns: int
    end_ns: int
    bytes: int
    status: int
    error: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check says: a sentence with cause, and what to do next. `cell` is empty when it speaks of the run."""

    check: str
    level: Level
    cell: str
    text: str
    fix: str
    trials: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HourPrice:
    """What one thing of a rented host (its VM, a disk, an address) costs. Time is billed in steps of `billing_step_s`."""

    what: str
    per_hour: float
    billing_step_s: int = 1


@dataclass(frozen=True, kw_only=True)
class HostCost:
    """What a rented host costs while it stands, by the price tables at hand when the run began.

    `per_hour` is in `currency`, a lower bound where `unknown` names something without a price. `as_of` is the day of the oldest
    price in it, empty where nobody says. `cells` are those on the host, none on a load generator. `prices` are what `per_hour` is
    made of; none in a run of before they were noted.
    """

    host: str
    cloud: str
    region: str
    instance_type: str
    cells: tuple[str, ...]
    per_hour: float
    currency: str
    unknown: tuple[str, ...]
    as_of: str
    prices: tuple[HourPrice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Run:
    """One campaign over some targets: everything needed to judge or repeat it. On disk `run.json`."""

    schema: int
    run_id: str
    cowbench_version: str
    created_at: str
    state: Literal["running", "interrupted", "complete"]
    stack: str
    matrix_text: str
    plan: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...]
    targets: tuple[Target, ...]
    load: Load
    reference: Reference
    schedule: tuple[Trial, ...]
    versions: dict[str, str]
    operator: dict[str, str]
    findings: tuple[Finding, ...]
    generators: tuple[GeneratorHost, ...] = ()
    clocks: tuple[ClockReading, ...] = ()
    costs: tuple[HostCost, ...] = ()
    """Of the hosts that are paid for; none where nothing is."""
    stood_since: str = ""
    """When the stack's deployment began, ISO 8601; empty where that was not noted. Hosts are paid for from then on."""
    ended_at: str = ""
    """When the last check of the complete run was done, ISO 8601; empty before."""
    not_counted: tuple[str, ...] = ()
    """What was paid for and is in none of `costs`, such as the hosts of a cloud that failed and was taken away."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A centre with bounds at `confidence`, from `n` values. `low` and `high` are None when `n` is too small to say."""

    center: float
    low: float | None
    high: float | None
    confidence: float
    n: int


@dataclass(frozen=True, kw_only=True)
class CellSummary:
    """One cell under one workload. Estimates are over trials; latencies are of successes, in seconds.

    `trial_throughput_bytes_per_s` and `trial_ops_per_s` hold one value per sound trial, in order of `blocks`.
    A latency quantile is None when too few samples stand behind it. `quantile_curve` is (quantile, seconds) pairs for plotting.
    `failure_ratio` is of the ops that `ops` and `failed_ops` count, those of unsound trials too, but for trials that a spot VM
    was taken away in. `client_cpu_share` is what the generator used of one core, None where that was not seen. `emulated`: its
    host, or one that its load came from, ran without hardware virtualisation.
    """

    cell: str
    workload: str
    trials: int
    unsound_trials: int
    stamps: dict[str, int]
    ops: int
    failed_ops: int
    failures: dict[str, int]
    throughput_bytes_per_s: Estimate | None
    ops_per_s: Estimate | None
    failure_ratio: Estimate | None
    latency_s: dict[str, Estimate | None]
    blocks: tuple[int, ...]
    trial_throughput_bytes_per_s: tuple[float, ...]
    trial_ops_per_s: tuple[float, ...]
    client_cpu_share: Estimate | None = None
    emulated: bool = False
    quantile_curve: tuple[tuple[float, float], ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`cell` against `against` under one workload and metric, paired by block.

    `ratio` is cell / against. `more_blocks` is how many further blocks would be expected to settle it, None when not asked or
    unknowable.
    `reason` says why it was refused, or what "no difference shown" rules out. `emulated`: one side or both, or what drove
    them, ran without hardware virtualisation.
    """

    kind: Literal["reference", "control_arm"]
    workload: str
    metric: str
    cell: str
    against: str
    blocks: int
    ratio: Estimate | None
    block_ratios: tuple[float, ...]
    p_sign_flip: float | None
    verdict: Verdict
    more_blocks: int | None
    reason: str
    emulated: bool = False


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything the reports show that was computed. On disk `summary.json`, with a JSON Schema beside the code."""

    schema: int
    run_id: str
    assumption: str
    reference: Reference
    cells: tuple[CellSummary, ...]
    comparisons: tuple[Comparison, ...]
    measured_s: float
    sound: bool
