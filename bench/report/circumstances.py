"""Tables of what the numbers were measured on, as read back: hosts, servers, workloads, cells left out, findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report import numbers
from bench.report.labels import AXIS_WORDS, places, shortened, varying_axes, workloads
from bench.report.table import Entry, Group, Head, Table, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.records import Estimate, HostFacts, Run, ServerFacts, Summary
    from bench.report.labels import Place

_CODE = ("kernel", "mount options", "made by", "image id", "content digest", "command", "data path", "image", "driver status")
_SHOWN_TRIALS = 8


def hosts(run: Run) -> tuple[dict[str, str], Table | None]:
    """Return what is true of every host, and a table of what differs between hosts; None when nothing does."""
    by_host = {target.cell.host: _host(target.host) for target in run.targets}
    return _split("host", by_host)


def servers(run: Run, summary: Summary) -> tuple[dict[str, str], Table | None]:
    """Return what is true of every server, and a table of what differs between them; None when nothing does."""
    where = places(run, summary)
    return _split("cell", {whose(target.cell.name, where): _server(target.server) for target in run.targets})


def client(run: Run) -> dict[str, str]:
    """Return how the whole run was driven: the same for every cell."""
    load = run.load
    return {
        "client": load.client,
        "Expect: 100-continue": "sent" if load.expect_100_continue else "not sent",
        "content verified": "sizes always, SHA-256 of " + (f"{load.verify_share:.0%} of ops" if load.verify_share else "nothing"),
        "timeout per op": f"{load.op_timeout_s:g} s",
        **{f"{name} version": version for name, version in sorted(run.versions.items())},
        **{f"generator's {name}": value for name, value in sorted(run.operator.items())},
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


def left_out(run: Run) -> Table | None:
    """The points of the matrix that were not built, and why; equal reasons share a row."""
    if not run.left_out:
        return None
    varying = varying_axes([*run.plan, *(one.cell for one in run.left_out)])
    shared: dict[tuple[str, str, str], list[str]] = {}
    for one in run.left_out:
        named = ", ".join(f"{AXIS_WORDS[axis]} {getattr(one.cell, axis)}" for axis in varying if axis != "data_placement")
        shared.setdefault((one.reason, one.fix, one.source), []).append(named or one.cell.name)
    rows = tuple((plain("; ".join(dict.fromkeys(cells))), *map(plain, why)) for why, cells in shared.items())
    heads = tuple(Head(text=text, numeric=False) for text in ("cell", "why not", "what would make it work", "says"))
    return Table(heads=heads, groups=(Group(title="", rows=rows),))


def findings(run: Run, summary: Summary) -> Table | None:
    """What the checks found, errors first."""
    if not run.findings:
        return None
    where = places(run, summary)
    worst_first = sorted(run.findings, key=lambda finding: ("error", "warning", "info").index(finding.level))
    rows = tuple(
        (
            Entry(text=finding.level, tone=finding.level),
            plain(finding.check),
            plain(whose(finding.cell, where)),
            plain(shortened(finding.text, where) + _of_trials(finding.trials)),
            plain(shortened(finding.fix, where)),
        )
        for finding in worst_first
    )
    heads = tuple(Head(text=text, numeric=False) for text in ("level", "check", "cell", "what was found", "what to do"))
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


def whose(cell: str, where: Mapping[str, Place]) -> str:
    """Name the cell that a finding speaks of."""
    if not cell:
        return "the whole run"
    return where[cell].full if cell in where else cell


def _percent(share: Estimate | None) -> Entry:
    center, interval = numbers.center_and_interval(share, numbers.PERCENT) if share else (numbers.MISSING, "")
    return Entry(text=center, interval=interval)


def _of_trials(trials: Iterable[int]) -> str:
    numbered = [str(trial) for trial in trials]
    if not numbered:
        return ""
    shown = ", ".join(numbered[:_SHOWN_TRIALS]) + (
        f" and {len(numbered) - _SHOWN_TRIALS} more" if len(numbered) > _SHOWN_TRIALS else ""
    )
    return f" (trial{'' if len(numbered) == 1 else 's'} {shown})"


def _host(facts: HostFacts) -> dict[str, str]:
    return {
        "storage driver": f"{facts.storage_driver} ({facts.image_store} image store)",
        "backing filesystem": facts.backing_filesystem,
        "made by": facts.mkfs,
        "mount options": facts.mount_options,
        "driver status": "; ".join(f"{key}: {value}" for key, value in facts.driver_status.items()),
        "direct io": "yes" if facts.direct_io else "no",
        "disk": numbers.size(facts.disk_bytes),
        "kernel": facts.kernel,
        "operating system": facts.operating_system,
        "engine": facts.engine_version,
        "containerd": facts.containerd_version,
        "runc": facts.runc_version,
        "cgroup": f"v{facts.cgroup_version}",
        "CPUs": str(facts.cpus),
        "memory": numbers.size(facts.memory_bytes),
        "virtualisation": "emulated" if facts.emulated else "none or hardware",
    }


def _server(facts: ServerFacts) -> dict[str, str]:
    return {
        "server": f"{facts.name} {facts.version}".strip(),
        "layout on disk": facts.layout,
        "image": facts.image,
        "image id": facts.image_id,
        "content digest": facts.content_digest,
        "data path": facts.data_path,
        "command": " ".join(facts.command),
    }


def _split(head: str, facts: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, str], Table | None]:
    """Tell facts on which all agree from those that differ: only these are worth a column."""
    first = next(iter(facts.values()), {})
    differing = [fact for fact in first if len({one[fact] for one in facts.values()}) > 1]
    shared = {fact: value or numbers.MISSING for fact, value in first.items() if fact not in differing}
    if not differing:
        return shared, None
    rows = tuple((Entry(text=name, tone="name"), *(plain(one[fact]) for fact in differing)) for name, one in facts.items())
    heads = (Head(text=head, numeric=False), *(Head(text=fact, numeric=False, code=fact in _CODE) for fact in differing))
    return shared, Table(heads=heads, groups=(Group(title="", rows=rows),))
