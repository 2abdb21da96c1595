"""Several workers and their conductor: the arithmetic alone, then real processes that talk through Locust over the loopback."""

from __future__ import annotations

import json
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import asdict
from time import monotonic
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.check import Evidence
from bench.checks import window_short
from bench.generator import crew, process
from bench.records import Load, Trial, Workload
from tests.fakes import fake_s3
from tests.unit import small_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fakes import FakeS3

MASTER = "127.77.210.1"
LIMIT_S = 60.0
"""Each of the processes imports for seconds on a busy machine, and a lost worker is missed for eight."""


@given(st.integers(1, 500), st.integers(1, 16))
def test_users_are_dealt_out_evenly_and_every_op_has_one_worker(users: int, workers: int) -> None:
    dealt = crew.places(users, workers)

    assert sum(place.users for place in dealt) == users
    assert max(place.users for place in dealt) - min(place.users for place in dealt) <= 1
    assert len(dealt) == min(users, workers)
    plan = range(100)
    assert sorted(op for place in dealt for op in plan[place.first :: place.step]) == list(plan)


@given(st.integers(-(10**15), 10**15), st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=8))
def test_a_clock_is_off_by_no_more_than_its_uncertainty(shift_ns: int, trips: list[tuple[int, int]]) -> None:
    exchanges = [(at, at + there - shift_ns, at + there + back) for at, (there, back) in enumerate(trips, start=10**9)]

    found = crew.reading(exchanges)

    assert abs(found.shift_ns - shift_ns) <= found.uncertainty_ns
    assert 2 * found.uncertainty_ns <= min(there + back for there, back in trips) + 1


def answer(start_ns: int, end_ns: int, **changes: Any) -> dict[str, Any]:
    health = {
        "cpu_share": 0.5, "hub_lag_p99_ns": 10, "hub_lag_max_ns": 20, "start_lag_p99_ns": 0,
        "host_cpu_share": 0.1, "host_steal_share": 0.0,
    }  # fmt: skip
    result = {
        "window_start_ns": start_ns, "window_end_ns": end_ns, "samples": 10, "parts": [f"part-{start_ns}"],
        "health": {**health, **changes.pop("health", {})}, "stamps": changes.pop("stamps", []), "problem": "",
    }  # fmt: skip
    return {"problem": "", "result": result, "parts": [{"name": f"part-{start_ns}"}], "clock_uncertainty_ns": 0, **changes}


def test_one_result_is_the_common_window_all_samples_and_the_worst_health() -> None:
    busy = answer(100, 210, stamps=["client_bound", "stolen"], health={"cpu_share": 0.95})
    late = answer(110, 220, stamps=["client_bound"], health={"hub_lag_p99_ns": 99})

    found = crew.merged([busy, late], duration_s=100e-9, lost=False)

    result = found["result"]
    assert (result["window_start_ns"], result["window_end_ns"], result["samples"]) == (110, 210, 20)
    assert result["parts"] == [part["name"] for part in found["parts"]] == ["part-100", "part-110"]
    assert result["stamps"] == ["client_bound", "stolen"]
    assert (result["health"]["cpu_share"], result["health"]["hub_lag_p99_ns"]) == (0.95, 99)
    assert crew.merged([busy], duration_s=100e-9, lost=True)["result"]["stamps"] == ["client_bound", "stolen", "worker_lost"]


def test_a_problem_of_one_is_a_problem_of_the_trial() -> None:
    def merged(*answers: dict[str, Any]) -> dict[str, Any]:
        return crew.merged(answers, duration_s=9e-9, lost=False)

    assert merged(answer(0, 9), {"problem": "no keys."}) == {"problem": "no keys."}
    assert merged({"problem": crew.CALLED_OFF}, {"problem": "no keys."}) == {"problem": "no keys."}
    assert "same time" in merged(answer(0, 9), answer(9, 20))["problem"]


MS = 1_000_000


