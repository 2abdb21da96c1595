"""Matrix and plan → what the rented hosts cost, per hour and for the run, by the price tables. Pure.

A price that is not in the tables is named, and never counted as nothing: the sum then says "at least".
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench import host_words
from bench.billing import LEAST_BILLED_S, billed_s
from bench.errors import InputError
from bench.records import HostCost, HourPrice
from stacks import clouds, drivers, hosts, quantity
from stacks import disk as disks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from bench.records import Cell, GeneratorHost, Generators, Load, Target
    from stacks.cloud import HostRequest
    from stacks.matrix import Matrix
    from stacks.plan import Plan
    from stacks.prices import Figure, Prices

DEPLOY_S = 600.0
"""Assumed from the first VM that is paid for until the load begins. Not measured: no public cloud was at hand."""
TAKE_DOWN_S = 300.0
"""Assumed, as above."""
OVERHEAD_S = 4.0
"""Assumed for each trial beside warm-up and window. Measured were 0.2 to 0.5 s from the operator's own machine, 1.5 to 4 s with
load generators in emulated VMs."""

_HOURS_OF_A_MONTH = 730.0
"""As clouds reckon: 8760 / 12."""
_OLD_AFTER_DAYS = 365
_MIB = 1 << 20
_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Line:
    """Something that is paid for: `count` times `what` in a region, `per_hour` for all of them together, `run` for the run.

    `to_expiry` where the hosts stand until they end themselves. `as_of` is the day of its price, empty where nobody says.
    """

    cloud: str
    region: str
    count: int
    what: str
    per_hour: float
    run: float
    to_expiry: float
    currency: str
    as_of: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Sum:
    """What a cloud takes in a currency, per hour and for the run; `to_expiry` where hosts stand until they end themselves.

    `at_least`: something on that cloud has no price. `goes_on`: of a VM that ended itself something is still paid for.
    """

    cloud: str
    currency: str
    at_least: bool
    goes_on: bool
    per_hour: float
    run: float
    to_expiry: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the plan's rented hosts cost; empty where none is rented.

    `stands_s` is how long they are assumed to stand. `unknown` names, by cloud, what has no price, `not_counted` what is never
    reckoned, `old` the tables of more than a year ago, `assumed` what the sums rest on.
    """

    lines: tuple[Line, ...]
    sums: tuple[Sum, ...]
    stands_s: float
    unknown: Mapping[str, tuple[str, ...]]
    not_counted: tuple[str, ...]
    old: tuple[str, ...]
    assumed: tuple[str, ...]

    @property
    def rented(self) -> bool:
        """Whether anything is paid for."""
        return bool(self.lines or self.unknown)


@dataclass(frozen=True)
class _Item:
    """One thing of one host; equal ones of a region make a line. `name` is that of the price, `units` how many of it."""

    table: str
    name: str
    units: float
    what: str


def estimate(matrix: Matrix, plan: Plan, prices: Prices, day: date | None = None, *, dearest: bool = False) -> Cost:
    """What the plan costs by these prices on a day, today where none is given: prices of a year before are told to be old.

    `dearest`: each host is of the dearest type that it may become by `deploy.instead_of`.
    """
    today = day or datetime.now(UTC).date()
    counted = Counter(
        (cloud, request.region, item)
        for cloud, asked in _rented(plan.cells, matrix.load.generators)
        for request in (_dearest(matrix, cloud, asked, prices) if dearest else asked,)
        for item in _items(request, spot=_is_spot(matrix, cloud))
    )
    stands_s = DEPLOY_S + load_s(matrix.load, plan.cells) + TAKE_DOWN_S if counted else 0.0
    lines: list[Line] = []
    unknown: dict[str, tuple[str, ...]] = {}
    old: dict[str, None] = {}
    for (cloud, region, item), count in counted.items():
        figure = prices.find(cloud, item.table, region, item.name)
        if figure is None:
            unknown[cloud] = (*unknown.get(cloud, ()), f"{count} x {item.what} in {region}")
            continue
        lines.append(_line((cloud, region), count, item, figure, (stands_s, matrix.terms.lifetime_s)))
        if _is_old(figure, today):
            old[f"{cloud} of {figure.as_of}"] = None
    return Cost(
        lines=tuple(lines),
        sums=tuple(_sums(lines, unknown)),
        stands_s=stands_s,
        unknown=unknown,
        not_counted=_not_counted(matrix, plan.cells) if counted else (),
        old=tuple(old),
        assumed=_assumed(plan.cells, matrix.load) if counted else (),
    )


