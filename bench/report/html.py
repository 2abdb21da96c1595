"""The report as one HTML file: readable offline, on paper and without JavaScript; pictures are inline SVG."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bench.report import (
    Report,
    axes,
    circumstances,
    cost,
    driving,
    kernel_picture,
    kernels,
    labels,
    machines,
    numbers,
    pictures,
    reading,
    tables,
    verdicts,
    words,
)
from bench.report.characters import printable
from bench.report.metrics import main_metric

if TYPE_CHECKING:
    from bench.records import Run, Summary
    from bench.report.table import Table
    from bench.report.verdicts import Statement


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An inline SVG. `described` is read out instead of it; `caption` says how to read it."""

    svg: Markup
    described: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """Everything about one workload. A picture or table that would be empty is None."""

    name: str
    described: str
    trials: Picture | None
    measured: Table
    failures: Table | None
    ratios: Picture | None
    compared: Table | None
    control_ratios: Picture | None
    control_arm: Table | None
    quantiles: Picture | None
    tails: str
    kernels: Picture | None
    by_kernel: Table | None


def render(run: Run, summary: Summary) -> str:
    """Return the whole page. Every text of the records is escaped; only our own drawings are put in as they are."""
    page = files("bench.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    template = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_printable, trim_blocks=True, lstrip_blocks=True
    ).from_string(page)
    shared_machine, machine_table = machines.machines(run)
    shared_storage, storage = machines.storage(run)
    shared_server, servers = circumstances.servers(run, summary)
    return template.render(
        run=run,
        summary=summary,
        title=words.title(run),
        emulated=labels.EMULATED,
        alarms=words.alarms(run, summary),
        notes=reading.notes(run),
        found=_by_workload(verdicts.statements(run, summary)),
        reference=labels.reference_label(labels.places(run, summary)),
        glance=tables.at_a_glance(run, summary),
        same_everywhere=axes.shared_axes(run.plan),
        facts=_facts(run, summary),
        sections=[_section(run, summary, name) for name in labels.workloads(run, summary)],
        shared_machine=shared_machine,
        machines=machine_table,
        shared_storage=shared_storage,
        storage=storage,
        shared_server=shared_server,
        servers=servers,
        origin=driving.origin(run, summary),
        clocks=driving.clocks(run),
        client=driving.client(run),
        client_cpu=driving.client_cpu(run, summary),
        driven=driving.driven(run),
        costs=cost.facts(run, summary),
        cost_by_host=cost.by_host(run),
        cost_at_its_rate=cost.at_its_rate(run, summary),
        at_its_rate=cost.AT_ITS_RATE,
        left_out=circumstances.left_out(run),
        findings=circumstances.findings(run, summary),
        limits=reading.limits(run),
        multiplicity=reading.multiplicity(summary),
    )


REPORT = Report(name="html", file="report.html", render=render)


def _printable(value: object) -> object:
    return printable(value) if type(value) is str else value  # what is Markup was printed before


def _by_workload(statements: tuple[Statement, ...]) -> dict[str, list[Statement]]:
    found: dict[str, list[Statement]] = {}
    for one in statements:
        found.setdefault(one.workload, []).append(one)
    return found


def _section(run: Run, summary: Summary, name: str) -> Section:
    main = main_metric(summary, name).words
    ratio_caption = "Dot: ratio. Line: its interval. Blue: faster, orange: slower, grey: no difference shown."
    return Section(
        name=name,
        described=reading.driven(run, summary, name),
        trials=_picture(
            pictures.trials(run, summary, name),
            f"{main} of every cell under {name}; the table below holds the numbers",
            "One dot per sound trial, a dark line at the median, a shaded bar for its interval. Longer to the right is faster.",
        ),
        measured=tables.measured(run, summary, name),
        failures=tables.failures(run, summary, name),
        ratios=_picture(
            pictures.ratios(run, summary, name, "reference"),
            f"{main} of every cell under {name} as a ratio to the reference; the table beside it holds the numbers",
            ratio_caption,
        ),
        compared=tables.compared(run, summary, name, "reference"),
        control_ratios=_picture(
            pictures.ratios(run, summary, name, "control_arm"),
            f"{main} through the storage driver under {name} as a ratio to the volume; the table beside it holds the numbers",
            ratio_caption,
        ),
        control_arm=tables.compared(run, summary, name, "control_arm"),
        quantiles=_picture(
            pictures.quantiles(run, summary, name),
            f"latency by quantile of every cell under {name}; the table above holds p50, p90, p99 and p99.9",
            "Latency of successful ops, all sound trials pooled. The axis gives each further nine the same room.",
        ),
        tails=reading.tails(summary, name),
        kernels=_picture(
            kernel_picture.by_kernel(run, summary, name),
            f"{main} under {name} of every storage driver from kernel to kernel; the table beside it holds the numbers",
            "Point: median of sound trials. Bar: its interval. A line joins one driver's points.",
        ),
        by_kernel=kernels.by_kernel(run, summary, name),
    )


def _picture(svg: str, described: str, caption: str) -> Picture | None:
    if not svg:
        return None
    return Picture(svg=Markup(svg), described=described, caption=caption)  # noqa: S704  (drawn by us, texts escaped by the drawer)


def _facts(run: Run, summary: Summary) -> dict[str, str]:
    measured = sum(cell.trials - cell.unsound_trials for cell in summary.cells)
    return {
        "run": run.run_id,
        "started": run.created_at.replace("T", " ").replace("+00:00", " UTC").replace("Z", " UTC"),
        "load measured for": numbers.duration(summary.measured_s),
        "blocks": str(run.load.blocks),
        "sound trials": f"{numbers.count(measured)} of {numbers.count(len(run.schedule))}",
        "ops": numbers.count(sum(cell.ops for cell in summary.cells)),
        "failed ops": numbers.count(sum(cell.failed_ops for cell in summary.cells)),
        "seed": str(run.load.seed),
    }
