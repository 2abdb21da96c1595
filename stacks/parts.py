"""The parts of a stack: a Pulumi stack of its own for every cloud with an account, and one for all that stands on this machine.

So clouds go up side by side, and one that fails takes nothing from the others. A stack on one cloud is its own only part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stacks import clouds, state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.records import Cell

_MARK = "."
"""Between a stack's name and its cloud's: no stack that a person names has one."""

SETTLED_FILE = "settled.json"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some cells of a stack. `name` is the Pulumi stack's; `cloud` is empty for a whole stack and for what stands here."""

    name: str
    cloud: str
    cells: tuple[Cell, ...]


def split(stack: str, cells: Iterable[Cell]) -> tuple[Part, ...]:
    """The parts that the cells make, those on this machine first. A stack keeps the form that it was first made in."""
    every = tuple(cells)
    groups: dict[str, list[Cell]] = {}
    for cell in sorted(every, key=lambda cell: clouds.load(cell.cloud).features.needs_account):
        groups.setdefault(cell.cloud if clouds.load(cell.cloud).features.needs_account else "", []).append(cell)
    made_whole = (state.stack_dir(stack) / SETTLED_FILE).exists()
    made_of_parts = any(name != stack for name in names(stack))
    if made_whole or (len(groups) == 1 and not made_of_parts):
        return (Part(name=stack, cloud="", cells=every),)
    return tuple(Part(name=_name(stack, cloud), cloud=cloud, cells=tuple(members)) for cloud, members in groups.items())


def cells_of(name: str, cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The cells that the Pulumi stack of that name is made of, by its name alone: all of them where it names no cloud."""
    return tuple(cell for cell in cells if cloud_of(name) in {"", cell.cloud})


def names(stack: str) -> tuple[str, ...]:
    """Every part of the stack that anything is kept of here."""
    return tuple(name for name in possible_names(stack) if _is_kept(name))


def possible_names(stack: str) -> tuple[str, ...]:
    """Every part that the stack may have, the whole first."""
    return (stack, *(_name(stack, cloud) for cloud in clouds.CLOUDS))


def stack_of(part: str) -> str:
    """The stack that a part belongs to; a stack that is its own only part is itself."""
    return part.partition(_MARK)[0]


def cloud_of(part: str) -> str:
    """The cloud that a part is for; empty for a whole stack and for what stands on this machine."""
    return part.partition(_MARK)[2]


def name_for(stack: str, cloud: str) -> str:
    """The part that the hosts of a cloud belong to."""
    own = _name(stack, cloud)
    return own if _is_kept(own) else stack


def _name(stack: str, cloud: str) -> str:
    return f"{stack}{_MARK}{cloud}" if cloud else stack


def _is_kept(name: str) -> bool:
    # Who owns a stack is noted once, in the directory that carries its name: also where that is no part of it.
    noted = any(not path.name.startswith("owner.") for path in state.stack_dir(name).glob("*"))
    return noted or (state.hosts() / name).exists() or any((state.backend() / ".pulumi/stacks").glob(f"*/{name}.json*"))