def load_s(load: Load, cells: Iterable[Cell]) -> float:
    """How long the load is planned to take. Trials of one machine or region follow one another, those of others run beside them.

    As `bench.lanes` has it: without load generators of their own all trials go through the operator's machine.
    """
    apart = Counter(
        f"{cell.cloud}/{cell.region}"
        if load.generators is not None and not clouds.load(cell.cloud).features.on_this_machine
        else "operator"
        for cell in cells
    )
    pass_s = sum(workload.warm_up_s + workload.duration_s + OVERHEAD_S for workload in load.workloads)
    return max(apart.values(), default=0) * load.blocks * pass_s


def insist_on_budget(matrix: Matrix, plan: Plan, prices: Prices, *, stays: bool = True) -> None:
    """Raises InputError where the plan may cost more than the matrix allows, or nobody knows whether it does.

    `stays`: the hosts are left standing, so that they are paid for until they end themselves; else for the planned run alone.
    """
    why, unpriced = _doubts(matrix, plan, prices, stays=stays)
    if why:
        less = "let the hosts end sooner (deploy.expires), plan fewer cells" if stays else "plan fewer cells or blocks"
        step = f"allow more (deploy.budget), {less}, or name prices in a file (--prices FILE): see cowbench plan"
        if unpriced:
            step = "is each name right? If so, name its price in a file (--prices FILE), or leave deploy.budget out"
        raise InputError(why, where=matrix.place("deploy"), next_step=step)


def insist_on_time(matrix: Matrix, cells: Iterable[Cell], left_s: float) -> None:
    """Raises InputError where rented hosts, which end in `left_s` seconds, would do so before their load is over.

    Whoever measures a VM that powers itself off would read failures of its server.
    """
    every = tuple(cells)
    rented = any(clouds.load(cell.cloud).features.needs_account for cell in every)
    needed_s = load_s(matrix.load, every)
    if rented and needed_s > left_s:
        raise InputError(
            f"the load takes about {_minutes(needed_s)}, and the hosts end in {_minutes(max(0.0, left_s))}",
            where=matrix.place("deploy"),
            next_step="raise deploy.expires (of a stack that stands: take it down first), or plan fewer cells or blocks",
        )


def over_budget(matrix: Matrix, plan: Plan, prices: Prices, *, stays: bool = True) -> str:
    """Why the plan may cost more than the matrix allows; empty where it does not, or where there is no budget.

    Of a host that may become another type (`deploy.instead_of`) the dearest one counts. `stays` as in `insist_on_budget`.
    """
    return _doubts(matrix, plan, prices, stays=stays)[0]


def _doubts(matrix: Matrix, plan: Plan, prices: Prices, *, stays: bool) -> tuple[str, bool]:
    """As `over_budget`, and whether a price is missing."""
    budget, currency = matrix.terms.budget, matrix.terms.currency
    if budget is None:
        return "", False
    cost = estimate(matrix, plan, prices, dearest=True)
    if not cost.rented:
        return "", False
    total, foreign = _in_currency(cost, currency, prices.rates, stays=stays)
    unknown = [*(f"{cloud} has no price of {', '.join(parts)}" for cloud, parts in cost.unknown.items()), *foreign]
    least = "at least " if unknown else ""
    known = f"{_judged(matrix, stays=stays)} {least}{_money(total, currency)}"
    if total > budget:
        return f"{known}, its budget is {_money(budget, currency)}", False
    if unknown:
        return f"{known}, and whether {_money(budget, currency)} is enough nobody knows: {'; '.join(unknown)}", bool(cost.unknown)
    return "", False


