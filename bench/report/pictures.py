"""The pictures of the report as SVG: trials per cell, ratios, latency quantiles. Drawn without a browser, small, no scripts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import altair as alt
import vl_convert

from bench.report.labels import places
from bench.report.metrics import latency_unit, main_estimate, main_metric, main_unit, trial_values
from bench.report.phrases import VERDICT_WORDS, missing_trials

if TYPE_CHECKING:
    from bench.records import CellSummary, Run, Summary
    from bench.report.metrics import Metric

INK, QUIET, GRID = "#1c2430", "#5b6675", "#e3e7ec"
FONT = "Helvetica Neue, Arial, Liberation Sans, sans-serif"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours told apart with any colour vision: Okabe & Ito, "Color Universal Design", without yellow, which fades on white."""
DASHES = ([1, 0], [6, 3], [2, 2])
VERDICT_COLOURS = {"faster": "#0b62a4", "slower": "#b8480f", "no difference shown": "#6b7684", "refused": "#6b7684"}

_ROW = 23
NAMED_ROWS = "rows"
_MARGIN_LABELS, _MOST_LABELS, _CHARACTER = 190, 320, 6.5
"""Room for the names of cells, in pixels: usual, at most, and for each character."""
_NINES = {0.301: "p50", 1.0: "p90", 2.0: "p99", 3.0: "p99.9", 4.0: "p99.99", 5.0: "p99.999"}
_RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100)

Rows = list[dict[str, Any]]
"""Rows of a picture's data; vega takes any JSON value."""


def trials(run: Run, summary: Summary, workload: str) -> str:
    """Draw the main metric: dots for sound trials, a bar for the interval, a line for the median; empty if none was measured."""
    cells = tuple(cell for cell in summary.cells if cell.workload == workload)
    chosen = main_metric(summary, workload)
    unit = main_unit(cells, chosen)
    dots, bars, gaps = _trial_rows(run, summary, cells, chosen, unit.size)
    if not dots:
        return ""
    y = _cell_axis(run, summary)
    axis_title = f"{chosen.words}, {unit.name}" if unit.name != chosen.words else chosen.words
    x = alt.X("value:Q", title=axis_title, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=10, labelFlush=False))
    colour = alt.Color("label:N", scale=_colours(run, summary), legend=None)
    bar = having("low").mark_bar(height=14, opacity=0.2, cornerRadius=2).encode(y=y, x="low:Q", x2="high:Q", color=colour)
    dot = having("value").mark_circle(size=26, opacity=0.75).encode(y=y, x=x, color=colour)
    tick = having("center").mark_tick(thickness=2, height=16, color=INK).encode(y=y, x="center:Q")
    gap = having("gap").mark_text(align="left", dx=6, fontStyle="italic", color=QUIET).encode(y=y, x=alt.value(0), text="gap:N")
    rows = [*bars, *dots, *gaps]
    return svg(_stacked([bar, dot, tick, gap], rows, run, summary), rows)


def ratios(run: Run, summary: Summary, workload: str, kind: str) -> str:
    """Draw the ratios of the main metric with their intervals on a logarithmic axis; empty when there is no ratio."""
    where = places(run, summary)
    main = main_metric(summary, workload).name
    chosen = [one for one in summary.comparisons if (one.workload, one.kind, one.metric) == (workload, kind, main)]
    rows: Rows = [
        {
            "label": where[one.cell].label,
            "group": where[one.cell].group,
            "verdict": VERDICT_WORDS[one.verdict],
            "ratio": one.ratio.center if one.ratio else None,
            "low": one.ratio.low if one.ratio else None,
            "high": one.ratio.high if one.ratio else None,
            "gap": None if one.ratio else VERDICT_WORDS["refused"],
        }
        for one in chosen
    ]
    bounds = [row[key] for row in rows for key in ("ratio", "low", "high") if row[key]]
    if not bounds:
        return ""
    domain = [min(0.97, *bounds) * 0.98, max(1.03, *bounds) * 1.02]
    y = _cell_axis(run, summary)
    ticks = [tick for tick in _RATIOS if domain[0] <= tick <= domain[1]]
    x = alt.X(
        "ratio:Q",
        title="ratio (1 = no difference)",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(values=_spaced(ticks, domain), format="~g", grid=True),
    )
    scale = alt.Scale(domain=[VERDICT_WORDS[v] for v in VERDICT_COLOURS], range=list(VERDICT_COLOURS.values()))
    colour = alt.Color("verdict:N", scale=scale, legend=None)
    one_line = alt.Chart().mark_rule(color=INK, strokeDash=[3, 3]).encode(x=alt.datum(1))
    rule = having("low").mark_rule(strokeWidth=3).encode(y=y, x="low:Q", x2="high:Q", color=colour)
    point = having("ratio").mark_point(size=60, filled=True, opacity=1).encode(y=y, x=x, color=colour)
    gap = having("gap").mark_text(align="left", dx=6, fontStyle="italic", color=QUIET).encode(y=y, x=alt.value(0), text="gap:N")
    return svg(_stacked([one_line, rule, point, gap], rows, run, summary, width=300), rows)


