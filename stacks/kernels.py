"""A wish for a kernel → the machine image of a cloud that brings one.

The nearest to what was asked: for `>=6.8` the oldest kernel that is new enough, for `<5` the newest that is old enough, for `6.1`
the newest of that series. So a plan stays the same when a newer image appears, and the figures stay comparable. Images whose
kernel is known exactly come before those that clouds move on, then the cloud's own order decides.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.records import Cell
from stacks import axes, clouds, distributions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AXIS = "kernel"
"""As a matrix names it, in place of `machine_image`."""

_UNMET = "kernel "
"""What stands before a wish that no image of the cloud fulfils, in place of the image's name."""

_PART = re.compile(r"(>=|<=|==|>|<|) ?([0-9]{1,3}(?:\.[0-9]{1,5}){0,2})")
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A machine image and its kernel; with `at_least`, that one or a newer one."""

    machine_image: str
    kernel: str
    at_least: bool = False

    def __str__(self) -> str:
        """`debian-13 (6.12)`."""
        return f"{self.machine_image} ({self.kernel}{' or newer' if self.at_least else ''})"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a wish gives on a cloud: `offer` is None where no image of `offers` fulfils it."""

    cloud: str
    wish: str
    offer: Offer | None
    offers: tuple[Offer, ...]

    @property
    def machine_image(self) -> str:
        """The image's name, or the wish where there is none."""
        return self.offer.machine_image if self.offer else f"{_UNMET}{self.wish}"

    @property
    def reason(self) -> str:
        """Why the wish cannot be had, or empty."""
        if self.offer:
            return ""
        if not self.offers:
            return f"the kernels of {self.cloud} are not known before its VMs boot"
        return f"no machine image of {self.cloud} is sure to have a kernel {self.wish}; it has {', '.join(map(str, self.offers))}"


def wish(text: str) -> str:
    """The one spelling of a wish such as `>=6.8`, `5.10` or `>=5,<6`. Raises ValueError, with the reason, for what is none."""
    parts = [_PART.fullmatch(part.strip()) for part in text.split(",")]
    if None in parts or (len(parts) > 1 and any(part and not part[1] for part in parts)):
        raise ValueError("this is no kernel to ask for")
    return ",".join(f"{part[1] or ''}{part[2]}" for part in parts if part)


def choose(cloud: str, wish: str) -> Choice:
    """The machine image of the cloud for a wish in its one spelling."""
    offers = offered(cloud)
    fitting = [offer for offer in offers if _fulfils(offer, wish)]
    oldest_first = wish.startswith(">") or ",>" in wish
    exactly = [offer for offer in fitting if not offer.at_least] or fitting
    return Choice(cloud=cloud, wish=wish, offer=_nearest(exactly, oldest_first=oldest_first), offers=offers)


def offered(cloud: str) -> tuple[Offer, ...]:
    """The machine images of a cloud whose kernels are known, in the cloud's order. The local cloud has its own kernel alone."""
    member = clouds.load(cloud)
    found = []
    for image in member.axes.get("machine_image") or ():
        kernel = member.facts(_cell(cloud, image)).get("kernel")
        if kernel:
            found.append(Offer(machine_image=image, kernel=str(kernel)))
        elif floor := distributions.kernel_at_least(image):
            found.append(Offer(machine_image=image, kernel=floor, at_least=True))
    return tuple(found)


def is_unmet(machine_image: str) -> bool:
    """Whether this stands for a wish that no image fulfils."""
    return machine_image.startswith(_UNMET)


def _cell(cloud: str, machine_image: str) -> Cell:
    fields: dict[str, Any] = axes.filled({"cloud": cloud, "machine_image": machine_image}, "")
    return Cell(name="", host="", **fields)


def _fulfils(offer: Offer, wish: str) -> bool:
    """Of a kernel that may be newer only what holds for every newer one is sure."""
    if offer.at_least and not all(part.startswith(">") for part in wish.split(",")):
        return False
    return all(_holds(offer.kernel, part) for part in wish.split(","))


def _holds(kernel: str, part: str) -> bool:
    """To as many numbers as the wish has: 6.1.94 is a 6.1, and it is not newer than 6.1."""
    match = _PART.fullmatch(part)
    assert match is not None  # it was read by `wish`
    bound = tuple(int(number) for number in match[2].split("."))
    mine = (*_numbers(kernel), 0, 0)[: len(bound)]
    return _COMPARED[match[1] or "=="](mine, bound)


def _nearest(offers: Sequence[Offer], *, oldest_first: bool) -> Offer | None:
    if not offers:
        return None
    kernels = [_numbers(offer.kernel) for offer in offers]
    wanted = min(kernels) if oldest_first else max(kernels)
    return offers[kernels.index(wanted)]


def _numbers(kernel: str) -> tuple[int, ...]:
    """The release's numbers without trailing zeros, so that 5.14 and 5.14.0 are alike."""
    found = re.match(r"[0-9]+(?:\.[0-9]+)*", kernel)
    numbers = [int(number) for number in found.group().split(".")] if found else [0]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
