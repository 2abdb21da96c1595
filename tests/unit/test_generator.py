"""The load generator end to end, against a server in memory: a real child process, real samples on disk."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow.parquet as pq
import pytest

from bench import workloads
from bench.content import Content
from bench.generator import Generator, Progress, process
from bench.records import Cell, HostFacts, Load, Sample, ServerFacts, Target, Trial, TrialResult, Workload
from tests.fakes import fake_s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fakes import FakeS3, Fault

SECRET = "a-very-secret-key"  # a throw-away value that the tests look for
SIZE = 4096


def workload(op: str, **changes: Any) -> Workload:
    known: dict[str, Any] = {
        "name": op,
        "op": op,
        "object_size_bytes": SIZE,
        "concurrency": 2,
        "duration_s": 0.3,
        "warm_up_s": 0.05,
        "objects": 8,
        "part_size_bytes": 1500,
        "mix": {"get": 0.5, "put": 0.5},
    }
    return Workload(**{**known, **changes})


def load(*each: Workload, **changes: Any) -> Load:
    known: dict[str, Any] = {"blocks": 1, "seed": 11, "client": "boto3", "expect_100_continue": False, "verify_share": 0.2}
    return Load(**{**known, "op_timeout_s": 2.0, "workloads": each, **changes})


def target(server: FakeS3) -> Target:
    axes = ("cloud", "region", "instance_type", "disk", "machine_image", "engine", "driver", "backing_filesystem", "server")
    cell = Cell(name="cell", host="host", data_placement="volume", **dict.fromkeys(axes, "any"))
    host = HostFacts(
        kernel="", operating_system="", cpus=2, memory_bytes=0, engine_version="", containerd_version="", runc_version="",
        storage_driver="", image_store="graphdriver", driver_status={}, backing_filesystem="", mount_options="", mkfs="",
        disk_bytes=0, direct_io=False, cgroup_version="2", emulated=False,
    )  # fmt: skip
    facts = ServerFacts(
        name="", version="", layout="", image="", image_id="", content_digest="", container_id="", data_path="", command=()
    )
    return Target(cell=cell, endpoint=server.endpoint, engine_url="", credential="root", host=host, server=facts)


def trial(op: str, index: int = 0, seed: int = 5) -> Trial:
    return Trial(index=index, block=0, position=0, cell="cell", workload=op, seed=seed)


def rows(samples: Path, result: TrialResult) -> list[dict[str, Any]]:
    tables = [pq.read_table(samples / part) for part in result.parts]
    return [row for table in tables for row in table.to_pylist()]


def nobody(_: Progress) -> None:
    """Looks at no progress."""


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3() as fake:
        yield fake


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    return folder


@pytest.fixture
def generator(samples: Path, tmp_path: Path) -> Iterator[Callable[[Load], Generator]]:
    """Makes generators that are closed after the test."""
    made: list[Generator] = []

    def make(plan: Load) -> Generator:
        made.append(Generator(load=plan, credentials={"root": ("access", SECRET)}, samples=samples, log=tmp_path / "log"))
        return made[-1].__enter__()

    yield make
    for each in made:
        each.close()


def child_of(generator: Generator) -> psutil.Process:
    assert generator._child is not None
    return psutil.Process(generator._child.pid)


def until(true: Callable[[], bool], within_s: float = 20.0) -> bool:
    give_up = monotonic() + within_s
    while not true() and monotonic() < give_up:
        sleep(0.02)
    return true()


def test_the_child_is_patched_before_anything_else(server: FakeS3, generator: Callable[[Load], Generator]) -> None:
    put = workload("put")
    made = generator(load(put))
    assert made.prepare(target(server), put) == ""
    assert made._child is not None
    facts = made._child.facts

    assert facts["patched"]
    assert facts["patched_first"], "something imported ssl before gevent could replace sockets"


def test_every_workload_becomes_samples_and_leaves_nothing(
    server: FakeS3, samples: Path, generator: Callable[[Load], Generator]
) -> None:
    each = tuple(workload(op) for op in workloads.WORKLOADS)
    made = generator(load(*each))
    for index, one in enumerate(each):
        assert made.prepare(target(server), one) == ""
        before = dict(server.objects())
        result = made.measure(trial(one.op, index), target(server), nobody)
        found = [row for row in rows(samples, result) if row["op"] != "verify"]

        assert result.problem == ""
        assert {row["error"] for row in found} == {""}, one.op
        assert {row["op"] for row in found} == ({"get", "put"} if one.op == "mixed" else {one.op})
        assert {row["trial"] for row in found} == {index}
        assert result.samples == len(rows(samples, result)) > 0
        if not workloads.load(one.op).uses_up:
            assert server.objects() == before, f"{one.op} left objects behind"
        assert made.clean_up(target(server), one) == ""

    assert server.buckets == {}
    assert not list(samples.glob("*.partial"))


def test_samples_have_the_columns_of_the_record_and_sensible_times(
    server: FakeS3, samples: Path, generator: Callable[[Load], Generator]
) -> None:
    result = generator(load(workload("get"))).measure(trial("get"), target(server), nobody)

    table = pq.read_table(samples / result.parts[0])
    assert table.column_names == [field.name for field in fields(Sample)]
    assert result.parts == ("part-00000-00.parquet",)
    for row in table.to_pylist():
        assert row["due_ns"] == row["start_ns"] < row["first_byte_ns"] < row["end_ns"]
        assert (row["size_bytes"], row["bytes"], row["status"], row["attempt"], row["worker"]) == (SIZE, SIZE, 200, 1, 0)
    assert any(row["start_ns"] < result.window_start_ns for row in table.to_pylist()), "warm-up ops are samples too"
    assert all(row["start_ns"] < result.window_end_ns for row in table.to_pylist()), "no op begins after the window"
    assert result.window_end_ns - result.window_start_ns == 300_000_000


def test_part_files_say_which_trial_they_are_of(server: FakeS3, samples: Path, generator: Callable[[Load], Generator]) -> None:
    result = generator(load(workload("put"))).measure(trial("put", index=7, seed=9), target(server), nobody)

    metadata = pq.read_schema(samples / result.parts[0]).metadata
    assert {b"trial": b"7", b"seed": b"9", b"worker": b"0", b"schema": b"1"}.items() <= metadata.items()


def test_every_put_is_read_back_when_all_are_to_be_verified(
    server: FakeS3, samples: Path, generator: Callable[[Load], Generator]
) -> None:
    result = generator(load(workload("put"), verify_share=1.0)).measure(trial("put"), target(server), nobody)

    names = [row["op"] for row in rows(samples, result)]
    verified = [row for row in rows(samples, result) if row["op"] == "verify"]
    assert names.count("verify") == names.count("put")
    assert all(row["start_ns"] > result.window_end_ns and row["error"] == "" for row in verified)


def test_the_same_seed_writes_the_same_keys_on_two_targets(generator: Callable[[Load], Generator]) -> None:
    made = generator(load(workload("put"), verify_share=0.0))
    seen = []
    for _ in range(2):
        with fake_s3() as server:
            server.faults["POST delete"] = "denied"
            server.faults["DELETE object"] = "denied"
            made.measure(trial("put"), target(server), nobody)
            seen.append(sorted(server.objects()))

    shorter = min(map(len, seen))
    assert shorter > 0
    assert seen[0][:shorter] == seen[1][:shorter]


def test_objects_are_made_of_what_their_keys_say(server: FakeS3, generator: Callable[[Load], Generator]) -> None:
    get = workload("get")
    assert generator(load(get)).prepare(target(server), get) == ""

    content = Content(11, SIZE)
    assert server.objects() == {key: bytes(content.body(key, SIZE)) for key in server.objects()}  # type: ignore[arg-type] # they fit into memory
    assert len(server.objects()) == get.objects


FAULTS: dict[Fault, str] = {
    "slow_down": "s3/throttled/SlowDown",
    "bare_503": "http/throttled/503",
    "reset": "network/reset/ECONNRESET",
    "closed": "network/closed/RemoteDisconnected",
    "truncated": "network/closed/IncompleteReadError",
    "short": "integrity/wrong_size/fewer",
    "wrong_bytes": "integrity/wrong_digest/sha256",
    "hang": "timeout/read/ReadTimeoutError",
}


def test_each_failure_is_a_sample_with_its_name(server: FakeS3, samples: Path, generator: Callable[[Load], Generator]) -> None:
    get = workload("get", duration_s=0.15)
    made = generator(load(get, verify_share=1.0, op_timeout_s=1.5))
    assert made.prepare(target(server), get) == ""
    for index, (fault, expected) in enumerate(FAULTS.items()):
        server.faults["GET object"] = fault
        result = made.measure(trial("get", index), target(server), nobody)

        assert {row["error"] for row in rows(samples, result)} == {expected}, fault
        assert result.problem == ""
        # A server that drops every connection is gone; one that answers is not, whatever it answers.
        assert ("server_gone" in result.stamps) == (expected.split("/")[0] in {"network", "timeout"})


def test_a_drip_that_never_ends_is_cut_off_at_the_ops_timeout(samples: Path, generator: Callable[[Load], Generator]) -> None:
    get = workload("get", duration_s=0.1)
    made = generator(load(get, op_timeout_s=1.5))
    with fake_s3() as server:
        assert made.prepare(target(server), get) == ""
        server.faults["GET object"] = "drip"
        found = rows(samples, made.measure(trial("get"), target(server), nobody))

    assert {row["error"] for row in found} == {"timeout/total/op"}
    assert all(0.4e9 < row["end_ns"] - row["start_ns"] < 3e9 for row in found)


def test_preparing_ends_too_when_a_server_drips(generator: Callable[[Load], Generator]) -> None:
    get = workload("get")
    made = generator(load(get, op_timeout_s=1.5))
    with fake_s3() as server:
        server.faults["GET list_type"] = "drip"

        assert "timeout/total/op" in made.prepare(target(server), get)


def test_a_server_that_went_away_is_stamped(samples: Path, generator: Callable[[Load], Generator]) -> None:
    get = workload("get")
    with fake_s3() as server:
        made = generator(load(get))
        place = target(server)
        assert made.prepare(place, get) == ""
        made.measure(trial("get", 0), place, nobody)
    result = made.measure(trial("get", 1), place, nobody)

    assert "server_gone" in result.stamps
    assert {row["error"].split("/")[0] for row in rows(samples, result)} == {"network"}


def test_objects_that_run_out_are_stamped_and_there_are_more_next_time(
    server: FakeS3, generator: Callable[[Load], Generator]
) -> None:
    # Large enough that the first guess is bounded by bytes: two objects, gone at once.
    delete = workload("delete", object_size_bytes=1 << 28, objects=1, duration_s=0.2, concurrency=1)
    made = generator(load(delete, verify_share=0.0, op_timeout_s=20.0))
    first = made.measure(trial("delete", 0), target(server), nobody)

    assert "ran_out" in first.stamps
    assert (first.samples, first.problem) == (2, "")


def test_failures_in_preparing_are_a_sentence_and_a_trial_without_samples(
    server: FakeS3, generator: Callable[[Load], Generator]
) -> None:
    get = workload("get")
    made = generator(load(get))
    server.faults["PUT object"] = "denied"

    problem = made.prepare(target(server), get)
    result = made.measure(trial("get"), target(server), nobody)

    assert "s3/denied/AccessDenied" in problem
    assert problem.endswith(".")
    assert (result.problem, result.samples, result.parts, result.health) == (problem, 0, (), None)


def test_strangers_under_the_prefix_are_removed_and_ready_objects_kept(
    server: FakeS3, generator: Callable[[Load], Generator]
) -> None:
    get = workload("get")
    generator(load(get)).prepare(target(server), get)
    server.buckets["cowbench"]["get/new/left-by-a-killed-trial"] = b"x"
    server.buckets["cowbench"]["get/ready/00000003"] = b"of another size"
    server.requests.clear()

    # A new child knows nothing: it must look.
    assert generator(load(get)).prepare(target(server), get) == ""

    assert len(server.objects()) == get.objects
    assert {len(body) for body in server.objects().values()} == {SIZE}
    assert server.requests["PUT object"] == 2, "one that proves the bucket, one that was wrong; the others are not put again"


def test_a_server_without_batch_delete_is_cleaned_one_by_one(server: FakeS3, generator: Callable[[Load], Generator]) -> None:
    server.faults["POST delete"] = "no_batch_delete"
    put = workload("put")

    generator(load(put)).measure(trial("put"), target(server), nobody)

    assert server.objects() == {}
    assert server.requests["DELETE object"] > 0


def test_cleaning_up_one_workload_leaves_the_others_alone(server: FakeS3, generator: Callable[[Load], Generator]) -> None:
    get, overwrite = workload("get"), workload("overwrite")
    made = generator(load(get, overwrite))
    made.prepare(target(server), get)
    made.prepare(target(server), overwrite)

    assert made.clean_up(target(server), get) == ""

    assert len(server.objects()) == overwrite.objects
    assert made.measure(trial("get"), target(server), nobody).problem == ""


def test_progress_comes_while_the_trial_runs(server: FakeS3, generator: Callable[[Load], Generator]) -> None:
    seen: list[Progress] = []
    result = generator(load(workload("get", duration_s=1.0))).measure(trial("get"), target(server), seen.append)

    assert len(seen) >= 2
    assert [each.ops for each in seen] == sorted(each.ops for each in seen)
    assert 0 < seen[-1].ops <= result.samples
    assert seen[-1].bytes_per_s > 0


def test_the_generators_own_health_is_within_bounds(server: FakeS3, generator: Callable[[Load], Generator]) -> None:
    health = generator(load(workload("put"))).measure(trial("put"), target(server), nobody).health

    assert health is not None
    assert 0 < health.cpu_share < 4
    assert 0 <= health.hub_lag_p99_ns <= health.hub_lag_max_ns
    assert 0 <= health.host_cpu_share <= 1
    assert 0 <= health.host_steal_share <= 1


def test_a_child_that_is_killed_costs_one_trial(
    server: FakeS3, samples: Path, tmp_path: Path, generator: Callable[[Load], Generator]
) -> None:
    put = workload("put", duration_s=5.0)
    short = workload("get")
    made = generator(load(put, short))
    assert made.prepare(target(server), put) == ""
    (samples / "part-00003-00.parquet").write_bytes(b"of the trial that dies")

    result = made.measure(trial("put", 3), target(server), lambda _: child_of(made).kill())
    after = made.measure(trial("get", 4), target(server), nobody)

    assert "killed by signal 9" in result.problem
    assert f"See its log, {tmp_path / 'log'}, for the cause; then measure again." in result.problem
    assert (result.samples, result.parts) == (0, ())
    assert [part.name for part in samples.iterdir()] == ["part-00004-00.parquet"]
    assert after.problem == ""


def test_a_child_that_hangs_is_killed(
    server: FakeS3, generator: Callable[[Load], Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = workload("put", duration_s=5.0)
    made = generator(load(put))
    assert made.prepare(target(server), put) == ""
    monkeypatch.setattr(process, "SILENCE_S", 0.5)
    child = child_of(made)

    result = made.measure(trial("put"), target(server), lambda _: child.suspend())

    assert "said nothing" in result.problem
    assert not child.is_running()


def test_an_interrupted_trial_ends_the_child_and_passes_on(server: FakeS3, generator: Callable[[Load], Generator]) -> None:
    put = workload("put", duration_s=5.0)
    made = generator(load(put))
    assert made.prepare(target(server), put) == ""
    child = child_of(made)

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.measure(trial("put"), target(server), interrupt)

    assert not child.is_running()
    assert made.clean_up(target(server), put) == "", "a new child cleans up"
    assert server.buckets == {}


def test_ctrl_c_in_the_terminal_is_the_parents_to_handle(server: FakeS3, generator: Callable[[Load], Generator]) -> None:
    get = workload("get", duration_s=1.0)
    made = generator(load(get))
    assert made.prepare(target(server), get) == ""

    result = made.measure(trial("get"), target(server), lambda _: child_of(made).send_signal(signal.SIGINT))

    assert result.problem == ""


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.unit import test_generator as t
put = t.workload("put", duration_s=30.0)
class Server: endpoint = {endpoint!r}
made = t.Generator(load=t.load(put), credentials={{"root": ("a", "s")}}, samples=Path({samples!r}), log=Path({log!r}))
made.__enter__()
assert made.prepare(t.target(Server), put) == ""
print(made._child.pid, flush=True)
made.measure(t.trial("put"), t.target(Server), lambda _: print("measuring", flush=True))
"""