@pytest.mark.parametrize(
    ("late_ms", "unsure_ms", "duration_s", "short"),
    [
        pytest.param(0, 0.2, 10.0, False, id="all at once"),
        pytest.param(499, 0.2, 10.0, False, id="one began half a second late, of ten"),
        pytest.param(501, 0.2, 10.0, True, id="a little later still"),
        pytest.param(9950, 0.2, 10.0, True, id="all but nothing is left"),
        pytest.param(0, 99.0, 10.0, False, id="a clock known to 1 %"),
        pytest.param(0, 101.0, 10.0, True, id="a clock known no better than the window's edges"),
        pytest.param(0, 5.0, 0.1, False, id="a short window, and a network as it is"),
        pytest.param(0, 5.1, 0.1, True, id="a short window, and a slow network"),
    ],
)
def test_a_window_that_shrank_or_is_not_known_well_is_stamped(
    late_ms: int, unsure_ms: float, duration_s: float, *, short: bool
) -> None:
    end_ns = round(duration_s * 1e9)
    unsure = answer(late_ms * MS, end_ns + late_ms * MS, clock_uncertainty_ns=round(unsure_ms * MS))

    found = crew.merged([answer(0, end_ns), unsure], duration_s=duration_s, lost=False)

    assert (found["result"]["stamps"] == ["window_short"]) == short


@pytest.mark.parametrize(
    ("window_s", "words"),
    [(0.05, "only 0.05 s of 10 s, for one of them began late"), (9.9, "clocks differ was not known to 1% of the window")],
)
def test_a_stamped_window_is_told_from_clocks_that_are_not_known(window_s: float, words: str) -> None:
    trial = Trial(index=0, block=0, position=0, cell="cell", workload="put", seed=7)
    stamped = small_run.result(trial, window_s=window_s, stamps=(crew.SHORT,))
    evidence = Evidence(targets=(), workloads=(small_run.workload("put", duration_s=10.0),), results=(stamped,))

    (finding,) = window_short.CHECK.look(evidence)

    assert words in finding.text
    assert finding.trials == (0,)


