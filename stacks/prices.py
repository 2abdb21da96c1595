"""What clouds charge, as dated tables: `stacks/prices/<cloud>.toml`, and a user's own file that wins figure by figure.

A table holds what its source says; what it does not hold is unknown, never nothing and never a guess.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import InputError
from stacks import clouds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(__file__).parent / "prices"

BY_NAME = ("instance_hour", "spot_hour", "disk_gib_month", "iops_month", "throughput_mib_month")
"""Tables by region and by name, of an instance type or a kind of disk. The last two are for what is provisioned."""
BY_REGION = ("address_hour", "egress_gib")
EVERYWHERE = ""
"""As a region: what holds in all that have no figure of their own."""

_HEAD = ("as_of", "source", "currency", "billing_step_s")
_RATES = "rates"
_TABLE = "[aws.instance_hour.eu-central-1]"
_FORM = f"the cloud's name before each table, as in {_TABLE}, and as_of and the like below [aws]"
"""For who wrote a file like ours, which are of one cloud each."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A price: `amount` of `currency` for one unit beyond the first `free` ones.

    `as_of` is the day that it was so, None where a user's own file does not say. Time is billed in steps of `billing_step_s`.
    """

    amount: float
    currency: str
    as_of: date | None
    source: str
    free: float = 0.0
    billing_step_s: int = 1


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Every figure by cloud, table, region and name (empty in the tables `BY_REGION`), and those of a user's `own` file.

    `rates` tell what one unit of a currency is in that of a budget.
    """

    figures: Mapping[tuple[str, str, str, str], Figure] = field(default_factory=dict)
    own: Mapping[tuple[str, str, str, str], Figure] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)

    def find(self, cloud: str, table: str, region: str, name: str = "") -> Figure | None:
        """The figure of the region, else the one for everywhere, first the user's own; else None: nobody knows."""
        places = [(tables, place) for tables in (self.own, self.figures) for place in (region, EVERYWHERE)]
        found = (tables.get((cloud, table, place, name)) for tables, place in places)
        return next((figure for figure in found if figure), None)


def read(own: Path | None = None) -> Prices:
    """The tables that come along, and over them those of a user's own file. Raises InputError with the place of what is wrong.

    The user's file has the tables of each cloud below the cloud's name; a currency and a billing step that its head leaves out
    are taken from ours. `[rates]` beside them tells what one unit of a currency is in that of the budget.
    """
    figures: dict[tuple[str, str, str, str], Figure] = {}
    heads: dict[str, Mapping[str, Any]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        tables = _toml(path)
        heads[path.stem] = _head(tables, {}, str(path))
        figures.update(_figures(path.stem, tables, heads[path.stem], str(path)))
    if own is None:
        return Prices(figures=figures)
    stated = _toml(own)
    rates = _rates(stated.pop(_RATES, {}), str(own))
    mine: dict[tuple[str, str, str, str], Figure] = {}
    for cloud, tables in stated.items():
        where = f"{own}: {cloud}"
        known = (_FORM,) if cloud in (*_HEAD, *BY_NAME, *BY_REGION) else clouds.CLOUDS
        _insist(cloud in clouds.CLOUDS and isinstance(tables, dict), where, f"no table of a cloud: {cloud}", cloud, known)
        ours = {key: heads.get(cloud, {}).get(key) for key in ("currency", "billing_step_s")}
        head = _head(tables, {**ours, "source": str(own)}, where)
        mine.update(_figures(cloud, tables, head, where))
    return Prices(figures=figures, own=mine, rates=rates)


def _head(tables: Mapping[str, Any], otherwise: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """What stands above the tables, each value as it must be."""
    head = {key: tables.get(key, otherwise.get(key)) for key in _HEAD}
    step = head["billing_step_s"] or 1
    currency = str(head["currency"])
    _insist(currency.isalpha() and len(currency) == 3, where, "its currency is missing", "", ('currency = "USD"',))  # noqa: PLR2004 - ISO 4217
    _insist(isinstance(step, int) and step > 0, where, f"billing_step_s is {step!r}", "", ("whole seconds, as in 3600",))
    return {**head, "billing_step_s": step, "as_of": _day(head["as_of"], where), "source": str(head["source"] or "")}


def _day(value: object, where: str) -> date | None:
    try:
        return None if value is None else date.fromisoformat(str(value))
    except ValueError:
        raise InputError(f"as_of is {value!r}", where=where, next_step='write a day, as in as_of = "2026-01-31"') from None


def _figures(
    cloud: str, tables: Mapping[str, Any], head: Mapping[str, Any], where: str
) -> Iterator[tuple[tuple[str, str, str, str], Figure]]:
    for table, regions in tables.items():
        if table in _HEAD:
            continue
        known = table in (*BY_NAME, *BY_REGION) and isinstance(regions, dict)
        _insist(known, where, f"no table of prices: {table}", table, (*BY_NAME, *BY_REGION))
        for region, named in regions.items():
            place = f"{where}: {table}.{region}"
            _insist(table in BY_REGION or isinstance(named, dict), place, "a table by name is meant", "", ("name = price",))
            for name, stated in ({"": named} if table in BY_REGION else named).items():
                yield (cloud, table, region, name), _figure(stated, head, f"{place}.{name}".rstrip("."))


def _figure(stated: object, head: Mapping[str, Any], where: str) -> Figure:
    """A number, or `{price = number, free = number}`."""
    values = stated if isinstance(stated, dict) else {"price": stated}
    forms = ("a number", "{price = 1, free = 0}", 'a name with a dot in quotes, as in "m7i.large" = 0.12')
    _insist(set(values) <= {"price", "free"} and "price" in values, where, "no price", "", forms)
    return Figure(
        amount=_amount(values["price"], where),
        free=_amount(values.get("free", 0), where),
        currency=str(head["currency"]),
        as_of=head["as_of"],
        source=str(head["source"]),
        billing_step_s=int(head["billing_step_s"]),
    )


def _rates(stated: object, where: str) -> dict[str, float]:
    _insist(isinstance(stated, dict), f"{where}: {_RATES}", "a table of currencies is meant", "", ("EUR = 1.08",))
    assert isinstance(stated, dict)  # as was just insisted on
    return {currency: _amount(rate, f"{where}: {_RATES}.{currency}") for currency, rate in stated.items()}


def _amount(value: object, where: str) -> float:
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    _insist(fine, where, f"{value!r} is no price", "", ("a number from 0 on, without quotes",))
    assert isinstance(value, int | float)  # as was just insisted on
    return float(value)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), next_step="check the path of --prices") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        step = f'write it as in {_TABLE}, and below it "m7i.large" = 0.12'
        raise InputError(f"not TOML: {error}", where=str(path), next_step=step) from None


def _insist(fine: bool, where: str, what: str, written: str, known: tuple[str, ...]) -> None:  # noqa: FBT001 - what must hold
    if not fine:
        near = get_close_matches(written, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(what, where=where, next_step=f"{hint}write {' or '.join(known)}")
