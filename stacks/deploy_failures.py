"""What a cloud means when a deployment fails, and what is done about it: again, elsewhere, or stop. Pure.

The table for readers is `docs/deploy-failures.md`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Course = Literal["again", "elsewhere", "stop"]

COURSES: Mapping[str, Course] = {
    "credentials_expired": "stop",
    "quota": "stop",
    "capacity": "elsewhere",
    "throttled": "again",
    "not_found_yet": "again",
    "internal": "again",
}
"""By kind, the gravest first: of several that failed at once, what stops goes before what moves, and that before what repeats."""

KINDS = tuple(COURSES)
"""The kinds that `stacks.cloud.Account.failures` knows."""

PAUSES_S = (10.0, 20.0, 40.0, 80.0)
"""Between attempts. A deployment may be repeated at will: Pulumi goes on where it stopped."""

_OF_PULUMI = {
    "internal": (
        r"connection reset by peer",
        r"i/o timeout",
        r"TLS handshake timeout",
        r"unexpected EOF",
        r"transport is closing",
        r"\b50[234] (Bad Gateway|Service Unavailable|Gateway Time-?out)",
    )
}
"""What Go's libraries, in which most of Pulumi's plugins are written, say of a network that failed for a moment."""

_WORDS = {
    "credentials_expired": "its credentials are not valid any more",
    "quota": "a quota of the account is used up",
    "capacity": "it has no more hosts of that type there",
    "throttled": "it asks for fewer requests",
    "not_found_yet": "something that was just made is not found yet",
    "internal": "it failed by itself",
}
_CURES = {
    "credentials_expired": "renew the credentials; {again} goes on where it stopped",
    "quota": "ask the cloud to raise that quota, or leave cells out; then {again}",
    "capacity": "name more zones (deploy.zones) or other types (deploy.instead_of), or wait; then {again}",
    "throttled": "wait a while, then {again}",
    "not_found_yet": "wait a while, then {again}",
    "internal": "look at the cloud's status page; then {again}",
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """One complaint: `resource` is its name in the program, empty where it concerns none."""

    resource: str
    text: str


class Failed(DeployError):  # noqa: N818 - what a deployment did
    """Pulumi could not do it; `said` are all complaints.

    `late`: it was stopped because it took too long; `in_flight` then names what was being made or removed.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str,
        next_step: str,
        said: tuple[Said, ...] = (),
        in_flight: tuple[str, ...] = (),
        late: bool = False,
    ) -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.said, self.in_flight, self.late = said, in_flight, late


def kind_of(text: str, failures: Iterable[Mapping[str, tuple[str, ...]]]) -> str:
    """What the text means by the expressions of the clouds in use, else by Pulumi's own words; empty when nobody knows it."""
    for kind in KINDS:
        patterns = (pattern for each in (*failures, _OF_PULUMI) for pattern in each.get(kind, ()))
        if any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns):
            return kind
    return ""


def gravest(said: Sequence[Said], failures: Sequence[Mapping[str, tuple[str, ...]]]) -> tuple[str, Said]:
    """The complaint that decides what is done, and its kind: one that nobody knows stops, but a known stop says more."""
    order = [kind for kind in KINDS if COURSES[kind] == "stop"]
    order += ["", *(kind for kind in KINDS if kind not in order)]
    kinds = [(kind_of(each.text, failures), each) for each in said] or [("", Said(resource="", text=""))]
    return min(kinds, key=lambda each: order.index(each[0]))


def explained(kind: str, said: Said, *, cloud: str, tried: str, still_there: str, again: str) -> DeployError:
    """The error for the person. `tried` tells what was done about it, `still_there` what stands, `again` is the command."""
    about = f"{said.resource}: " if said.resource else ""
    there = f"\n  still there: {still_there}" if still_there else ""
    return DeployError(
        f"{cloud} refused, {_WORDS[kind]}{tried and f' ({tried})'}: {about}{said.text}{there}",
        where=f"cloud {cloud}",
        next_step=_CURES[kind].format(again=again),
    )


def hung(failed: Failed, *, limit_s: float, again: str) -> DeployError:
    """The error for a deployment that was given up because it took too long."""
    names = ", ".join(failed.in_flight) or "nothing that Pulumi knows of"
    return DeployError(
        f"not done within {limit_s:.0f} s, and given up; under way then: {names}",
        where=failed.where,
        next_step=f"for a slow cloud raise deploy.deadline; then {again}: it goes on where anything of it stands, else it begins "
        "anew. cowbench down finds by its labels what was made without an answer",
    )


def elsewhere(zones: Sequence[str], types: Sequence[str], now: tuple[str, str]) -> tuple[str, str] | None:
    """The zone and type to try after `now`: the next zone, then the next type in the first zone; None when all were tried."""
    zone, kind = now
    if zone in zones and (after := zones[zones.index(zone) + 1 :]):
        return after[0], kind
    if kind in types and (others := types[types.index(kind) + 1 :]):
        return (zones[0] if zones else zone), others[0]
    return None