def of_hosts(
    targets: Iterable[Target], generators: Sequence[GeneratorHost], wanted: Generators | None, prices: Prices
) -> tuple[HostCost, ...]:
    """What each rented host that stands costs per hour, for `run.json`.

    Its disk is the one that it was deployed with, its type and whether it is a spot VM what was read back of it: a matrix may
    have changed since. `wanted` is what the load says of `generators`.
    """
    cells: dict[str, list[str]] = {}
    every = tuple(targets)
    for target in every:
        cells.setdefault(target.cell.host, []).append(target.cell.name)
    facts = {target.cell.host: target.host for target in every} | {each.name: each.host for each in generators}
    found = []
    for cloud, asked in _rented([target.cell for target in every], wanted if generators else None):
        if asked.name not in facts:
            continue
        made = facts[asked.name]
        request = replace(asked, instance_type=host_words.rented_type(made) or asked.instance_type)
        items = [
            (item, prices.find(cloud, item.table, request.region, item.name))
            for item in _items(request, spot=host_words.is_spot(made))
        ]
        found.append(_host_cost(cloud, request, tuple(cells.get(request.name, ())), items))
    return tuple(found)


def _host_cost(
    cloud: str, request: HostRequest, cells: tuple[str, ...], items: Sequence[tuple[_Item, Figure | None]]
) -> HostCost:
    currency = next((figure.currency for _, figure in items if figure), "")
    known = [(item, figure) for item, figure in items if figure and figure.currency == currency]
    prices = tuple(
        HourPrice(what=item.what, per_hour=_per_hour(figure, item), billing_step_s=figure.billing_step_s)
        for item, figure in known
    )
    return HostCost(
        host=request.name,
        cloud=cloud,
        region=request.region,
        instance_type=request.instance_type,
        cells=cells,
        per_hour=sum(price.per_hour for price in prices),
        currency=currency,
        unknown=tuple(item.what for item, figure in items if not figure or figure.currency != currency),
        as_of=min((str(figure.as_of) for _, figure in known if figure.as_of), default=""),
        prices=prices,
    )


def _judged(matrix: Matrix, *, stays: bool) -> str:
    """What the budget is held against, in words up to its amount."""
    dearest = " (with the dearest types of deploy.instead_of)" if matrix.terms.instead_of else ""
    if not stays:
        return f"the planned run{dearest} costs"
    return f"the stack{dearest}, left standing until its hosts end after {_minutes(matrix.terms.lifetime_s)}, costs"


