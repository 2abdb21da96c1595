"""Bringing one part of a stack up, in as many attempts as what its cloud says calls for: again, elsewhere, or not at all."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stacks import clouds, deploy_failures, hosts, lifecycle, parts, settle
from stacks.deploy_failures import COURSES, PAUSES_S, Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stacks.cloud import Account, HostRequest
    from stacks.deploy import Wanted
    from stacks.deploy_failures import Said
    from stacks.lifecycle import Standing, Step
    from stacks.parts import Part
    from stacks.terms import Terms


@dataclass(frozen=True, kw_only=True)
class Told:
    """Whom to tell what happens: `step` of Pulumi's, `say` of our own in a sentence. `stop` is set when nobody waits any more."""

    step: Callable[[Step], None]
    say: Callable[[str], None]
    stop: threading.Event = field(default_factory=threading.Event)


def up(part: Part, wanted: Wanted, terms: Terms, told: Told) -> Standing:
    """Make the part what its cells say, within `terms.deadline_s` altogether where it rents anything.

    What was settled for it is taken from its directory, and changed there when hosts have to go elsewhere. Raises DeployError.
    """
    settled = settle.read(part.name)
    if settled is None:
        return lifecycle.up(part.name, part.cells, wanted, told.step)
    tries = _Tries(part=part, wanted=replace(wanted, settled=settled), terms=terms, told=told)
    while True:
        try:
            return lifecycle.up(part.name, part.cells, tries.wanted, told.step, limit_s=tries.left_s)
        except Failed as failed:
            tries.learn(failed)


class _Tries:
    """What was tried to bring a part up, and what is next. `wanted` changes when hosts go elsewhere."""

    def __init__(self, *, part: Part, wanted: Wanted, terms: Terms, told: Told) -> None:
        self.wanted = wanted
        self._part, self._terms, self._told = part, terms, told
        self._ends_s = time.monotonic() + terms.deadline_s
        self._pauses_s = list(PAUSES_S)

    @property
    def left_s(self) -> float:
        """Until the deployment is given up."""
        return max(1.0, self._ends_s - time.monotonic())

    def learn(self, failed: Failed) -> None:
        """Returns when it should be tried once more, after a pause where one is due. Raises DeployError when it should not."""
        if failed.late:
            raise deploy_failures.hung(failed, limit_s=self._terms.deadline_s, again=self._again) from failed
        kind, said = deploy_failures.gravest(failed.said, [account.failures for account in self._accounts()])
        if not kind or self._told.stop.is_set():
            raise failed
        course, tried = COURSES[kind], ""
        if course == "again":
            if self._paused(kind, said):
                return
            tried = f"in {len(PAUSES_S) - len(self._pauses_s) + 1} attempts"
        if course == "elsewhere":
            tried = self._moved(said)
            if not tried:
                return
        # Whatever else failed, what was made can be taken away again, and mostly is at once.
        there = lifecycle.resources(self._part.name) if kind == "credentials_expired" else ""
        raise deploy_failures.explained(
            kind, said, cloud=self._cloud, tried=tried, still_there=there, again=self._again
        ) from failed

    @property
    def _again(self) -> str:
        return f"cowbench up MATRIX --stack {parts.stack_of(self._part.name)}"

    @property
    def _cloud(self) -> str:
        return self._part.cloud or ", ".join(sorted({cell.cloud for cell in self._part.cells}))

    def _accounts(self) -> list[Account]:
        accounts = [clouds.load(name).account for name in sorted({cell.cloud for cell in self._part.cells})]
        return [account for account in accounts if account is not None]

    def _paused(self, kind: str, said: Said) -> bool:
        if not self._pauses_s or self._pauses_s[0] > self.left_s:
            return False
        pause_s = self._pauses_s.pop(0)
        self._told.say(f"{kind.replace('_', ' ')}: {said.text.splitlines()[0]}; once more in {pause_s:.0f} s")
        return not self._told.stop.wait(pause_s)

    def _moved(self, said: Said) -> str:
        """All hosts of the site go to another zone, or become another type: load and target stay close, and cells alike.

        Gives why they cannot, empty when they do.
        """
        settled = self.wanted.settled
        found = _host_of(said.resource, hosts.by_cloud(self._part.name, self._part.cells, self.wanted.generators))
        if settled is None or found is None:
            return "it does not tell which host it is about"
        cloud, request = found
        key, asked = f"{cloud}/{request.region}", request.instance_type
        zones, types = settle.zones_of(cloud, request.region, self._terms), (asked, *self._terms.instead_of.get(asked, ()))
        now = settled.zones.get(key, ""), settled.instance_types.get(asked, asked)
        there = deploy_failures.elsewhere(zones, types, now)
        if there is None:
            return f"tried: {', '.join(types)} in {', '.join(zones) or request.region}"
        self._told.say(f"no {now[1]} left in {now[0] or request.region}: now {there[1]} in {there[0] or request.region}")
        other_zones, other_types = {**settled.zones, key: there[0]}, {**settled.instance_types, asked: there[1]}
        moved = replace(settled, zones=other_zones, instance_types=other_types)
        settle.keep({self._part.name: moved})
        self.wanted = replace(self.wanted, settled=moved)
        return ""


def _host_of(resource: str, requests: Mapping[str, tuple[HostRequest, ...]]) -> tuple[str, HostRequest] | None:
    """The host that a resource belongs to, by its name (`HOST`, `HOST-data`), with its cloud.

    What belongs to a site is named after its region: then it is any host there.
    """
    every = [(cloud, request) for cloud, several in requests.items() for request in several]
    by_name = [(request.name, cloud, request) for cloud, request in every]
    by_region = [(request.region, cloud, request) for cloud, request in every]
    for known in (by_name, by_region):
        if named := [each for each in known if _belongs(resource, each[0])]:
            _, cloud, request = max(named, key=lambda each: len(each[0]))
            return cloud, request
    places = {(cloud, request.region) for cloud, request in every}
    return every[0] if len(places) == 1 else None


def _belongs(resource: str, owner: str) -> bool:
    return resource == owner or resource.startswith(f"{owner}-")
