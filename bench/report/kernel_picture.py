"""The picture of the kernel axis: the main metric of each storage driver from kernel to kernel, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from bench.report import kernels
from bench.report.metrics import main_estimate, main_metric, main_unit
from bench.report.pictures import DASHES, INK, NAMED_ROWS, PALETTE, having, svg

if TYPE_CHECKING:
    from bench.records import Run, Summary
    from bench.report.pictures import Rows

_HEIGHT = 200
_KERNEL = 130
"""Width of a kernel's band: enough for its name below it."""


def by_kernel(run: Run, summary: Summary, workload: str) -> str:
    """Draw a point with its interval for each driver on each kernel, points of one driver joined; empty for one kernel."""
    at = kernels.spots(run)
    cells = tuple(cell for cell in summary.cells if cell.workload == workload and cell.cell in at)
    chosen = main_metric(summary, workload)
    unit = main_unit(cells, chosen)
    rows: Rows = [
        {
            "group": at[cell.cell].group,
            "driver": at[cell.cell].driver,
            "kernel": at[cell.cell].kernel,
            "center": estimate.center / unit.size,
            "low": None if estimate.low is None else estimate.low / unit.size,
            "high": None if estimate.high is None else estimate.high / unit.size,
        }
        for cell in cells
        if (estimate := main_estimate(cell, chosen)) is not None
    ]
    if not rows:
        return ""
    order = list(kernels.engines(run))
    drivers = list(dict.fromkeys(spot.driver for spot in at.values()))
    offset = alt.XOffset("driver:N", scale=alt.Scale(domain=drivers))
    axis = alt.Axis(title=None, labelAngle=0, labelColor=INK, labelLimit=_KERNEL, ticks=False)
    x = alt.X("kernel:N", sort=order, scale=alt.Scale(domain=order), axis=axis)
    title = f"{chosen.words}, {unit.name}" if unit.name != chosen.words else chosen.words
    y = alt.Y("center:Q", title=title, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=6))
    legend = alt.Legend(title=None, orient="bottom", columns=6)
    colours = alt.Scale(domain=drivers, range=[PALETTE[i % len(PALETTE)] for i in range(len(drivers))])
    dashes = alt.Scale(domain=drivers, range=[DASHES[i // len(PALETTE) % len(DASHES)] for i in range(len(drivers))])
    colour = alt.Color("driver:N", scale=colours, legend=legend)
    line = having("center").mark_line(strokeWidth=1, opacity=0.5).encode(x=x, y=y, xOffset=offset, color=colour)
    line = line.encode(strokeDash=alt.StrokeDash("driver:N", scale=dashes, legend=None))
    bar = having("low").mark_rule(strokeWidth=3, opacity=0.35).encode(x=x, xOffset=offset, y="low:Q", y2="high:Q", color=colour)
    point = having("center").mark_point(filled=True, size=55, opacity=1).encode(x=x, y=y, xOffset=offset, color=colour)
    groups = list(dict.fromkeys(row["group"] for row in rows))
    header = alt.Header(title=None, labelFontSize=12, labelFontWeight="bold", labelAnchor="start", labelColor=INK)
    layered = alt.layer(line, bar, point).properties(width=_KERNEL * len(order), height=_HEIGHT)
    faceted = layered.facet(
        facet=alt.Facet("group:N", sort=groups, header=header), columns=2, data=alt.NamedData(name=NAMED_ROWS), spacing=36
    )
    return svg(faceted, rows)
