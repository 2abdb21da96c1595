"""The `deploy:` part of a matrix file → `Terms`: whose rented hosts are, for how long and how much, and who reaches them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from stacks import clouds, labels, policy
from stacks.terms import DEADLINE_S, LIFETIME_S, Terms

if TYPE_CHECKING:
    from collections.abc import Collection

    from stacks.value import Value

KEYS = ("owner", "expires", "operator", "budget", "spot", "zones", "instead_of", "deadline")

_SHORTEST_LIFE_S = 600.0
_LONGEST_LIFE_S = 14 * 86400.0
_SHORTEST_DEADLINE_S = 60.0
_LONGEST_DEADLINE_S = 6 * 3600.0
_BUDGET = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,4})?) ?([A-Z]{3})")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def read(value: Value, used: Mapping[str, Collection[str]]) -> Terms:
    """What the file asks of clouds with an account; `used` has the regions of the matrix by cloud. Raises InputError."""
    fields = value.mapping(optional=KEYS)
    budget, currency = _budget(fields["budget"]) if "budget" in fields else (None, "")
    return Terms(
        owner=_owner(fields["owner"]) if "owner" in fields else "",
        lifetime_s=int(_duration_s(fields, "expires", _SHORTEST_LIFE_S, _LONGEST_LIFE_S, LIFETIME_S)),
        operator=_operator(fields["operator"], used) if "operator" in fields else "",
        budget=budget,
        currency=currency,
        spot=_spot(fields["spot"], tuple(used)) if "spot" in fields else False,
        zones=_zones(fields["zones"], used) if "zones" in fields else {},
        instead_of=_named_lists(fields["instead_of"], "an instance type") if "instead_of" in fields else {},
        deadline_s=int(_duration_s(fields, "deadline", _SHORTEST_DEADLINE_S, _LONGEST_DEADLINE_S, DEADLINE_S)),
    )


def _duration_s(fields: Mapping[str, Value], key: str, low: float, high: float, otherwise: float) -> float:
    return fields[key].duration_s(low, high) if key in fields else otherwise


def _owner(value: Value) -> str:
    if not labels.word(value.text()):
        raise value.error(f"{value.text()[:60]!r} cannot stand in a label", "write a name or an address with letters in it")
    return value.text()


def _operator(value: Value, used: Collection[str]) -> str:
    """A network in its one spelling, narrow enough to be an operator's, and one that hosts of the clouds used can hear of."""
    step = "write your own address, as in 203.0.113.7/32, or leave the key out: it is then found"
    try:
        network = ipaddress.ip_network(value.text(), strict=False)
    except ValueError:
        raise value.error(f"{value.text()[:60]!r} is no address or network", step) from None
    if network.version != 4:  # noqa: PLR2004 - the other one is 6
        raise value.error(f"{network} is of IPv6, and hosts are reached by IPv4 alone", step)
    if policy.is_the_world(network):
        widest = f"a company's network is a /{policy.WIDEST_PREFIX} at most"
        raise value.error(f"{network} would open SSH to a good part of the world: {widest}", step)
    if policy.is_private(network) and (public := _in_the_internet(used)):
        what = f"{network} is a private network, and hosts of {', '.join(public)} are reached over the internet"
        raise value.error(f"{what}: nobody would get in", step)
    return str(network)


def _in_the_internet(used: Iterable[str]) -> tuple[str, ...]:
    """Those of the clouds whose hosts are reached over it."""
    features = {cloud: clouds.load(cloud).features for cloud in used}
    return tuple(cloud for cloud, each in features.items() if each.needs_account and each.public_addresses)


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


def _zones(value: Value, used: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    """Each key is a place of the matrix: a list for another one would be meant for it, and tell nobody that it is not."""
    found = _named_lists(value, "a region, or cloud/region")
    known = dict.fromkeys(name for cloud, regions in used.items() for each in regions for name in (each, f"{cloud}/{each}"))
    for key in found:
        if key not in known:
            raise value.error(f"{key[:60]!r} is no region of this matrix", f"write one of {', '.join(known)}")
    return found


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