def test_the_child_ends_at_once_when_the_parent_is_killed(server: FakeS3, samples: Path, tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    code = PARENT.format(root=root, endpoint=server.endpoint, samples=str(samples), log=str(tmp_path / "log"))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert parent.stdout.readline() == "measuring\n"
        parent.kill()

        assert until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, within_s=5)


def test_the_child_ends_when_the_generator_is_closed(server: FakeS3, generator: Callable[[Load], Generator]) -> None:
    put = workload("put")
    made = generator(load(put))
    made.prepare(target(server), put)
    child = child_of(made)

    made.close()
    made.close()

    assert not child.is_running()


def test_no_secret_is_in_a_command_line_a_log_or_a_file(
    server: FakeS3, samples: Path, tmp_path: Path, generator: Callable[[Load], Generator]
) -> None:
    get = workload("get")
    made = generator(load(get))
    made.prepare(target(server), get)
    server.faults["GET object"] = "denied"
    made.measure(trial("get"), target(server), nobody)

    assert SECRET not in " ".join(child_of(made).cmdline())
    assert SECRET not in (tmp_path / "log").read_text()
    assert all(SECRET.encode() not in part.read_bytes() for part in samples.iterdir())


def test_settings_of_the_users_environment_do_not_reach_the_child(
    server: FakeS3, generator: Callable[[Load], Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "there-is-no-such-profile")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    get = workload("get")
    made = generator(load(get))

    assert made.prepare(target(server), get) == ""
    assert "AWS_PROFILE" not in child_of(made).environ()


def test_samples_that_cannot_be_written_are_the_trials_problem(
    server: FakeS3, samples: Path, generator: Callable[[Load], Generator]
) -> None:
    get = workload("get")
    made = generator(load(get))
    assert made.prepare(target(server), get) == ""
    before = server.objects()
    samples.rmdir()

    result = made.measure(trial("get"), target(server), nobody)

    assert "samples of trial 0 could not be written" in result.problem
    assert "No such file" in result.problem
    assert result.problem.endswith("then measure again.")
    assert (result.parts, server.objects()) == ((), before), "what the trial wrote on the server is removed all the same"


CHILD = """
from gevent import monkey; monkey.patch_all()
import time
from bench.generator import samples, serve
write, count, sleep = samples.write, 0, monkey.get_original("time", "sleep")
samples._PART_NS, samples.WRITE_S = 100_000_000, {patience_s}
def disk(*part):
    global count
    count += 1
    if count == 1:
        {first}
    return write(*part)
samples.write = disk
serve.main(patched_first=True)
"""
"""A child that writes a part as soon as it can, and whose first one the disk treats in its way."""


def on_a_disk(monkeypatch: pytest.MonkeyPatch, first: str, patience_s: float = 60.0) -> None:
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-P", "-c", CHILD.format(first=first, patience_s=patience_s)))


def test_a_part_that_is_being_written_when_the_trial_ends_is_part_of_it(
    server: FakeS3, samples: Path, generator: Callable[[Load], Generator], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_disk(monkeypatch, "sleep(3.0)")
    result = generator(load(workload("get", duration_s=1.5))).measure(trial("get"), target(server), nobody)

    assert result.problem == ""
    assert len(result.parts) == 2
    assert result.samples == len(rows(samples, result)) > 0


@pytest.mark.parametrize(
    "disk",
    [
        pytest.param(('raise OSError(28, "No space left on device")', "No space left on device"), id="full"),
        pytest.param(("sleep(6.0)", "the disk took longer than 2 s"), id="hung"),
        pytest.param(('raise RuntimeError("a fault of ours")', "part-00000-00.parquet was given up"), id="broken"),
    ],
)
def test_a_part_that_is_not_written_while_the_trial_runs_is_its_problem_in_words(
    disk: tuple[str, str],
    server: FakeS3,
    samples: Path,
    generator: Callable[[Load], Generator],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, words = disk
    on_a_disk(monkeypatch, first, patience_s=2.0)
    made = generator(load(workload("put", duration_s=1.5), workload("get")))
    result = made.measure(trial("put"), target(server), nobody)

    assert "the samples of trial 0 could not be written" in result.problem
    assert words in result.problem
    assert result.problem.endswith("then measure again.")
    assert (result.samples, result.parts, list(samples.iterdir()), server.objects()) == (0, (), [], {})
    assert made.measure(trial("get", 1), target(server), nobody).problem == "", "the next trial has the same child"


def test_users_count_no_more_than_the_workload_says(
    server: FakeS3, samples: Path, generator: Callable[[Load], Generator]
) -> None:
    made = generator(load(workload("get", concurrency=4)))
    result = made.measure(trial("get"), target(server), nobody)
    events = sorted(
        edge for row in rows(samples, result) if row["op"] == "get" for edge in ((row["start_ns"], 1), (row["end_ns"], -1))
    )

    in_flight, most = 0, 0
    for _, step in events:
        in_flight += step
        most = max(most, in_flight)
    assert most == 4
