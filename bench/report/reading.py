"""What a reader should know of the numbers before believing them: what was driven, what a server feels, what they do not show."""

from __future__ import annotations

from ipaddress import ip_address
from statistics import median, median_low
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.host_words import is_on_this_machine
from bench.records import SAMPLES_BEYOND
from bench.report import kernels, numbers
from bench.report.phrases import counted

if TYPE_CHECKING:
    from bench.records import Run, Summary, Target

_APPENDED = (
    "Objects of this server are appended to large files, so most storage drivers hardly show; a server with a file per object"
    " shows more of them."
)
_DURABLE = (
    "A write is acknowledged, not durable, unless its server says otherwise: data may reach the disk after its trial. Reads come"
    " from the page cache, as far as it holds what a trial touches."
)
_CLOSED_LOOP = (
    "The loop is closed: a user waits for each answer, so a stall holds back the very ops that would have met it, and tails are"
    " understated."
)
_CLIENT = (
    "The client's CPU time is in every op. It is alike for all cells, so it pulls ratios towards 1. How much it was in each"
    " cell stands with the client."
)
_CONFOUNDED = (
    "A cell may differ from the reference in its backing filesystem as well as in its driver. Only the control arm, the same"
    " server on a volume beside it, separates the two."
)
_SHARED = (
    "Servers were on the generator's own host, where all of them, the engines and the generator share cores, memory and a disk: a"
    " server that uses more CPU slows its own client, and rates are lower than on hosts of their own."
)
_FORWARDED = (
    "VMs on this machine were driven from outside, through QEMU's user-mode network: each connection is forwarded by the QEMU"
    " process, so this path is part of every rate and latency. Load generators of their own (`generators` in the matrix) do"
    " without it."
)
_SLOW_CLIENT = (
    "Load generators were emulated too: the client's CPU time in every op is that of a machine whose instructions are translated"
    " in software."
)
_HYPERVISOR = (
    "Some hosts were VMs under KVM and others not on that hypervisor: what it costs, above all for disk and network, is in the"
    " ratios between them."
)


def server_notes(run: Run) -> dict[str, str]:
    """Return what a reader should know of each server: its quirks, and whether the storage driver can show at all."""
    facts = {target.server.name: target.server for target in run.targets}
    notes = {name: [*server.quirks, *(() if server.feels_driver else (_APPENDED,))] for name, server in facts.items()}
    return {name: " ".join(sentences) for name, sentences in notes.items() if sentences}


def notes(run: Run) -> dict[str, str]:
    """Return what a reader should know before the verdicts: of the servers, and of what a kernel's effect is made of."""
    meant = kernels.meaning(run)
    return server_notes(run) | ({"kernels": meant} if meant else {})


def limits(run: Run) -> tuple[str, ...]:
    """Return what the numbers of this run do not show, a sentence or two each."""
    said = {
        _DURABLE: True,
        _CLOSED_LOOP: True,
        _CLIENT: True,
        _SLOW_CLIENT: any(one.host.emulated for one in run.generators),
        _SHARED: any(map(_is_beside_the_generator, run.targets)),
        _FORWARDED: bool(forwarded(run)),
        _HYPERVISOR: len({is_on_this_machine(one) for one in run.targets if not one.host.emulated}) > 1,
        _CONFOUNDED: True,
    }
    return tuple(sentence for sentence, holds in said.items() if holds)


def forwarded(run: Run) -> tuple[Target, ...]:
    """Return the targets in VMs on this machine that were driven from outside their private network."""
    inside = {(one.cloud, one.region) for one in run.generators}
    return tuple(one for one in run.targets if is_on_this_machine(one) and (one.cell.cloud, one.cell.region) not in inside)


def tails(summary: Summary, workload: str) -> str:
    """Say why no tail latency is compared under a workload; empty where one is, or where nothing is compared at all."""
    compared = {one.metric for one in summary.comparisons if one.workload == workload}
    mine = [cell for cell in summary.cells if cell.workload == workload and cell.trials]
    successes = median_low([(cell.ops - cell.failed_ops) // cell.trials for cell in mine]) if mine else 0
    if not compared or not mine or successes >= 10 * SAMPLES_BEYOND or any(one.startswith("latency") for one in compared):
        return ""
    return (
        f"Tail latencies are not compared: that takes {numbers.count(10 * SAMPLES_BEYOND)} successful ops in a typical trial for"
        f" p90, {numbers.count(100 * SAMPLES_BEYOND)} for p99; here it had {numbers.count(successes)}. Longer trials give them."
    )


def multiplicity(summary: Summary) -> str:
    """Say how often a report with so many tables carries a false verdict; empty where nothing was compared.

    By the union bound: tables share trials, so they are not independent, and the true share is lower.
    """
    compared = [one for one in summary.comparisons if one.ratio]
    tables = len({(one.workload, one.kind, one.metric) for one in compared})
    if not tables:
        return ""
    keeps = min(round(100 * one.ratio.confidence) for one in compared if one.ratio)
    most = min(100, tables * (100 - keeps))
    has = f"This run has {counted(tables, 'table')} of comparisons. Each alone keeps {keeps} %"
    return f"{has}, so up to {most} % of such reports carry a false verdict (an upper bound: {tables} \u00d7 {100 - keeps} %)."


def driven(run: Run, summary: Summary, name: str) -> str:
    """Say how a workload was driven, and how much a trial moved."""
    workload = {workload.name: workload for workload in run.load.workloads}.get(name)
    if workload is None:
        return "This workload is not in the plan."
    what = f"{workload.op}, objects of {numbers.size(workload.object_size_bytes)}"
    users = f"{counted(workload.concurrency, 'user')} in a closed loop"
    times = f"{workload.duration_s:g} s per trial after {workload.warm_up_s:g} s of warm-up"
    rates = [rate for cell in summary.cells if cell.workload == name for rate in cell.trial_throughput_bytes_per_s]
    mib = median(rates) * workload.duration_s / 2**20 if rates else 0.0
    digits = f"{mib:.3g}" if mib < 100 else numbers.number(mib, 0)  # noqa: PLR2004  (three digits)
    return f"{what}, {users}, {times}." + (f" MiB moved per trial (median): {digits}." if mib else "")


def _is_beside_the_generator(target: Target) -> bool:
    if is_on_this_machine(target):
        return True
    try:
        return ip_address(urlsplit(target.endpoint).hostname or "").is_loopback
    except ValueError:  # a name, not an address
        return False