def _minutes(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"


def _in_currency(cost: Cost, currency: str, rates: Mapping[str, float], *, stays: bool) -> tuple[float, tuple[str, ...]]:
    """What it costs in one currency, and the sums that no rate is known for. `stays` as in `insist_on_budget`."""
    told = _told(currency, rates)
    amounts = [(each, each.to_expiry if stays else each.run) for each in cost.sums]
    total = sum(amount * told[each.currency] for each, amount in amounts if each.currency in told)
    foreign = [(each, amount) for each, amount in amounts if each.currency not in told]
    cure = f"write it below [rates] in a file for --prices: {{}} = what one is in {currency}"
    return total, tuple(
        f"no rate of {one.currency} for {_money(amount, one.currency)} of {one.cloud} ({cure.format(one.currency)})"
        for one, amount in foreign
    )


def _told(currency: str, rates: Mapping[str, float]) -> dict[str, float]:
    """What one unit of each currency is in this one."""
    return {**rates, currency: 1.0}


def _money(amount: float, currency: str) -> str:
    digits = 2 if amount <= 0 or amount >= 1 else 2 - math.floor(math.log10(amount))
    return f"{amount:.{min(digits, 6)}f} {currency}"


def _rented(cells: Iterable[Cell], generators: Generators | None) -> Iterator[tuple[str, HostRequest]]:
    """Every host that an account is charged for, with its cloud."""
    charged = [cell for cell in cells if clouds.load(cell.cloud).features.needs_account]
    for cloud, requests in hosts.by_cloud("plan", charged, generators).items():
        yield from ((cloud, request) for request in requests)


def _dearest(matrix: Matrix, cloud: str, request: HostRequest, prices: Prices) -> HostRequest:
    """The host as the dearest type that it may become; one without a known price comes before all."""
    rates = _told(matrix.terms.currency, prices.rates)

    def price(kind: str) -> float:
        figure = prices.find(cloud, _vm_table(spot=_is_spot(matrix, cloud)), request.region, kind)
        return math.inf if figure is None or figure.currency not in rates else figure.amount * rates[figure.currency]

    types = (request.instance_type, *matrix.terms.instead_of.get(request.instance_type, ()))
    return replace(request, instance_type=max(types, key=price))


def _is_spot(matrix: Matrix, cloud: str) -> bool:
    return matrix.terms.spot and clouds.load(cloud).features.sells_spot


def _vm_table(*, spot: bool) -> str:
    return "spot_hour" if spot else "instance_hour"


def _items(request: HostRequest, *, spot: bool) -> Iterator[_Item]:
    """What is paid for one host: the VM, its data disks, its public address."""
    kind = request.instance_type
    yield _Item(_vm_table(spot=spot), kind, 1, f"{kind} spot" if spot else kind)
    yield _Item("address_hour", "", 1, "public address")
    disk = disks.read(request.disk)
    count = 2 if drivers.load(request.driver).wants_whole_disk else 1
    size = f"{disk.kind}-{quantity.size_text(disk.size_bytes)}"
    for _ in range(count):
        yield _Item("disk_gib_month", disk.kind, disk.size_bytes / _GIB, size)
        if disk.iops is not None:
            yield _Item("iops_month", disk.kind, disk.iops, f"{disk.iops} IOPS of {disk.kind}")
        if disk.bytes_per_s is not None:
            mib_per_s = disk.bytes_per_s // _MIB
            yield _Item("throughput_mib_month", disk.kind, mib_per_s, f"{mib_per_s} MiB/s of {disk.kind}")


def _per_hour(figure: Figure, item: _Item) -> float:
    price = max(0.0, item.units - figure.free) * figure.amount
    return price / _HOURS_OF_A_MONTH if item.table.endswith("_month") else price


def _line(place: tuple[str, str], count: int, item: _Item, figure: Figure, times_s: tuple[float, float]) -> Line:
    """`times_s` are those of the run and until the hosts end themselves."""
    per_hour = count * _per_hour(figure, item)
    run, to_expiry = (per_hour * billed_s(time_s, figure.billing_step_s) / 3600 for time_s in times_s)
    return Line(
        cloud=place[0],
        region=place[1],
        count=count,
        what=item.what,
        per_hour=per_hour,
        run=run,
        to_expiry=to_expiry,
        currency=figure.currency,
        as_of=str(figure.as_of or ""),
        source=figure.source,
    )


def _sums(lines: Iterable[Line], unknown: Mapping[str, object]) -> Iterator[Sum]:
    by: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        by.setdefault((line.cloud, line.currency), []).append(line)
    for (cloud, currency), mine in by.items():
        yield Sum(
            cloud=cloud,
            currency=currency,
            at_least=cloud in unknown,
            goes_on=not clouds.load(cloud).features.ends_vms,
            per_hour=sum(line.per_hour for line in mine),
            run=sum(line.run for line in mine),
            to_expiry=sum(line.to_expiry for line in mine),
        )


def _is_old(figure: Figure, today: date) -> bool:
    return figure.as_of is not None and (today - figure.as_of).days > _OLD_AFTER_DAYS


def _not_counted(matrix: Matrix, cells: Iterable[Cell]) -> tuple[str, ...]:
    load = "load goes over the network to this machine" if matrix.load.generators is None else "control traffic alone"
    router = ("the router of openstack",) if any(cell.cloud == "openstack" for cell in cells) else ()
    return (f"egress ({load})", "disks that the machine images boot from", *router, "taxes and discounts")


def _assumed(cells: Iterable[Cell], load: Load) -> tuple[str, ...]:
    minutes = [f"{seconds / 60:.0f} min" for seconds in (DEPLOY_S, load_s(load, cells), TAKE_DOWN_S)]
    stands = f"{minutes[0]} until the load begins, {minutes[1]} of load with {OVERHEAD_S:g} s for each trial beside its own time"
    billed = f"billed from {LEAST_BILLED_S:.0f} s on, by the second where the table says nothing else"
    return (f"{stands}, {minutes[2]} to take it down", f"{billed}; a month has {_HOURS_OF_A_MONTH:.0f} h")
