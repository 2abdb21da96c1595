"""What the rented hosts of a run cost: while they stood, per TB and per million ops. Empty where nothing is paid for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from bench.billing import billed_s
from bench.records import Estimate, HourPrice
from bench.report import numbers, phrases
from bench.report.labels import places, workloads
from bench.report.table import Entry, Group, Head, Table, plain
from bench.report.tables import estimate_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.records import CellSummary, HostCost, Run, Summary

TB_BYTES = 10**12
MILLION = 10**6
AT_ITS_RATE = (
    "What a TB (10^12 bytes) and a million ops cost on the cell's own host while it serves them: the host's price by the hour"
    " divided by the rate, load generators not counted."
)
_NOT_COUNTED = "egress, disks that the machine images boot from, time after the last check, taxes, discounts"


def facts(run: Run, summary: Summary) -> dict[str, str]:
    """Return what the run cost as a whole, and what that is made of; empty where no host is paid for."""
    if not run.costs and not run.not_counted:
        return {}
    unknown = dict.fromkeys(f"{part} ({one.cloud})" for one in run.costs for part in one.unknown)
    dates = sorted({one.as_of for one in run.costs if one.as_of})
    return {
        "hosts that are paid for": numbers.count(len(run.costs)),
        "they stood": _stood(run),
        "cost per hour": _money(_per_hour(run.costs), at_least=bool(unknown)),
        **_totals(run, summary, at_least=bool(unknown)),
        **_steps(run.costs),
        **({"without a price": ", ".join(unknown)} if unknown else {}),
        "prices as of": " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "no date given",
        "not counted": ", ".join((*run.not_counted, _NOT_COUNTED)),
    }


def stood_s(run: Run) -> float | None:
    """Return the seconds that the hosts stood, as far as is known: None for a run that has not ended."""
    if not run.ended_at:
        return None
    ended, since = (datetime.fromisoformat(at) for at in (run.ended_at, run.stood_since or run.created_at))
    return max(0.0, (ended - since).total_seconds())


def by_host(run: Run) -> Table | None:
    """What each host costs, those that load came from included; None where none is paid for."""
    if not run.costs:
        return None
    seconds = stood_s(run)
    heads = (
        Head(text="host", numeric=False),
        Head(text="where", numeric=False),
        Head(text="type", numeric=False),
        Head(text="cells"),
        Head(text="per hour"),
        Head(text="this run"),
    )
    rows = tuple(
        (
            Entry(text=one.host, tone="name"),
            plain(f"{one.cloud} {one.region}"),
            plain(one.instance_type),
            plain(numbers.count(len(one.cells)) if one.cells else "load"),
            _amount(one, one.per_hour),
            _amount(one, None if seconds is None else _cost_of(one, seconds)),
        )
        for one in run.costs
    )
    return Table(heads=heads, groups=(Group(title="", rows=rows),))


def at_its_rate(run: Run, summary: Summary) -> Table | None:
    """What a TB and a million ops cost on each cell's host while it serves them, by workload; None where nothing is paid for.

    A rate with its interval becomes a cost with its interval: the host's price by the hour, divided by it.
    """
    if not any(one.cells for one in run.costs):
        return None
    heads = (
        Head(text="cell", numeric=False),
        Head(text="per TB"),
        Head(text="per million ops"),
    )
    return Table(heads=heads, groups=tuple(_priced(run, summary)))


def priced(run: Run, summary: Summary) -> Iterator[tuple[CellSummary, str, str, Estimate]]:
    """Each cell's costs at its rate: its summary, `cost_per_tb` or `cost_per_million_ops`, the currency, the amount.

    Only where the whole price of its host is known: a lower bound is no figure to compare with.
    """
    hosts = _by_cell(run)
    for cell in summary.cells:
        host = hosts.get(cell.cell)
        if host is None or host.unknown:
            continue
        for name, estimate in _costs(host, cell).items():
            if estimate is not None:
                yield cell, name, host.currency, estimate


def _priced(run: Run, summary: Summary) -> Iterator[Group]:
    hosts, where = _by_cell(run), places(run, summary)
    for workload in workloads(run, summary):
        cells = {cell.cell: cell for cell in summary.cells if cell.workload == workload and cell.cell in hosts}
        for currency in dict.fromkeys(hosts[name].currency for name in cells):
            rows = tuple(
                _row(place.full, hosts[name], cells[name])
                for name, place in where.items()
                if name in cells and hosts[name].currency == currency
            )
            yield Group(title=", ".join(filter(None, (workload, currency))), rows=rows)


def _row(name: str, host: HostCost, cell: CellSummary) -> tuple[Entry, ...]:
    if host.unknown:
        nothing = Entry(text=numbers.MISSING, note=f"no price known for {phrases.join(host.unknown)}")
        return (Entry(text=name, tone="name"), nothing, nothing)
    costs, gap = _costs(host, cell), phrases.missing_trials(cell)
    still = "no object bytes move" if cell.ops_per_s else gap
    return (
        Entry(text=name, tone="name"),
        estimate_entry(costs["cost_per_tb"], numbers.PLAIN, still),
        estimate_entry(costs["cost_per_million_ops"], numbers.PLAIN, gap),
    )


def _costs(host: HostCost, cell: CellSummary) -> dict[str, Estimate | None]:
    per_s = host.per_hour / 3600
    return {
        "cost_per_tb": _inverse(per_s * TB_BYTES, cell.throughput_bytes_per_s),
        "cost_per_million_ops": _inverse(per_s * MILLION, cell.ops_per_s),
    }


def _inverse(per_s: float, rate: Estimate | None) -> Estimate | None:
    """What one unit costs at a rate of units per second; the fastest is the cheapest, so bounds change places."""
    if rate is None or rate.center <= 0:
        return None
    low, high = (per_s / bound if bound and bound > 0 else None for bound in (rate.high, rate.low))
    bounded = low is not None and high is not None
    return Estimate(
        center=per_s / rate.center,
        low=low if bounded else None,
        high=high if bounded else None,
        confidence=rate.confidence,
        n=rate.n,
    )


def _by_cell(run: Run) -> dict[str, HostCost]:
    return {cell: one for one in run.costs for cell in one.cells}


def _per_hour(costs: Iterable[HostCost]) -> dict[str, float]:
    """The sum of all hosts by currency; a host without any price has none."""
    found: dict[str, float] = {}
    for one in costs:
        if one.currency:
            found[one.currency] = found.get(one.currency, 0.0) + one.per_hour
    return found


def _cost_of(one: HostCost, seconds: float) -> float:
    """What a host costs that stood so long: each of its parts is billed in steps of its own."""
    prices = one.prices or (HourPrice(what="", per_hour=one.per_hour),)
    return sum(price.per_hour * billed_s(seconds, price.billing_step_s) / 3600 for price in prices)


def _steps(costs: Iterable[HostCost]) -> dict[str, str]:
    """In which steps time is billed, where it is not by the second: without them the sum would look wrong."""
    steps = sorted({price.billing_step_s for one in costs for price in one.prices if price.billing_step_s > 1})
    if not steps:
        return {}
    told = phrases.join([numbers.duration(step) for step in steps])
    return {"time is billed": f"in steps of {told} where the price list says so"}


def _totals(run: Run, summary: Summary, *, at_least: bool) -> dict[str, str]:
    """The whole run: everything that stood, divided by everything that it did in the windows of sound trials."""
    seconds = stood_s(run)
    if seconds is None:
        return {"cost of the run": "not known: the run has not ended"}
    total: dict[str, float] = {}
    for one in run.costs:
        if one.currency:
            total[one.currency] = total.get(one.currency, 0.0) + _cost_of(one, seconds)
    told = {"cost of the run": _money(total, at_least=at_least)}
    paid, durations = _by_cell(run), {one.name: one.duration_s for one in run.load.workloads}
    mine = [cell for cell in summary.cells if cell.cell in paid]
    moved = sum(sum(cell.trial_throughput_bytes_per_s) * durations.get(cell.workload, 0.0) for cell in mine)
    ops = sum(cell.ops - cell.failed_ops for cell in mine)
    for what, amount in (("per TB moved", moved / TB_BYTES), ("per million ops", ops / MILLION)):
        shares = {currency: cost / amount for currency, cost in total.items()} if amount else {}
        told[f"that is, {what}"] = _money(shares, at_least=at_least) if amount else "nothing was measured"
    return told


def _stood(run: Run) -> str:
    seconds = stood_s(run)
    if seconds is None:
        return "still, or the run was cut short"
    if run.stood_since:
        return f"{numbers.duration(seconds)}, from deployment to the last check"
    return f"at least {numbers.duration(seconds)}, the length of the run: when they were deployed was not noted"


def _amount(one: HostCost, amount: float | None) -> Entry:
    if amount is None or not one.currency:
        return Entry(text=numbers.MISSING, note="the run has not ended" if one.currency else "no price is known")
    note = f"at least: no price known for {phrases.join(one.unknown)}" if one.unknown else ""
    return Entry(text=numbers.money(amount, one.currency), note=note)


def _money(amounts: dict[str, float], *, at_least: bool) -> str:
    if not amounts:
        return "not known"
    said = phrases.join([numbers.money(amount, currency) for currency, amount in amounts.items()])
    return f"at least {said}" if at_least else said