class Member:
    """A process of the crew, with its lines read in a thread."""

    def __init__(self, folder: Path, role: dict[str, Any], load: Load) -> None:
        folder.mkdir()
        self.samples = folder
        self.log = folder.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                process.COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=process.environment({"root": ("access", "a-secret")}),
            )
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        self.send({"load": asdict(load), "samples": str(folder), "role": role})

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def done(self, on_progress: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        give_up = monotonic() + LIMIT_S
        while True:
            line = self.lines.get(timeout=max(0.1, give_up - monotonic()))
            if line["event"] == "progress":
                on_progress(line)
            if line["event"] == "done":
                return line

    def close(self) -> None:
        """As the operator does: it closes its end."""
        assert self.process.stdin
        self.process.stdin.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join()
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3() as fake:
        yield fake


@pytest.fixture
def crew_of(tmp_path: Path) -> Iterator[Callable[[Load, int], list[Member]]]:
    """Starts a master and so many workers; the master is the first one."""
    members: list[Member] = []

    def start(load: Load, workers: int) -> list[Member]:
        with socket.create_server((MASTER, 0)) as free:
            port = free.getsockname()[1]
        roles: list[dict[str, Any]] = [{"kind": "master", "bind": MASTER, "port": port, "workers": workers}]
        roles += [{"kind": "worker", "master": MASTER, "port": port, "index": index} for index in range(workers)]
        members.extend(Member(tmp_path / f"member{number}", role, load) for number, role in enumerate(roles))
        for member in members:
            assert member.done()["problem"] == ""
        return members

    yield start
    for member in members:
        member.kill()


def workload(op: str, **changes: Any) -> Workload:
    known: dict[str, Any] = {
        "name": op,
        "op": op,
        "object_size_bytes": 4096,
        "concurrency": 3,
        "duration_s": 0.6,
        "warm_up_s": 0.1,
    }
    return Workload(**{**known, "objects": 8, "part_size_bytes": 1500, "mix": {}, **changes})


def request(do: str, server: FakeS3, each: Workload, index: int = 0) -> dict[str, Any]:
    trial = Trial(index=index, block=0, position=0, cell="cell", workload=each.name, seed=7)
    known = {"do": do, "endpoint": server.endpoint, "credential": "root", "workload": asdict(each)}
    return {**known, "trial": asdict(trial), "number": index + 1}


def load_of(*each: Workload) -> Load:
    known: dict[str, Any] = {"blocks": 1, "seed": 11, "client": "boto3", "expect_100_continue": False, "op_timeout_s": 3.0}
    return Load(**known, verify_share=0.2, workloads=each)


def stand(server: FakeS3, each: Workload) -> list[str]:
    return [key for key in server.objects() if key.startswith(f"{each.name}/")]


def rows(members: list[Member], found: dict[str, Any]) -> list[dict[str, Any]]:
    files = [members[1 + part["worker"]].samples / part["name"] for part in found["parts"]]
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_two_workers_share_a_trial_and_leave_nothing(server: FakeS3, crew_of: Callable[[Load, int], list[Member]]) -> None:
    put, delete, alone = workload("put"), workload("delete", objects=50), workload("get", concurrency=1)
    members = crew_of(load_of(put, delete, alone), 2)
    master = members[0]

    # Puts: both take part, no key is written twice, and what is told adds up.
    seen: list[dict[str, Any]] = []

    # What the trial makes is to stay where it can be counted; what prepares deletes too, and has to be over.
    master.send(request("prepare", server, put))
    assert master.done()["problem"] == ""
    server.faults.update({"POST delete": "denied", "DELETE object": "denied"})
    master.send(request("measure", server, put))
    found = master.done(seen.append)
    server.faults.clear()
    samples = rows(members, found)
    result = found["result"]
    written = [row for row in samples if row["op"] == "put"]
    assert (found["problem"], result["problem"], found["number"]) == ("", "", 1)
    assert {row["worker"] for row in samples} == {0, 1}
    assert sorted(result["parts"]) == ["part-00000-w00-00.parquet", "part-00000-w01-00.parquet"]
    assert {row["error"] for row in samples} == {""}
    assert len(samples) == result["samples"]
    assert len(server.objects()) == len(written), "no two wrote the same key"
    assert 0 < seen[-1]["ops"] <= len(written)
    assert crew.LOST not in result["stamps"]

    # One clock: the window is the same for both, ops lie around it.
    window_ns = result["window_end_ns"] - result["window_start_ns"]
    assert 0.5e9 < window_ns <= 0.6e9
    for worker in (0, 1):
        mine = [row for row in written if row["worker"] == worker]
        inside = [row for row in mine if result["window_start_ns"] <= row["start_ns"] < result["window_end_ns"]]
        assert len(inside) > 0.5 * len(mine)
    metadata = pq.read_schema(members[2].samples / "part-00000-w01-00.parquet").metadata
    assert metadata[b"worker"] == b"1"
    assert int(metadata[b"clock_uncertainty_ns"]) > 0

    # Deletes: what one has used up no other tries again, in the next trial neither.
    for index in (1, 2):
        before, server.requests = len(stand(server, delete)), Counter()
        master.send(request("measure", server, delete, index))
        found = master.done()
        deleted = len(rows(members, found))
        made = server.requests["PUT object"] - (index == 1)  # the first one proves the bucket
        assert found["problem"] == ""
        assert len(stand(server, delete)) == before + made - deleted

    # Fewer users than workers: one takes no part, and nobody is missed.
    master.send(request("measure", server, alone, 3))
    found = master.done()
    assert {row["worker"] for row in rows(members, found)} == {0}
    assert crew.LOST not in found["result"]["stamps"]

    for each in (put, delete, alone):
        master.send(request("clean_up", server, each, 4))
        assert master.done()["problem"] == ""
    assert server.buckets == {}

    # A worker takes no orders from elsewhere.
    members[1].send(request("measure", server, put, 5))
    assert "master" in members[1].done()["problem"]

    for member in members:
        member.close()
    assert [member.process.wait(10) for member in members] == [0, 0, 0]


def test_a_lost_worker_stamps_its_trial_and_the_next_goes_on_without_it(
    server: FakeS3, crew_of: Callable[[Load, int], list[Member]]
) -> None:
    put = workload("put", duration_s=1.5)
    short = workload("get", concurrency=2, duration_s=0.3)
    members = crew_of(load_of(put, short), 2)
    master, first, second = members
    told: list[dict[str, Any]] = []

    def kill_once(progress: dict[str, Any]) -> None:
        if not told:
            second.kill()
        told.append(progress)

    master.send(request("measure", server, put))
    found = master.done(kill_once)
    assert told, "progress was told while the trial ran"
    assert found["problem"] == ""
    assert crew.LOST in found["result"]["stamps"]
    assert {row["worker"] for row in rows(members, found)} == {0}, "what the other one measured is kept"

    # All users are the other's now, and it finds and removes what the lost one left.
    master.send(request("measure", server, put, 1))
    after = master.done()
    assert after["problem"] == ""
    assert crew.LOST in after["result"]["stamps"]
    assert {row["worker"] for row in rows(members, after)} == {0}
    assert server.objects() == {}

    # With nobody left it is said, not waited for.
    first.kill()
    master.send(request("measure", server, short, 2))
    assert "no worker" in master.done()["problem"]
    master.close()
    assert master.process.wait(10) == 0


def test_a_worker_that_was_cut_off_takes_part_again(server: FakeS3, crew_of: Callable[[Load, int], list[Member]]) -> None:
    get = workload("get", duration_s=2.0)
    master, first, second = members = crew_of(load_of(get), 2)
    stopped: list[float] = []

    def stop_once(_: dict[str, Any]) -> None:
        if not stopped:
            # It keeps its connections and says nothing: what a cut network looks like.
            first.process.send_signal(signal.SIGSTOP)
            stopped.append(monotonic())

    master.send(request("measure", server, get))
    found = master.done(stop_once)
    assert crew.LOST in found["result"]["stamps"]
    assert {row["worker"] for row in rows(members, found)} == {1}

    first.process.send_signal(signal.SIGCONT)
    give_up = monotonic() + LIMIT_S
    workers: set[int] = set()
    while workers != {0, 1} and monotonic() < give_up:
        master.send(request("measure", server, get))
        found = master.done()
        assert found["problem"] == ""
        workers = {row["worker"] for row in rows(members, found)}
        assert (crew.LOST in found["result"]["stamps"]) == (workers != {0, 1})
    assert workers == {0, 1}
    assert second.process.poll() is None


def test_workers_end_with_their_operator_also_before_a_master_is_there(tmp_path: Path) -> None:
    role = {"kind": "worker", "master": MASTER, "port": 9, "index": 0}
    worker = Member(tmp_path / "early", role, load_of(workload("put")))
    try:
        assert worker.lines.get(timeout=LIMIT_S)["event"] == "alive", "it says that it lives while it waits"
        worker.close()
        assert worker.process.wait(10) == 0
    finally:
        worker.kill()


def test_a_master_whose_port_is_taken_says_so(tmp_path: Path) -> None:
    with socket.create_server((MASTER, 0)) as taken:
        role = {"kind": "master", "bind": MASTER, "port": taken.getsockname()[1], "workers": 1}
        master = Member(tmp_path / "master", role, load_of(workload("put")))
        try:
            assert "cannot listen at 127.77.210.1" in master.done()["problem"]
        finally:
            master.kill()


def test_a_worker_that_fails_costs_that_trial_and_no_other(server: FakeS3, crew_of: Callable[[Load, int], list[Member]]) -> None:
    put = workload("put")
    master, _, second = members = crew_of(load_of(put), 2)

    second.samples.rmdir()
    master.send(request("measure", server, put))
    failed = master.done()
    second.samples.mkdir()
    master.send(request("measure", server, put, 1))
    found = master.done()

    assert "could not be written" in failed["problem"]
    assert found["problem"] == ""
    assert {row["worker"] for row in rows(members, found)} == {0, 1}


GATE = """
from gevent import monkey; monkey.patch_all()
from time import perf_counter_ns
from gevent.event import Event
from bench.generator import crew_worker
worker = crew_worker.Worker.__new__(crew_worker.Worker)
worker._gate, worker._send = Event(), lambda *_, **__: None
shift_ns, began_ns = 10**15, perf_counter_ns()
worker._open_at = {3: began_ns + shift_ns + 300_000_000}
worker._stand_at_gate(3, shift_ns)
print(perf_counter_ns() - began_ns)
worker._open_at = {4: 0}
try:
    worker._stand_at_gate(4, shift_ns)
except crew_worker._CalledOff:
    print("called off")
"""


def test_a_gate_opens_at_the_moment_that_the_masters_clock_names_or_not_at_all() -> None:
    # In a process of its own: Locust patches the one that imports it.
    ended = subprocess.run([sys.executable, "-c", GATE], capture_output=True, text=True, timeout=LIMIT_S, check=False)

    waited_ns, last = ended.stdout.split("\n")[:2]
    assert 300_000_000 <= int(waited_ns) < 10_000_000_000, ended.stderr
    assert last == "called off"
