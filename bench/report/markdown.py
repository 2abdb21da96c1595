"""The report as Markdown that also reads well unrendered in a terminal: the tables of the HTML page, intervals of rates only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report import Report, circumstances, cost, driving, kernels, machines, reading, tables, words
from bench.report.characters import printable
from bench.report.labels import places, reference_label, workloads
from bench.report.phrases import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.records import Run, Summary
    from bench.report.table import Entry, Head, Table

_ESCAPED = str.maketrans({"|": "\\|", "<": "\\<", "\n": " ", "\r": " "})


def render(run: Run, summary: Summary) -> str:
    """Return the whole report. Text of the records cannot break out of its line, table or paragraph."""
    parts = [f"# Cowbench: {words.title(run)}", _origin(run), *_headline(run, summary)]
    parts += ["## At a glance", _SIGNS]
    parts += _table(tables.at_a_glance(run, summary))
    for workload in workloads(run, summary):
        parts += _workload(run, summary, workload)
    parts += _running(run, summary)
    parts += _costs(run, summary)
    parts += _section("Cells left out", circumstances.left_out(run))
    parts += _section("Findings", circumstances.findings(run, summary), otherwise="The checks found nothing to say.")
    parts += _how_to_read(run, summary)
    return "\n\n".join(parts) + "\n"


REPORT = Report(name="markdown", file="report.md", render=render)

_SIGNS = (
    "Ratio to the reference (*): ▲ faster, ▼ slower, ≈ no difference shown, ∅ no comparison possible.\n"
    "Of latencies, a ratio below 1 is faster."
)
_REPEAT = (
    "Intervals of latencies are in `report.html` and `summary.csv`. To repeat it: "
    "`cowbench bench runs/{run_id}/matrix.yaml`; seed {seed} fixes the order and the objects. Raw samples lie beside it."
)


def text(value: str) -> str:
    """Return `value` as plain Markdown text on one line: no table cell, tag or code span begins or ends in it."""
    return printable(value).translate(_ESCAPED)


def _origin(run: Run) -> str:
    seeds = f"{counted(run.load.blocks, 'block')}, seed {run.load.seed}"
    return text(f"Run {run.run_id}, started {run.created_at}, {seeds}, Cowbench {run.cowbench_version}.")


def _headline(run: Run, summary: Summary) -> Iterable[str]:
    alarms = words.alarms(run, summary)
    if alarms:
        yield "\n".join(f"> **{text(alarm)}**" for alarm in alarms)
    if notes := reading.notes(run):
        yield "\n".join(f"{text(name)}: {text(note)}" for name, note in notes.items())
    yield "\n".join(f"- {text(sentence)}" for sentence in words.headline(run, summary)[len(alarms) :])


def _workload(run: Run, summary: Summary, workload: str) -> Iterable[str]:
    label = reference_label(places(run, summary))
    reference = f" ({text(label)})" if label else ""
    yield f"## {text(workload)}"
    yield text(reading.driven(run, summary, workload))
    yield from _table(tables.measured(run, summary, workload))
    for title, table in (
        ("What failed", tables.failures(run, summary, workload)),
        ("From kernel to kernel", kernels.by_kernel(run, summary, workload)),
        (f"Against the reference{reference}", tables.compared(run, summary, workload, "reference")),
        ("Through the driver or around it (control arm)", tables.compared(run, summary, workload, "control_arm")),
    ):
        if table:
            yield f"### {title}"
            yield from _table(table)
    yield from filter(None, [reading.tails(summary, workload)])


def _running(run: Run, summary: Summary) -> Iterable[str]:
    yield "## What was really running"
    for title, (shared, differing) in (
        ("Kernels and engines", machines.machines(run)),
        ("Storage", machines.storage(run)),
        ("Servers", circumstances.servers(run, summary)),
        ("Load", (driving.origin(run, summary), driving.clocks(run))),
        ("Client", (driving.client(run), None)),
    ):
        yield f"### {title}"
        yield _pairs(shared)
        if differing:
            yield from _listed(differing)
    if used := driving.client_cpu(run, summary):
        yield "Client CPU: what the load generator used of one core, median over sound trials. Near 100 % it is the limit."
        yield from _table(used)
    yield from _table(driving.driven(run))


def _costs(run: Run, summary: Summary) -> Iterable[str]:
    if not (facts := cost.facts(run, summary)):
        return
    yield "## What it cost"
    yield _pairs(facts)
    if hosts := cost.by_host(run):
        yield "### By host"
        yield from _table(hosts)
    if rates := cost.at_its_rate(run, summary):
        yield "### At the rate that each cell served"
        yield cost.AT_ITS_RATE
        yield from _table(rates)


def _how_to_read(run: Run, summary: Summary) -> Iterable[str]:
    yield "## How to read this"
    yield from filter(None, (text(summary.assumption), reading.multiplicity(summary)))
    yield "What the numbers do not show:"
    yield "\n".join(f"- {limit}" for limit in reading.limits(run))
    yield _REPEAT.format(seed=run.load.seed, run_id=text(run.run_id))


def _listed(table: Table) -> Iterable[str]:
    """Yield a table of sentences and commands as a list: as a table it would be wider than any terminal."""
    rows = (row for group in table.groups for row in group.rows)
    yield "\n".join(
        f"- **{text(row[0].text)}**: "
        + "; ".join(f"{text(head.text)}: {text(one.text)}" for head, one in zip(table.heads[1:], row[1:], strict=True))
        for row in rows
    )


def _section(title: str, table: Table | None, otherwise: str = "") -> Iterable[str]:
    if table or otherwise:
        yield f"## {title}"
        yield from _listed(table) if table else (otherwise,)


def _pairs(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {text(name)}: {text(value)}" for name, value in facts.items()) or "Nothing was reached."


def _table(table: Table) -> Iterable[str]:
    """Yield the table with aligned columns, and its footnotes."""
    table = table.narrow()
    head = [text(f"{head.text} {head.unit}".strip()) for head in table.heads]
    lines = [head]
    for group in table.groups:
        if group.title:
            lines.append([f"**{text(group.title)}**", *[""] * (len(head) - 1)])
        lines += [[_entry(table, one, h) for h, one in zip(table.heads, row, strict=True)] for row in group.rows]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(head))]
    rule = [("-" * (width - 1) + ":") if h.numeric else "-" * width for h, width in zip(table.heads, widths, strict=True)]
    yield "\n".join(_line(line, table.heads, widths) for line in [head, rule, *lines[1:]])
    if table.marked_notes:
        yield "\n".join(f"- ({mark}) {text(note)}" for mark, note in table.marked_notes)


def _entry(table: Table, entry: Entry, head: Head) -> str:
    interval = f" ({entry.interval})" if entry.interval and head.brief else ""
    if entry.tone == "name":
        interval = " *" if entry.interval else ""
    mark = f" ({table.mark(entry)})" if entry.note else ""
    return text(f"{entry.text}{interval}{mark}")


def _line(line: list[str], heads: tuple[Head, ...], widths: list[int]) -> str:
    padded = [
        one.rjust(width) if head.numeric else one.ljust(width) for one, head, width in zip(line, heads, widths, strict=True)
    ]
    return f"| {' | '.join(padded)} |"
