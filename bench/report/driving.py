"""How the load was driven, and from where: the client, the load generators and their clocks, the workloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report import numbers
from bench.report.labels import places, workloads
from bench.report.phrases import counted
from bench.report.table import Entry, Group, Head, Table, plain

if TYPE_CHECKING:
    from bench.records import Estimate, GeneratorHost, Run, Summary

_DIGEST_SHOWN = 19
LOST = "worker_lost"
"""Stamp of trials in which one of several load generators was lost."""


def origin(run: Run, summary: Summary) -> dict[str, str]:
    """Return where the load came from, and what happened on the way."""
    if not run.generators:
        return {"load came from": "the operator's machine"}
    images = dict.fromkeys(one.image_id[:_DIGEST_SHOWN] for one in run.generators)
    lost = sum(cell.stamps.get(LOST, 0) for cell in summary.cells)
    cut = [finding.text for finding in run.findings if finding.check == "reconnected"]
    return {
        "load came from": f"{counted(len(run.generators), 'host')} of their own, steered from the operator's machine",
        **{f"load generator {one.name}": _generator(one) for one in run.generators},
        "load generator's image": ", ".join(images),
        "connections to them": "; ".join(cut) or "never lost",
        "trials with a lost generator": numbers.count(lost) if lost else "none",
        **({"from the operator's machine": ", ".join(alone)} if (alone := _without_generator(run)) else {}),
    }


def clocks(run: Run) -> Table | None:
    """How far each host's clock was from the operator's, in seconds; None where none was read."""
    if not run.clocks:
        return None
    rows = tuple(
        (
            Entry(text=one.host, tone="name"),
            Entry(text=f"{one.offset_s:+.4f} \u00b1 {one.uncertainty_s:.4f}"),
            plain(one.read_at),
        )
        for one in run.clocks
    )
    heads = (Head(text="host", numeric=False), Head(text="ahead by", unit="s"), Head(text="read at", numeric=False))
    return Table(heads=heads, groups=(Group(title="", rows=rows),))


def client(run: Run) -> dict[str, str]:
    """Return how the whole run was driven: the same for every cell."""
    load = run.load
    whose = "operator's" if run.generators else "generator's"
    return {
        "client": load.client,
        "Expect: 100-continue": "sent" if load.expect_100_continue else "not sent",
        "content verified": "sizes always, SHA-256 of " + (f"{load.verify_share:.0%} of ops" if load.verify_share else "nothing"),
        "timeout per op": f"{load.op_timeout_s:g} s",
        **{f"{name} version": version for name, version in sorted(run.versions.items())},
        **{f"{whose} {name}": value for name, value in sorted(run.operator.items())},
    }


def client_cpu(run: Run, summary: Summary) -> Table | None:
    """What the generator used of one core for each cell and workload, in percent; None where that was not seen."""
    shares = {(cell.cell, cell.workload): cell.client_cpu_share for cell in summary.cells if cell.client_cpu_share}
    if not shares:
        return None
    names = workloads(run, summary)
    rows = tuple(
        (Entry(text=place.full, tone="name"), *(_percent(shares.get((cell, name))) for name in names))
        for cell, place in places(run, summary).items()
    )
    heads = (Head(text="cell", numeric=False), *(Head(text=name, unit="%", brief=False) for name in names))
    return Table(heads=heads, groups=(Group(title="", rows=rows),))


def driven(run: Run) -> Table:
    """The workloads as they were driven."""
    rows = tuple(
        (
            plain(one.name),
            plain(one.op if not one.mix else f"{one.op} ({', '.join(f'{op} {part:.0%}' for op, part in one.mix.items())})"),
            plain(numbers.size(one.object_size_bytes)),
            plain(numbers.size(one.part_size_bytes) if one.part_size_bytes else numbers.MISSING),
            plain(numbers.count(one.objects)),
            plain(numbers.count(one.concurrency)),
            plain(f"{one.warm_up_s:g}"),
            plain(f"{one.duration_s:g}"),
        )
        for one in run.load.workloads
    )
    heads = (
        Head(text="workload", numeric=False),
        Head(text="op", numeric=False),
        Head(text="object"),
        Head(text="part"),
        Head(text="objects ready"),
        Head(text="users"),
        Head(text="warm-up", unit="s"),
        Head(text="measured", unit="s"),
    )
    return Table(heads=heads, groups=(Group(title="", rows=rows),))


def _percent(share: Estimate | None) -> Entry:
    center, interval = numbers.center_and_interval(share, numbers.PERCENT) if share else (numbers.MISSING, "")
    return Entry(text=center, interval=interval)


def _generator(one: GeneratorHost) -> str:
    facts = one.host
    on = facts.virtualization or ("emulated" if facts.emulated else "")
    parts = (
        ", ".join(filter(None, (one.cloud, one.region))),
        f"kernel {facts.kernel}",
        f"engine {facts.engine_version}",
        counted(facts.cpus, "CPU"),
        numbers.size(facts.memory_bytes),
        on,
    )
    return "; ".join(filter(None, parts))


def _without_generator(run: Run) -> list[str]:
    """Return the clouds and regions that have cells and no load generator of their own."""
    covered = {(one.cloud, one.region) for one in run.generators}
    seen = dict.fromkeys((target.cell.cloud, target.cell.region) for target in run.targets)
    return [", ".join(filter(None, place)) for place in seen if place not in covered]
