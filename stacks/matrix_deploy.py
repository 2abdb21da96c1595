"""The `deploy:` part of a matrix file → `Terms`: whose rented hosts are, for how long and how much, and who reaches them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stacks import clouds, labels
from stacks.terms import DEADLINE_S, LIFETIME_S, Terms

if TYPE_CHECKING:
    from stacks.value import Value

KEYS = ("owner", "expires", "operator", "budget", "spot", "zones", "instead_of", "deadline")

_SHORTEST_LIFE_S = 600.0
_LONGEST_LIFE_S = 14 * 86400.0
_SHORTEST_DEADLINE_S = 60.0
_LONGEST_DEADLINE_S = 6 * 3600.0
_WIDEST_PREFIX = {4: 8, 6: 16}
"""A wider network is no operator's: it is a good part of the world."""

_BUDGET = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,4})?) ?([A-Z]{3})")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def read(value: Value, clouds_used: tuple[str, ...]) -> Terms:
    """What the file asks of clouds with an account; `clouds_used` are those of the matrix. Raises InputError."""
    fields = value.mapping(optional=KEYS)
    budget, currency = _budget(fields["budget"]) if "budget" in fields else (None, "")
    return Terms(
        owner=_owner(fields["owner"]) if "owner" in fields else "",
        lifetime_s=int(_duration_s(fields, "expires", _SHORTEST_LIFE_S, _LONGEST_LIFE_S, LIFETIME_S)),
        operator=_operator(fields["operator"]) if "operator" in fields else "",
        budget=budget,
        currency=currency,
        spot=_spot(fields["spot"], clouds_used) if "spot" in fields else False,
        zones=_named_lists(fields["zones"], "a region, or cloud/region") if "zones" in fields else {},
        instead_of=_named_lists(fields["instead_of"], "an instance type") if "instead_of" in fields else {},
        deadline_s=int(_duration_s(fields, "deadline", _SHORTEST_DEADLINE_S, _LONGEST_DEADLINE_S, DEADLINE_S)),
    )


def _duration_s(fields: Mapping[str, Value], key: str, low: float, high: float, otherwise: float) -> float:
    return fields[key].duration_s(low, high) if key in fields else otherwise


def _owner(value: Value) -> str:
    if not labels.word(value.text()):
        raise value.error(f"{value.text()[:60]!r} cannot stand in a label", "write a name or an address with letters in it")
    return value.text()


def _operator(value: Value) -> str:
    """A network in its one spelling, narrow enough to be an operator's."""
    step = "write your own address, as in 203.0.113.7/32, or leave the key out: it is then found"
    try:
        network = ipaddress.ip_network(value.text(), strict=False)
    except ValueError:
        raise value.error(f"{value.text()[:60]!r} is no address or network", step) from None
    if network.prefixlen < _WIDEST_PREFIX[network.version]:
        raise value.error(f"{network} would open SSH to a good part of the world", step)
    return str(network)


def _budget(value: Value) -> tuple[float, str]:
    match = _BUDGET.fullmatch(value.text())
    if match is None or float(match[1]) == 0:
        raise value.error(f"{value.text()[:60]!r} is no budget", "write an amount and a currency of three letters, as in 20 USD")
    return float(match[1]), match[2]


def _spot(value: Value, clouds_used: tuple[str, ...]) -> bool:
    wanted = value.flag()
    if wanted and not any(clouds.load(cloud).features.sells_spot for cloud in clouds_used):
        what = f"none of the clouds sells VMs that it may take back: {', '.join(clouds_used)}"
        raise value.error(what, "leave the key out, or name a cloud that does")
    return wanted


def _named_lists(value: Value, named: str) -> dict[str, tuple[str, ...]]:
    """Lists of words by a word of any kind: zones by region, types by type."""
    if not isinstance(value.content, Mapping):
        raise value.error("a list for each name is meant here", f"write {{{named}: [first, second]}}")
    found = {}
    for key, listed in value.content.items():
        if not all(_WORD.fullmatch(part) for part in key.split("/")):
            raise listed.error(f"{key[:60]!r} is not {named}", f"write {named}, a colon, and a list")
        found[key] = tuple(_word(item) for item in listed.items())
    return found


def _word(value: Value) -> str:
    if not _WORD.fullmatch(value.text()):
        raise value.error(f"{value.text()[:60]!r} is no name that a cloud uses", "use letters, digits, dots and dashes")
    return value.text()
