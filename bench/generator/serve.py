"""The load generator's side of the conversation: one JSON line asks for something, lines answer until it is done."""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, NoReturn

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.fileobject import FileObjectPosix
from gevent.queue import Queue

from bench import clients, workloads
from bench.client import Settings
from bench.content import Content
from bench.generator.crowd import Crowd
from bench.generator.process import CREDENTIALS_VARIABLE
from bench.generator.samples import NotWritten, SampleLog
from bench.generator.stock import FILLERS, Stock
from bench.generator.trial import Pass
from bench.records import Load, Trial, Workload
from bench.workload import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.client import Client
    from bench.generator.crew_master import Master
    from bench.records import TrialResult

BUCKET: Final = "cowbench"
"""One bucket per target: some servers reserve space for each bucket."""

_ALIVE_S: Final = 1.0
_PROGRESS_S: Final = 0.25
_SILENCE_OF_OP: Final = 0.9
"""A connect or read that stays silent for this share of the op's timeout fails first, so that the sample says which it was."""

_VERIFY_MEMORY_BYTES: Final = 1 << 28
_PIECE_BYTES: Final = 1 << 20
_PR_SET_PDEATHSIG: Final = 1

log = logging.getLogger(__name__)


def main(*, patched_first: bool) -> NoReturn:
    """Answers until standard input ends; then nobody is left to measure for."""
    say = _take_standard_output()
    _die_with_parent()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    requests = Queue()
    gevent.spawn(_listen, requests)
    generator = None
    while True:
        request = requests.get()
        # Whoever asks from another host may have lost the connection meanwhile: an answer tells which request it is of.
        done = {"event": "done", "number": request.get("number", 0)}
        try:
            if generator is None:
                generator = _begin(request, say)
                facts = {"patched": monkey.is_module_patched("socket"), "patched_first": patched_first, "pid": os.getpid()}
                say({**done, "problem": "", **facts})
            else:
                say({**done, **generator.answer(request)})
        except Exception as error:
            log.exception("request %s", request.get("do"))
            say({**done, "problem": in_words(error)})


def in_words(error: Exception) -> str:
    """What a request that failed is answered with."""
    if isinstance(error, NotWritten):
        return str(error)
    what = f"the load generator failed: {type(error).__name__}: {error}"
    return f"{what}. Its log says where; measure again, and report the fault if it comes back."