def quantiles(run: Run, summary: Summary, workload: str) -> str:
    """Draw latency of successes by quantile, with every further nine as far apart as the last; empty without curves."""
    where = places(run, summary)
    cells = tuple(cell for cell in summary.cells if cell.workload == workload and cell.quantile_curve)
    if not cells:
        return ""
    unit = latency_unit(cells)
    rows: Rows = [
        {
            "label": where[cell.cell].label,
            "group": where[cell.cell].group,
            "nines": round(-math.log10(1 - quantile), 6),
            "latency": latency_s / unit.size,
        }
        for cell in cells
        for quantile, latency_s in cell.quantile_curve
        if quantile < 1 and latency_s > 0
    ]
    groups = list(dict.fromkeys(place.group for place in where.values() if place.group in {row["group"] for row in rows}))
    names = " : ".join(f"abs(datum.value - {at}) < 0.01 ? '{name}'" for at, name in _NINES.items())
    top = max(row["nines"] for row in rows) + 0.02
    latencies = [row["latency"] for row in rows]
    x = alt.X(
        "nines:Q",
        title="quantile",
        axis=alt.Axis(values=[at for at in _NINES if at <= top], labelExpr=f"{names} : ''", labelFlush=False, grid=True),
        scale=alt.Scale(domain=[0, top], nice=False),
    )
    y = alt.Y(
        "latency:Q",
        title=f"latency, {unit.name}",
        scale=alt.Scale(type="log", domain=[min(latencies), max(latencies)], nice=False),
    )
    legend = alt.Legend(title=None, orient="bottom", symbolType="stroke", symbolSize=400, symbolStrokeWidth=2.5, columns=6)
    line = (
        alt.Chart()
        .mark_line(strokeWidth=1.8)
        .encode(
            x=x,
            y=y,
            color=alt.Color("label:N", scale=_colours(run, summary), legend=legend),
            strokeDash=alt.StrokeDash("label:N", scale=_dashes(run, summary), legend=legend),
        )
        .properties(width=510 if len(groups) > 1 else 1040, height=220)
    )
    header = alt.Header(title=None, labelFontSize=12, labelFontWeight="bold", labelAnchor="start", labelColor=INK)
    faceted = line.facet(
        facet=alt.Facet("group:N", sort=groups, header=header), columns=2, data=alt.NamedData(name=NAMED_ROWS), spacing=36
    )
    return svg(faceted, rows)


def _trial_rows(
    run: Run, summary: Summary, cells: tuple[CellSummary, ...], chosen: Metric, unit_size: float
) -> tuple[Rows, Rows, Rows]:
    """Return the dots, the bars and, for cells without an estimate, the words that stand in their place."""
    by_name = {cell.cell: cell for cell in cells}
    dots, bars, gaps = [], [], []
    for name, place in places(run, summary).items():
        row = {"label": place.label, "group": place.group}
        cell = by_name.get(name)
        estimate = main_estimate(cell, chosen) if cell else None
        if cell is None or estimate is None:
            gaps.append(row | {"gap": missing_trials(cell)})
            continue
        dots += [row | {"value": value / unit_size} for value in trial_values(cell, chosen)]
        bounds = {"center": estimate.center, "low": estimate.low, "high": estimate.high}
        bars.append(row | {key: value / unit_size for key, value in bounds.items() if value is not None})
    return dots, bars, gaps


