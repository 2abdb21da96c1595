"""What of ours is left in an account, found by its labels alone: also when the state is gone, and whoever's machine made it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import DeployError, InputError
from stacks import clouds, labels, ownership, parts, settle, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stacks.cloud import Account, Belonging

_PASSES = 3
"""What something else still holds on to may go once that is gone: a network after its last address."""


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """Something that would go, and why."""

    belonging: Belonging
    why: str


@dataclass(frozen=True, kw_only=True)
class Mine:
    """What tells one's own runs from other people's. Labels of runs and owners, as `stacks.labels` spells them.

    `state` is what the labels of all runs of this state directory begin with; `alive` are those that are in use or were left
    standing.
    """

    owners: frozenset[str]
    state: str
    alive: frozenset[str]


def account_of(cloud: str) -> Account:
    """The account's side of a cloud. Raises InputError for a cloud that has none, with those that do."""
    with_account = [name for name in clouds.CLOUDS if clouds.load(name).account is not None]
    if cloud not in with_account:
        known = f"name one of {', '.join(with_account)}" if with_account else "for this machine: cowbench sweep"
        raise InputError(f"{cloud!r} is no cloud with an account", where="--cloud", next_step=known)
    account = clouds.load(cloud).account
    assert account is not None
    return account


def mine() -> Mine:
    """As this state directory and this user have it."""
    stacks = {parts.stack_of(path.name) for path in (state.root() / "stacks").glob("*")}
    kept = [settled for stack in stacks for settled in settle.of_stack(stack)]
    alive = {stack for stack in stacks if not ownership.is_abandoned(stack)}
    return Mine(
        owners=frozenset(labels.word(owner) for owner in (settle.own_name(), *(each.owner for each in kept))),
        state=f"{state.account_mark()}-",
        # A part may have made something before anything was noted of it.
        alive=frozenset(labels.run(name) for stack in alive for name in parts.possible_names(stack)),
    )


def doomed(
    found: Iterable[Belonging], who: Mine, *, run: str = "", everything: bool = False, now: float | None = None
) -> tuple[Doomed, ...]:
    """Those of `found` that go, in their order.

    Always: what is past its expiry, and what a run of this owner and this state directory left that nobody will come back for.
    With `everything`: all that this owner has. With `run`, a label or the name of a stack or part of this state directory: that
    run alone, a stack with all its parts, whoever's it is and however long it may stand. So what others have and still may have
    goes only by the name of its run.
    """
    at = time.time() if now is None else now
    names = (run,) if parts.cloud_of(run) else parts.possible_names(run)
    runs = frozenset((run, *map(labels.run, names))) if run else frozenset[str]()
    reasons = [(each, _why(each, who, runs, everything=everything, now=at)) for each in found]
    return tuple(Doomed(belonging=each, why=why) for each, why in reasons if why)


def _why(each: Belonging, who: Mine, runs: frozenset[str], *, everything: bool, now: float) -> str:
    if runs:
        return "its run was named" if each.run in runs else ""
    if each.expires_at < now:
        return "past its expiry"
    if each.owner not in who.owners:
        return ""
    if everything:
        return "this owner's"
    if each.run.startswith(who.state) and each.run not in who.alive:
        return "nobody will come back for its run"
    return ""


def of_lost_state(stack: str) -> tuple[Belonging, ...]:
    """What carries the name of a stack whose state may be gone, whoever's it is, in every account that can be asked now."""
    found: list[Belonging] = []
    for member in map(clouds.load, clouds.CLOUDS):
        if member.account and not member.problems():
            # One that does not answer says nothing of the others, and most likely there is nothing to find.
            with suppress(DeployError):
                found += member.account.belongings(())
    return tuple(each for each in found if labels.names(each.run, stack))


def of_run(cloud: str, regions: Sequence[str], run: str) -> tuple[Belonging, ...]:
    """What carries the label of that run, in these regions. Raises DeployError when the account cannot be asked."""
    return tuple(each for each in account_of(cloud).belongings(tuple(regions)) if each.run == run)


def remove(found: Sequence[Belonging], observe: Callable[[Belonging], None]) -> tuple[tuple[Belonging, DeployError], ...]:
    """Remove them in this order; what resists, with why. `observe` is told of each that is gone."""
    left = list(found)
    stuck: list[tuple[Belonging, DeployError]] = []
    for _ in range(_PASSES):
        stuck = []
        for each in left:
            try:
                account_of(each.cloud).remove(each)
                observe(each)
            except DeployError as error:
                stuck.append((each, error))
        if not stuck or len(stuck) == len(left):
            break
        left = [each for each, _ in stuck]
    return tuple(stuck)


def insist_on_all(stuck: Sequence[tuple[Belonging, DeployError]], again: str) -> None:
    """Raise DeployError naming what resisted, if anything did."""
    if stuck:
        names = "; ".join(f"{each.kind} {each.name or each.id} in {each.region}: {error.what}" for each, error in stuck)
        raise DeployError(
            f"{len(stuck)} things resist: {names}",
            where=f"cloud {stuck[0][0].cloud}",
            next_step=f"{stuck[0][1].next_step}; then {again}" if stuck[0][1].next_step else again,
        )
