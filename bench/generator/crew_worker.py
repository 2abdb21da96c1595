"""One of several workers: the load generator as it is, asked by a conductor through Locust, doing its share of each trial."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.event import Event
from gevent.queue import Queue
from locust import runners

from bench import workloads
from bench.generator import crew
from bench.generator.crowd import Crowd
from bench.generator.samples import Origin, SampleLog
from bench.generator.serve import Service, in_words
from bench.generator.trial import Pass
from bench.records import Trial, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment
    from locust.rpc.protocol import Message
    from locust.runners import Runner, WorkerRunner

    from bench.generator.stock import Stock
    from bench.records import TrialResult

log = logging.getLogger(__name__)

_GATE_S: Final = 60.0
"""How long users stand at a closed gate: the others may be slow to come, a conductor that is gone opens it never."""

_ALONE_S: Final = 30.0
"""Without a sign of the conductor for so long nobody will ask for anything any more."""

_NEVER_S: Final = 10**9


class _CalledOff(Exception):  # noqa: N818 - reads as the event that it is
    """The gate stays closed."""


@dataclass(kw_only=True)
class Share(Pass):
    """One worker's part of a trial: its ops of the plan, behind a gate that opens for all workers at once.

    `gate` returns when the users are to start, or raises.
    """

    place: crew.Place
    gate: Callable[[], None]

    def __post_init__(self) -> None:
        """Takes every n-th op of the plan that all workers share."""
        super().__post_init__()
        self._plan = islice(self._plan, self.place.first, None, self.place.step)

    def _open(self) -> None:
        self.gate()
        super()._open()


class Worker(Service):
    """Answers a conductor for as long as there is one. Made when the conductor answers, which may take a minute."""

    def __init__(self, hello: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        self._index = int(hello["role"]["index"])
        self._runner: WorkerRunner | None = None
        self._requests = Queue()
        self._number = 0
        self._progress: dict[str, Any] | None = None
        self._heard_s = monotonic()
        self._open_at: dict[int, int] = {}
        self._gate = Event()
        super().__init__(hello, partial(self._tell, say))
        self._heard_s = monotonic()
        for loop in (self._beat, self._work):
            gevent.spawn(loop)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Refuses: requests come from the conductor."""
        return {"problem": f"a worker was asked to {request['do']}; ask the master of its crew."}

    def _gather(self, hello: dict[str, Any]) -> Crowd:
        def join(environment: Environment) -> Runner:
            # Locust asks the wall clock when it last heard of its master, and would give up where that clock jumps.
            runners.MASTER_HEARTBEAT_TIMEOUT = _NEVER_S
            runner: WorkerRunner = environment.create_worker_runner(hello["role"]["master"], int(hello["role"]["port"]))
            environment.events.heartbeat_received.add_listener(self._on_heartbeat)  # type: ignore[no-untyped-call] # Locust types its events in part
            runner.register_message(crew.CLOCK, self._on_clock)
            runner.register_message(crew.ASK, self._on_ask)
            runner.register_message(crew.GATE, self._on_gate)
            self._runner = runner
            return runner

        return Crowd(join)

    def _tell(self, say: Callable[[dict[str, Any]], None], message: dict[str, Any]) -> None:
        """Progress goes to the conductor with the next beat, signs of life to whoever started us."""
        if message["event"] == "progress":
            self._progress = {name: value for name, value in message.items() if name != "event"}
        else:
            say(message)

    def _send(self, kind: str, **data: Any) -> None:  # noqa: ANN401 - whatever JSON takes
        assert self._runner is not None
        self._runner.send_message(kind, {"index": self._index, **data})

    def _beat(self) -> None:
        while True:
            # Each beat names us: a conductor that lost sight of us knows us again.
            self._send(crew.BEAT, number=self._number, progress=self._progress)
            if monotonic() - self._heard_s > _ALONE_S:
                log.error("nothing was heard of the master for %.0f s", _ALONE_S)
                os._exit(1)
            gevent.sleep(crew.BEAT_S)

    def _on_heartbeat(self, **_: object) -> None:
        self._heard_s = monotonic()

    def _on_clock(self, msg: Message, **_: object) -> None:
        # At once, in the greenlet that received it: each delay is an error of the clock.
        self._send(crew.CLOCK, asked_ns=msg.data["asked_ns"], now_ns=perf_counter_ns())

    def _on_ask(self, msg: Message, **_: object) -> None:
        self._requests.put(json.loads(msg.data["request"]))

    def _on_gate(self, msg: Message, **_: object) -> None:
        self._open_at[msg.data["number"]] = msg.data["open_at_ns"]
        self._gate.set()

    def _work(self) -> None:
        while True:
            request = self._requests.get()
            self._number, self._progress = request["number"], None
            try:
                answer = self._do(request)
            except _CalledOff:
                answer = {"problem": crew.CALLED_OFF}
            except Exception as error:
                log.exception("request %s", request["do"])
                answer = {"problem": in_words(error)}
            # Free before it is known: a beat that came after the answer and still told of work would contradict it.
            self._number, self._progress = 0, None
            self._send(crew.DONE, number=request["number"], answer=json.dumps(answer))

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        """`prepare` and `clean_up` as ever, on one worker for all; `used` tells that one what all have used up."""
        if request["do"] == "clean_up":
            return super().answer(request)
        if request["do"] == "measure":
            return self._do_share(request)
        if request.get("anew"):
            # Another worker has looked after it meanwhile, or was lost with what it had done: look again.
            self._stocks.pop((request["endpoint"], request["workload"]["name"]), None)
        stock = self._stock(request["endpoint"], request["credential"], Workload(**request["workload"]))
        if request["do"] == "used":
            self._note_used(request, stock)
            return {"problem": ""}
        return {"problem": stock.prepare(), "workload": asdict(stock.workload)}

    def _note_used(self, request: dict[str, Any], stock: Stock) -> None:
        plan = partial(workloads.load(stock.workload.op).plan, stock.workload, request["seed"])
        used = [op for share in request["used"] for op in islice(plan(), share["first"], share["end"], share["step"])]
        stock.used(used, ran_out=request["ran_out"])

    def _do_share(self, request: dict[str, Any]) -> dict[str, Any]:
        # What stands ready was counted by the worker that prepared; it fixes the plan, which must be the same for all.
        workload, place = Workload(**request["workload"]), crew.Place(**request["place"])
        endpoint, credential = request["endpoint"], request["credential"]
        own = replace(workload, concurrency=place.users)
        origin = Origin(worker=self._index, **request["clock"])
        trial = Trial(**request["trial"])
        run = Share(
            trial=trial,
            workload=own,
            kind=workloads.load(workload.op),
            load=self._load,
            session=lambda: self._session(endpoint, credential, own),
            samples=SampleLog(self._samples, trial, origin),
            crowd=self._crowd,
            place=place,
            gate=partial(self._stand_at_gate, request["number"], origin.shift_ns),
        )
        try:
            result = _by_common_clock(self._carry_out(run), origin.shift_ns)
        except _CalledOff:
            self._crowd.stop()
            raise
        stock = self._stock(endpoint, credential, workload)
        return {
            "problem": "",
            **self._tidy_up(run, result, stock, self._index),
            "used": len(run.used),
            "ran_out": run.ran_out,
            "clock_uncertainty_ns": origin.uncertainty_ns,
        }

    def _stand_at_gate(self, number: int, shift_ns: int) -> None:
        """Waits for the moment that the conductor names, by its clock. Raises when there will be none."""
        self._send(crew.READY, number=number)
        with gevent.Timeout(_GATE_S, _CalledOff):
            while number not in self._open_at:
                self._gate.wait()
                self._gate.clear()
        open_at_ns = self._open_at[number]
        self._open_at.clear()
        if not open_at_ns:
            raise _CalledOff
        gevent.sleep(max(0.0, (open_at_ns - shift_ns - perf_counter_ns()) / 1e9))


def _by_common_clock(result: TrialResult, shift_ns: int) -> TrialResult:
    start_ns, end_ns = result.window_start_ns + shift_ns, result.window_end_ns + shift_ns
    return replace(result, window_start_ns=start_ns, window_end_ns=end_ns)
