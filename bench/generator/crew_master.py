"""The conductor of several workers: it stands between the operator's lines and the workers' messages, and makes no load."""

from __future__ import annotations

from dataclasses import asdict
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

import gevent

from bench.generator import crew
from bench.generator.crew_roster import Errand, Node, Roster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ALIVE_S: Final = 1.0
_MUSTER_S: Final = 120.0
"""Until every worker has come: hosts that boot and load Python on emulated processors take a minute."""

_LEAD_S: Final = 0.05
"""Before the gate opens, beyond what the message takes: a hub may be late."""


class Master:
    """Answers like a generator of one process, with the work done by many.

    What prepares and cleans up is one worker's work; a trial is shared out among all that are there. A worker that is lost
    takes its share with it: the trial goes on, and it and all later ones without that worker are stamped `worker_lost`.
    """

    def __init__(self, hello: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        role = hello["role"]
        self._say = say
        self._expected = int(role["workers"])
        self._until_s = monotonic() + _MUSTER_S
        self._keepers: dict[tuple[str, str], Node] = {}
        gevent.spawn(self._keep_alive)
        self._roster = Roster(str(role["bind"]), int(role["port"]))

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The last line that a request is answered with; `problem` is "" when all went well."""
        self._roster.muster(self._expected, self._until_s)
        if request["do"] == "measure":
            return self._measure(request)
        answer = self._alone(request)
        if request["do"] == "clean_up":
            # The bucket may have gone with it, so what was known of its other workloads is no longer true.
            self._keepers = {known: node for known, node in self._keepers.items() if known[0] != request["endpoint"]}
        return {"problem": answer["problem"]}

    def _measure(self, request: dict[str, Any]) -> dict[str, Any]:
        prepared = self._alone({**request, "do": "prepare"})
        if prepared["problem"]:
            return {"problem": prepared["problem"]}
        request = {**request, "workload": prepared["workload"]}
        nodes = self._roster.present()
        # With fewer users than workers some take no part.
        shares = list(zip(nodes, crew.places(request["workload"]["concurrency"], len(nodes)), strict=False))
        errands = self._share_out(request, shares)
        self._roster.wait(lambda: all(errand.over for errand in errands), lambda: self._report(errands))
        self._settle_stock(request, errands, [place for _, place in shares])
        answers = [errand.answer for errand in errands if not errand.lost]
        if not answers:
            return {"problem": "every worker of the load generator was lost. See whether their hosts still run, and their logs."}
        lost = len(nodes) < self._expected or len(answers) < len(shares)
        return crew.merged(answers, duration_s=request["workload"]["duration_s"], lost=lost)

    def _share_out(self, request: dict[str, Any], shares: Sequence[tuple[Node, crew.Place]]) -> list[Errand]:
        """Gives each worker its share, and names one moment to all once all stand at the gate; off if one cannot come."""
        clocks = self._roster.read_clocks([node for node, _ in shares])
        errands = [
            self._roster.ask(node, {**request, "place": asdict(place), "clock": asdict(clocks[node])})
            for node, place in shares
            if node in clocks
        ]
        self._roster.wait(lambda: all(errand.ready or errand.over for errand in errands))
        lead_ns = round(_LEAD_S * 1e9) + max((2 * clock.uncertainty_ns for clock in clocks.values()), default=0)
        called_off = any(errand.answer for errand in errands)
        open_at_ns = 0 if called_off else perf_counter_ns() + lead_ns
        for errand in errands:
            if not errand.over:
                self._roster.open_gate(errand, open_at_ns)
        return errands

    def _settle_stock(self, request: dict[str, Any], errands: Sequence[Errand], places: Sequence[crew.Place]) -> None:
        """Tells the keeper what all have used up. What a lost worker did nobody knows: then it is looked at anew."""
        if any(errand.lost or errand.answer["problem"] for errand in errands) or len(errands) < len(places):
            self._keepers.pop((request["endpoint"], request["workload"]["name"]), None)
            return
        used = [
            {"first": place.first, "step": place.step, "end": place.first + place.step * errand.answer["used"]}
            for errand, place in zip(errands, places, strict=True)
            if errand.answer["used"]
        ]
        ran_out = any(errand.answer["ran_out"] for errand in errands)
        if used or ran_out:
            self._alone({**request, "do": "used", "used": used, "ran_out": ran_out, "seed": request["trial"]["seed"]})

    def _alone(self, request: dict[str, Any]) -> dict[str, Any]:
        """Has the keeper of the workload's objects do it: the same worker each time, another one where that is lost."""
        known = (request["endpoint"], request["workload"]["name"])
        for _ in range(self._expected + 1):  # the same one twice, if only its connection was lost
            if not (nodes := self._roster.present()):
                break
            keeper = self._keepers.get(known)
            node = keeper if keeper in nodes else nodes[0]
            errand = self._roster.ask(node, {**request, "anew": node is not keeper})
            self._roster.wait(lambda: errand.over)  # noqa: B023 - it is over before the next one is made
            if not errand.lost:
                self._keepers[known] = node
                return errand.answer
        return {"problem": "no worker of the load generator is there. See whether their hosts still run, and their logs."}

    def _report(self, errands: Sequence[Errand]) -> None:
        each = [errand.node.progress for errand in errands if errand.node.progress]
        if each:
            self._say({"event": "progress", **crew.progress(each)})

    def _keep_alive(self) -> None:
        while True:
            gevent.sleep(_ALIVE_S)
            self._say({"event": "alive"})
