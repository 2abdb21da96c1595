"""Numbers as a person reads them: one unit per column, no more digits than the interval carries, never a zero for a gap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.records import Estimate

MISSING = "-"
_MOST_DIGITS = 4
_DIGITS_WITHOUT_INTERVAL = 3
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit to print in; a value in base units is divided by `size`."""

    name: str
    size: float


PLAIN = Unit(name="", size=1.0)
PERCENT = Unit(name="%", size=0.01)


def rate_unit(values: Iterable[float]) -> Unit:
    """Return the binary unit (MiB is 2^20 bytes) in which most of these bytes per second lie between 1 and 1024."""
    return _per_second(_binary_power(_middle(values)))


def time_unit(values: Iterable[float]) -> Unit:
    """Return s, ms or µs for latencies in seconds; ms unless the middle one is far from it."""
    middle = _middle(values)
    if middle >= 10:  # noqa: PLR2004  (from ten seconds on, milliseconds only add zeros)
        return Unit(name="s", size=1.0)
    if 0 < middle < 1e-4:  # noqa: PLR2004  (below 0.1 ms)
        return Unit(name="µs", size=1e-6)
    return Unit(name="ms", size=1e-3)


def decimals(estimate: Estimate, unit: Unit = PLAIN) -> int:
    """Return the decimal places that the interval justifies; negative ones round to tens, hundreds, ...

    Half the interval's width keeps one digit, two when it begins with 1 or 2 (as the Particle Data Group rounds errors).
    """
    center = abs(estimate.center) / unit.size
    leading = math.floor(math.log10(center)) if center else 0
    if estimate.low is None or estimate.high is None or estimate.high <= estimate.low:
        return _DIGITS_WITHOUT_INTERVAL - 1 - leading
    half = (estimate.high - estimate.low) / 2 / unit.size
    power = math.floor(math.log10(half))
    wanted = -power + (1 if half / 10**power < 3 else 0)  # noqa: PLR2004  (see the rule above)
    return min(wanted, max(0, _MOST_DIGITS - 1 - leading))


def number(value: float, places: int) -> str:
    """Print `value` rounded to `places`; from ten thousand on digits stand in groups of three."""
    rounded = round(value, places)
    text = f"{rounded:,.{max(places, 0)}f}"
    return text.replace(",", "\u202f" if abs(rounded) >= 10_000 else "")  # noqa: PLR2004  (1234 reads well ungrouped)


def center_and_interval(estimate: Estimate, unit: Unit = PLAIN) -> tuple[str, str]:
    """Return the centre and the bounds as text with equal decimals; the bounds are empty when there are none."""
    places = decimals(estimate, unit)
    center = number(estimate.center / unit.size, places)
    if estimate.low is None or estimate.high is None:
        return center, ""
    return center, f"{number(estimate.low / unit.size, places)}\u2013{number(estimate.high / unit.size, places)}"


def ratio(estimate: Estimate) -> tuple[str, str]:
    """Return a ratio like "1.40" with a times sign and its bounds, with two decimals so that columns align.

    A wide interval leaves one decimal, a narrow one asks for more. A bound that is not 1 is never printed as 1, lest it
    contradict the verdict.
    """
    places = min(max(1, decimals(estimate)), 2)
    bounds = [bound for bound in (estimate.low, estimate.high) if bound is not None]
    while places < _MOST_DIGITS and (
        any(bound != 1 and round(bound, places) == 1 for bound in bounds)
        or (len({round(bound, places) for bound in bounds}) < len(set(bounds)))
    ):
        places += 1
    interval = "\u2013".join(number(bound, places) for bound in bounds)
    return f"{number(estimate.center, places)}\u00d7", interval


def count(value: int) -> str:
    """Print a whole number."""
    return number(value, 0)


def share(part: int, whole: int) -> str:
    """Print part/whole as a percentage of two digits; "0 %" only when it is zero, and a gap when there is no whole."""
    if whole == 0:
        return MISSING
    percent = 100 * part / whole
    places = 0 if percent == 0 else max(0, 1 - math.floor(math.log10(percent)))
    return f"{number(percent, places)} %"


def size(size_bytes: int) -> str:
    """Print bytes exactly where a binary prefix divides them ("256 KiB"), else with three digits."""
    power = _binary_power(size_bytes)
    value = size_bytes / 1024**power
    return f"{value:.0f} {_BINARY[power]}" if value == int(value) else f"{value:.3g} {_BINARY[power]}"


def money(amount: float, currency: str) -> str:
    """Print an amount with two decimals, and with three digits of what is below one: "0.202 USD"."""
    digits = 2 if amount <= 0 or amount >= 1 else 2 - math.floor(math.log10(amount))
    return f"{number(amount, min(digits, 6))} {currency}"


def duration(seconds: float) -> str:
    """Print a length of time as "45 s", "12 min 5 s" or "1 h 20 min"."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004  (seconds in a minute)
        return f"{seconds:.3g} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _middle(values: Iterable[float]) -> float:
    ordered = sorted(value for value in values if value > 0)
    return ordered[len(ordered) // 2] if ordered else 0.0


def _binary_power(value: float) -> int:
    return 0 if value < 1 else min(int(math.log2(value) // 10), len(_BINARY) - 1)


def _per_second(power: int) -> Unit:
    return Unit(name=f"{_BINARY[power]}/s", size=1024.0**power)
