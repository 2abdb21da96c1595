"""The workers as their conductor knows them: who is there, what each was asked, what came of it, and how far its clock is off."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.exception import RPCError

from bench.generator import crew

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from locust.rpc.protocol import Message
    from locust.runners import MasterRunner

log = logging.getLogger(__name__)

_MISSED: Final = 4
"""Seconds for which Locust must miss a worker (it does so 4 s after the last heartbeat): busy hosts skip a few."""

_FORGOT_S: Final = 10.0
"""A worker that is well but knows nothing of what it was asked: the message went with a connection that was lost."""

_ON_ITS_WAY_S: Final = 1.0
"""A beat so soon after a request may have been sent before it came."""

_EXCHANGES: Final = 8
_EXCHANGE_S: Final = 1.0


@dataclass(kw_only=True, eq=False)
class Node:
    """A worker. `client` is Locust's name for it, `doing` the number of what it works on, 0 for nothing."""

    index: int
    client: str
    doing: int = 0
    beat_s: float = 0.0
    progress: dict[str, Any] | None = None
    exchanges: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Errand:
    """One thing that one worker was asked, and what came of it."""

    number: int
    node: Node
    asked_s: float
    ready: bool = False
    lost: bool = False
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.lost or bool(self.answer)


class Roster:
    """Listens for workers at `address` and `port`. Use it from one greenlet. Raises RuntimeError where it cannot listen."""

    def __init__(self, address: str, port: int) -> None:
        self._nodes: dict[int, Node] = {}
        self._errands: dict[tuple[int, int], Errand] = {}
        self._numbers = 0
        self._news = Event()
        self._runner = _listen(address, port)
        for kind, handle in (
            (crew.BEAT, self._on_beat),
            (crew.CLOCK, self._on_clock),
            (crew.READY, self._on_ready),
            (crew.DONE, self._on_done),
        ):
            self._runner.register_message(kind, handle)

    def muster(self, expected: int, until_s: float) -> None:
        """Waits for so many workers to come for the first time, until that moment of the monotonic clock."""
        self.wait(lambda: len(self._nodes) >= expected or monotonic() > until_s)
        if missing := sorted(set(range(expected)) - {node.index for node in self.present()}):
            log.warning("workers %s of %d are not there", missing, expected)

    def present(self) -> list[Node]:
        """By index: those that are there and have nothing else to do. Waits for those whose heartbeat is only late."""
        self.wait(lambda: not any(-_MISSED < self._heartbeat(node) < 0 for node in self._nodes.values()))
        return [node for _, node in sorted(self._nodes.items()) if self._heartbeat(node) >= 0 and not node.doing]

    def ask(self, node: Node, request: Mapping[str, Any]) -> Errand:
        """Sends a request; its answer comes to the errand while somebody waits."""
        self._numbers += 1
        errand = Errand(number=self._numbers, node=node, asked_s=monotonic())
        self._errands = {key: each for key, each in self._errands.items() if not each.over}
        self._errands[node.index, errand.number] = errand
        node.doing, node.progress = errand.number, None
        # As text: Locust's messages know no tuples.
        self._send(node, crew.ASK, request=json.dumps({**request, "number": errand.number}))
        return errand

    def open_gate(self, errand: Errand, open_at_ns: int) -> None:
        """Tells a worker when its users are to start, by our clock; 0 calls it off."""
        self._send(errand.node, crew.GATE, number=errand.number, open_at_ns=open_at_ns)

    def wait(self, is_so: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Until it is so; notices who is lost, and does `meanwhile` a few times a second."""
        while not is_so():
            self._news.wait(crew.BEAT_S)
            self._news.clear()
            for errand in self._errands.values():
                errand.lost = errand.lost or self._has_lost(errand)
            meanwhile()

    def read_clocks(self, nodes: Sequence[Node]) -> dict[Node, crew.Reading]:
        """Of all that answer."""
        gevent.joinall([gevent.spawn(self._exchange, node) for node in nodes])
        return {node: crew.reading(node.exchanges) for node in nodes if node.exchanges}

    def _exchange(self, node: Node) -> None:
        node.exchanges.clear()
        for count in range(1, _EXCHANGES + 1):
            self._send(node, crew.CLOCK, asked_ns=perf_counter_ns())
            give_up_s = monotonic() + _EXCHANGE_S
            while len(node.exchanges) < count and monotonic() < give_up_s:
                gevent.sleep(0.001)

    def _heartbeat(self, node: Node) -> int:
        """Locust's count: 3 at each heartbeat, one less each second, also below 0."""
        client = self._runner.clients.get(node.client)
        return -_MISSED if client is None else client.heartbeat

    def _has_lost(self, errand: Errand) -> bool:
        if errand.answer:
            return False
        node = errand.node
        if self._heartbeat(node) <= -_MISSED:
            log.error("worker %d is lost: its heartbeat stopped", node.index)
            return True
        if node.doing != errand.number and node.beat_s - errand.asked_s > _FORGOT_S:
            log.error("worker %d is lost: it knows nothing of what it was asked", node.index)
            return True
        return False

    def _send(self, node: Node, kind: str, **data: Any) -> None:  # noqa: ANN401 - whatever Locust's messages take
        self._runner.send_message(kind, data, node.client)

    def _on_beat(self, msg: Message, **_: object) -> None:
        index, number = int(msg.data["index"]), int(msg.data["number"])
        node = self._nodes.get(index)
        if node is None or node.client != msg.node_id:
            # A worker that was started anew has a new name, and knows nothing of what the old one was asked.
            node = self._nodes[index] = Node(index=index, client=msg.node_id)
        node.beat_s = monotonic()
        errand = self._errands.get((index, node.doing))
        if number or not errand or errand.over or node.beat_s - errand.asked_s > _ON_ITS_WAY_S:
            node.doing = number
        if msg.data["progress"] and number == node.doing:
            node.progress = msg.data["progress"]
        self._news.set()

    def _on_clock(self, msg: Message, **_: object) -> None:
        answered_ns = perf_counter_ns()
        if node := self._nodes.get(int(msg.data["index"])):
            node.exchanges.append((msg.data["asked_ns"], msg.data["now_ns"], answered_ns))

    def _on_ready(self, msg: Message, **_: object) -> None:
        if errand := self._errands.get((int(msg.data["index"]), int(msg.data["number"]))):
            errand.ready = True
            self._news.set()

    def _on_done(self, msg: Message, **_: object) -> None:
        if errand := self._errands.get((int(msg.data["index"]), int(msg.data["number"]))):
            errand.answer = json.loads(msg.data["answer"])
            errand.node.doing = 0
            self._news.set()


def _listen(address: str, port: int) -> MasterRunner:
    try:
        return Environment().create_master_runner(address, port)
    except (RPCError, SystemExit) as error:  # some versions of Locust end the process where a port is taken
        what = f"it cannot listen at {address}:{port} ({error}); perhaps the load generator of another run does: end that one"
        raise RuntimeError(what) from None