def _begin(hello: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> Service | Master:
    """The one that answers: alone, or as one of a crew over several hosts."""
    kind = hello.get("role", {"kind": "solo"})["kind"]
    if kind == "master":
        from bench.generator.crew_master import Master  # noqa: PLC0415 - each role loads what it needs

        return Master(hello, say)
    if kind == "worker":
        from bench.generator.crew_worker import Worker  # noqa: PLC0415 - as above, and it builds upon this module

        return Worker(hello, say)
    return Service(hello, say)


class Service:
    """What one process keeps over the trials: clients, stocks, Locust's users."""

    def __init__(self, hello: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        self._say = say
        gevent.spawn(self._keep_alive)
        self._samples = Path(hello["samples"])
        self._load = Load(**{**hello["load"], "workloads": tuple(Workload(**each) for each in hello["load"]["workloads"])})
        self._credentials: dict[str, tuple[str, str]] = json.loads(os.environ.pop(CREDENTIALS_VARIABLE, "{}"))
        largest = max((each.object_size_bytes for each in self._load.workloads), default=1)
        self._content = Content(self._load.seed, largest)
        self._crowd = self._gather(hello)
        self._clients: dict[tuple[str, str], Client] = {}
        self._stocks: dict[tuple[str, str], Stock] = {}
        # What stands now stays: the collector need not look at a hundred thousand objects of imports again and again.
        gc.freeze()

    def _gather(self, hello: dict[str, Any]) -> Crowd:
        del hello
        return Crowd()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The last line that a request is answered with; `problem` is "" when all went well."""
        workload = Workload(**request["workload"])
        stock = self._stock(request["endpoint"], request["credential"], workload)
        if request["do"] == "prepare":
            return {"problem": stock.prepare()}
        if request["do"] == "clean_up":
            # The bucket may go with the last object: what we know of the target's other workloads is then no longer true.
            self._stocks = {known: each for known, each in self._stocks.items() if known[0] != request["endpoint"]}
            return {"problem": stock.clear()}
        return self._measure(Trial(**request["trial"]), stock, request["endpoint"], request["credential"])

    def _measure(self, trial: Trial, stock: Stock, endpoint: str, credential: str) -> dict[str, Any]:
        if problem := stock.prepare():
            return {"problem": problem}
        workload = stock.workload
        run = Pass(
            trial=trial,
            workload=workload,
            kind=workloads.load(workload.op),
            load=self._load,
            session=lambda: self._session(endpoint, credential, workload),
            samples=SampleLog(self._samples, trial),
            crowd=self._crowd,
        )
        result = self._carry_out(run)
        stock.used(run.used, ran_out=run.ran_out)
        return {"problem": "", **self._tidy_up(run, result, stock)}

    def _carry_out(self, run: Pass) -> TrialResult:
        over = Event()
        watcher = gevent.spawn(self._report, run, over)
        try:
            result = run.measure()
            run.verify_rest()
        finally:
            # Not killed: a part that it just writes would be lost, and the trial with it.
            over.set()
            watcher.join()
        return result

    def _tidy_up(self, run: Pass, result: TrialResult, stock: Stock, worker: int = 0) -> dict[str, Any]:
        """Removes what the trial created and writes what is left of its samples: the result, and which parts hold them."""
        if problem := stock.remove(run.created, uploads="multipart" in run.kind.creates and run.tally.failed_ops > 0):
            log.warning("after trial %d: %s", run.trial.index, problem)
        parts = run.samples.close()
        found = asdict(replace(result, parts=parts, samples=run.samples.count))
        held = [{"name": name, "sha256": run.samples.digests[name], "worker": worker} for name in parts]
        return {"result": found, "parts": held}

    def _report(self, run: Pass, over: Event) -> None:
        """Progress while the trial runs, and samples to disk when there are many."""
        while not over.wait(_PROGRESS_S):
            elapsed_s = max(1e-9, (perf_counter_ns() - run.opened_ns) / 1e9) if run.opened_ns else 0.0
            if elapsed_s:
                self._say(
                    {
                        "event": "progress",
                        "ops": run.tally.ops,
                        "failed_ops": run.tally.failed_ops,
                        "elapsed_s": elapsed_s,
                        "ops_per_s": run.tally.ops / elapsed_s,
                        "bytes_per_s": run.tally.bytes / elapsed_s,
                    }
                )
            run.samples.flush_if_due()

    def _stock(self, endpoint: str, credential: str, workload: Workload) -> Stock:
        known = (endpoint, workload.name)
        if known not in self._stocks:
            session = self._session(endpoint, credential, workload)
            self._stocks[known] = Stock(session, workloads.load(workload.op), workload, self._load.op_timeout_s)
        return self._stocks[known]

    def _session(self, endpoint: str, credential: str, workload: Workload) -> Session:
        """A user's means. Its buffer holds a whole object where contents are to be verified and memory allows."""
        size = max(1, workload.object_size_bytes)
        whole = self._load.verify_share > 0 and size * workload.concurrency <= _VERIFY_MEMORY_BYTES
        return Session(
            client=self._client(endpoint, credential),
            bucket=BUCKET,
            content=self._content,
            buffer=bytearray(size if whole else min(size, _PIECE_BYTES)),
            part_size_bytes=workload.part_size_bytes,
        )

    def _client(self, endpoint: str, credential: str) -> Client:
        known = (endpoint, credential)
        if known not in self._clients:
            access_key, secret_key = self._credentials[credential]
            users = max((each.concurrency for each in self._load.workloads), default=1)
            settings = Settings(
                connections=max(users, FILLERS),
                silence_s=_SILENCE_OF_OP * self._load.op_timeout_s,
                expect_100_continue=self._load.expect_100_continue,
            )
            self._clients[known] = clients.load(self._load.client)(endpoint, access_key, secret_key, settings)
        return self._clients[known]

    def _keep_alive(self) -> None:
        while True:
            gevent.sleep(_ALIVE_S)
            self._say({"event": "alive"})


def _take_standard_output() -> Callable[[dict[str, Any]], None]:
    """Keeps the parent's pipe for ourselves: what a library prints goes to the log and not between our lines."""
    pipe = os.dup(1)
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        try:
            os.write(pipe, json.dumps(message).encode() + b"\n")
        except OSError:
            os._exit(0)

    return say


def _listen(requests: Queue) -> None:
    for line in FileObjectPosix(0, "rb"):
        requests.put(json.loads(line))
    # The parent is gone or has closed its end. Nothing here is worth a goodbye: parts are whole or absent.
    os._exit(0)


def _die_with_parent() -> None:
    """Linux kills us when the parent dies, even while we hang; elsewhere the end of standard input has to do.

    Ctrl-C reaches the whole foreground group: it is the parent's to decide what becomes of us.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