def having(field: str) -> alt.Chart:
    """Start a layer of only those rows that have `field`: all layers of a panel share one list of rows."""
    return alt.Chart().transform_filter(f"isValid(datum.{field})")


def _stacked(layers: list[alt.Chart], rows: Rows, run: Run, summary: Summary, width: float = 970) -> alt.FacetChart:
    """Lay `layers` over each other, one panel per group of cells, as high as the group has rows, on one shared x axis."""
    present = {row["group"] for row in rows}
    groups = list(dict.fromkeys(place.group for place in places(run, summary).values() if place.group in present))
    header = alt.Header(
        title=None, labelOrient="top", labelAnchor="start", labelFontSize=12, labelFontWeight="bold", labelColor=INK
    )
    less = _label_room(run, summary) - _MARGIN_LABELS
    layered = alt.layer(*layers).properties(width=max(width - less, width / 2), height=alt.Step(_ROW))
    faceted = layered.facet(row=alt.Row("group:N", sort=groups, header=header), data=alt.NamedData(name=NAMED_ROWS), spacing=14)
    resolved: alt.FacetChart = faceted.resolve_scale(y="independent")
    return resolved


def _cell_axis(run: Run, summary: Summary) -> alt.Y:
    order = list(dict.fromkeys(place.label for place in places(run, summary).values()))
    axis = alt.Axis(
        title=None, labelLimit=_label_room(run, summary), ticks=False, domain=False, grid=True, labelColor=INK, labelPadding=8
    )
    return alt.Y("label:N", sort=order, axis=axis)


def _label_room(run: Run, summary: Summary) -> float:
    longest = max((len(place.label) for place in places(run, summary).values()), default=0)
    return min(max(_MARGIN_LABELS, longest * _CHARACTER), _MOST_LABELS)


def _colours(run: Run, summary: Summary) -> alt.Scale:
    labels = list(dict.fromkeys(place.label for place in places(run, summary).values()))
    return alt.Scale(domain=labels, range=[PALETTE[i % len(PALETTE)] for i in range(len(labels))])


def _dashes(run: Run, summary: Summary) -> alt.Scale:
    """Return a dash pattern per label, so that lines stay apart once the colours repeat."""
    labels = list(dict.fromkeys(place.label for place in places(run, summary).values()))
    return alt.Scale(domain=labels, range=[DASHES[i // len(PALETTE) % len(DASHES)] for i in range(len(labels))])


def _spaced(ticks: list[float], domain: list[float]) -> list[float]:
    """Drop ticks that would touch their neighbour; 1 always stays."""
    least = math.log(domain[1] / domain[0]) / 9
    kept = [1.0]
    for tick in sorted(ticks, key=lambda tick: abs(math.log(tick))):
        if all(abs(math.log(tick / other)) >= least for other in kept):
            kept.append(tick)
    return sorted(kept)


def svg(chart: alt.FacetChart, rows: Rows) -> str:
    """Draw `chart` with `rows` as its data, in the style that all pictures share."""
    styled = chart.configure(font=FONT, background="white", aria=False, padding=4)  # the figure around it is described in HTML
    styled = styled.configure_view(stroke=None).configure_legend(labelColor=INK, labelFontSize=12)
    styled = styled.configure_axis(
        labelColor=QUIET,
        titleColor=QUIET,
        gridColor=GRID,
        domainColor=GRID,
        tickColor=GRID,
        labelFontSize=12,
        titleFontSize=12,
        titleFontWeight="normal",
    )
    spec = styled.to_dict(validate=False)  # its parts were checked when they were made
    drawn: str = vl_convert.vegalite_to_svg(
        spec | {"datasets": {NAMED_ROWS: rows}}
    )  # added last: altair copies data many times over
    return drawn
