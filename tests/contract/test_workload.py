"""What every workload of the bench must keep to: its plan, its ready objects, its failures."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import clients, ops, workloads
from bench.client import Settings
from bench.content import Content
from bench.records import Workload
from bench.workload import Op, Session, WorkloadKind, prefix
from tests.fakes import FakeS3, fake_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKLOAD = Workload(
    name="a/workload of 20 kB",
    op="",
    object_size_bytes=20_000,
    concurrency=1,
    duration_s=1,
    warm_up_s=0,
    objects=12,
    part_size_bytes=6_000,
    mix={"get": 0.4, "put": 0.3, "overwrite": 0.2, "range": 0.1},
)
CONTENT = Content(seed=3, largest_bytes=20_000)


@pytest.fixture(params=workloads.WORKLOADS)
def kind(request: pytest.FixtureRequest) -> WorkloadKind:
    return workloads.load(request.param)


@pytest.fixture
def workload(kind: WorkloadKind) -> Workload:
    return replace(WORKLOAD, op=kind.name)


@pytest.fixture
def server(kind: WorkloadKind, workload: Workload) -> Iterator[FakeS3]:
    """A server on which the workload's objects stand ready."""
    with fake_s3() as fake:
        bodies = {item.key: bytes(CONTENT.body(item.key, item.size_bytes)) for item in kind.ready(workload)}  # type: ignore[arg-type] # they fit into memory
        fake.buckets["bucket"] = bodies
        yield fake


@pytest.fixture
def session(server: FakeS3) -> Session:
    client = clients.load("boto3")(server.endpoint, "a", "s", Settings(connections=1, silence_s=2, expect_100_continue=False))
    return Session(client=client, bucket="bucket", content=CONTENT, buffer=bytearray(20_000), part_size_bytes=6_000)


def plan(kind: WorkloadKind, workload: Workload, seed: int = 1) -> list[Op]:
    """The first ops; all of them where objects are used up."""
    return list(islice(kind.plan(workload, seed), 300))


def test_it_has_the_name_it_is_registered_under(kind: WorkloadKind, request: pytest.FixtureRequest) -> None:
    assert kind.name in request.node.name


def test_every_workload_file_is_registered() -> None:
    files = {path.stem for path in Path(next(iter(workloads.__path__))).glob("*.py")} - {"__init__"}

    assert files == set(workloads.WORKLOADS)


def test_the_same_seed_gives_the_same_ops(kind: WorkloadKind, workload: Workload) -> None:
    assert plan(kind, workload) == plan(kind, workload)


def test_another_seed_gives_other_ops(kind: WorkloadKind, workload: Workload) -> None:
    same = plan(kind, workload, 1) == plan(kind, workload, 2)

    assert same == kind.uses_up, "objects that are used up go in the order of their keys"


def test_a_plan_ends_only_where_objects_are_used_up(kind: WorkloadKind, workload: Workload) -> None:
    assert len(plan(kind, workload)) == (workload.objects if kind.uses_up else 300)


def test_all_keys_lie_under_the_workloads_prefix(kind: WorkloadKind, workload: Workload) -> None:
    keys = [op.key for op in plan(kind, workload)] + [item.key for item in kind.ready(workload)]

    assert all(key.startswith(prefix(workload)) for key in keys)
    assert prefix(workload).count("/") == 1


def test_created_keys_are_new_and_others_stand_ready(kind: WorkloadKind, workload: Workload) -> None:
    ready = {item.key for item in kind.ready(workload)}
    created = [op.key for op in plan(kind, workload) if op.name in kind.creates]

    assert len(set(created)) == len(created)
    assert not ready & set(created)
    assert {op.key for op in plan(kind, workload) if op.name not in kind.creates} <= ready


def test_no_two_trials_create_the_same_key(kind: WorkloadKind, workload: Workload) -> None:
    first, second = ({op.key for op in plan(kind, workload, seed) if op.name in kind.creates} for seed in (1, 2))

    assert not first & second


def test_its_ops_succeed_on_a_sound_server(kind: WorkloadKind, workload: Workload, session: Session) -> None:
    for op in islice(kind.plan(workload, 1), 12):
        outcome = kind.perform(session, op)

        assert outcome.failure is None, op
        assert outcome.bytes == op.size_bytes or op.name in {"list", "delete"}
        if op.name in ops.READS:
            assert ops.verify_read(session, op) is None
        if op.name in ops.WRITES:
            assert ops.verify_stored(session, op).failure is None


def test_a_server_that_refuses_everything_gives_failures_and_no_exception(
    kind: WorkloadKind, workload: Workload, session: Session, server: FakeS3
) -> None:
    requests = ("PUT object", "GET object", "DELETE object", "GET list_type", "POST uploads")
    server.faults = dict.fromkeys(requests, "denied")
    for op in islice(kind.plan(workload, 1), 12):
        assert str(kind.perform(session, op).failure) == "s3/denied/AccessDenied"


def test_nothing_ready_to_read_is_a_problem_in_a_sentence(kind: WorkloadKind, workload: Workload) -> None:
    problem = kind.problem(replace(workload, objects=0))

    assert bool(problem) == bool(list(kind.ready(workload)))
    assert not problem or ("objects" in problem and workload.name in problem and problem.endswith("."))
    assert kind.problem(workload) == ""


@pytest.mark.parametrize("size", [1, 3, 4096])
def test_the_smallest_objects_work_too(kind: WorkloadKind, workload: Workload, size: int) -> None:
    small = replace(workload, object_size_bytes=size, objects=2)

    for op in plan(kind, small)[:20]:
        assert 0 <= op.start <= size
        assert op.start + op.size_bytes <= size


def session_on(server: FakeS3, buffer_bytes: int = 20_000) -> Session:
    client = clients.load("boto3")(server.endpoint, "a", "s", Settings(connections=1, silence_s=2, expect_100_continue=False))
    return Session(client=client, bucket="bucket", content=CONTENT, buffer=bytearray(buffer_bytes), part_size_bytes=6_000)


@pytest.fixture
def stored() -> Iterator[FakeS3]:
    """A server with one object, `key`."""
    with fake_s3() as fake:
        fake.buckets["bucket"] = {"key": bytes(CONTENT.body("key", 20_000))}  # type: ignore[arg-type] # it fits into memory
        yield fake


def test_a_wrong_size_is_an_integrity_failure_and_not_a_success(stored: FakeS3) -> None:
    stored.faults["GET object"] = "short"

    outcome = ops.get(session_on(stored), Op(name="get", key="key", size_bytes=20_000))

    assert (str(outcome.failure), outcome.bytes) == ("integrity/wrong_size/fewer", 19_999)


def test_one_wrong_bit_is_found(stored: FakeS3) -> None:
    session, op = session_on(stored), Op(name="get", key="key", size_bytes=20_000)
    stored.faults["GET object"] = "wrong_bytes"

    assert ops.get(session, op).failure is None
    assert str(ops.verify_read(session, op)) == "integrity/wrong_digest/sha256"


@pytest.mark.parametrize("buffer_bytes", [20_000, 999])
def test_a_stored_object_is_verified_whatever_the_buffers_size(stored: FakeS3, buffer_bytes: int) -> None:
    session, op = session_on(stored, buffer_bytes), Op(name="put", key="key", size_bytes=20_000)
    sound = ops.verify_stored(session, op)
    damaged = bytearray(stored.objects()["key"])
    damaged[-1] ^= 1
    stored.buckets["bucket"]["key"] = bytes(damaged)

    assert (sound.failure, sound.bytes) == (None, 20_000)
    assert str(ops.verify_stored(session, op).failure) == "integrity/wrong_digest/sha256"


def test_a_listing_that_misses_a_key_is_an_integrity_failure(stored: FakeS3) -> None:
    op = Op(name="list", key="p/0", size_bytes=0, expected=("p/1", "p/2"))
    stored.buckets["bucket"] = {"p/0": b"", "p/1": b""}

    assert str(ops.list_page(session_on(stored), op).failure) == "integrity/wrong_listing/fewer"


@pytest.mark.parametrize("broken", ["PUT uploadid", "POST uploadid"])
def test_a_failed_upload_is_given_up(stored: FakeS3, broken: str) -> None:
    stored.faults[broken] = "slow_down"

    outcome = ops.multipart(session_on(stored), Op(name="multipart", key="new", size_bytes=20_000))

    assert str(outcome.failure) == "s3/throttled/SlowDown"
    assert stored.requests["DELETE uploadid"] == 1
    assert stored.uploads == {}


def test_a_multipart_upload_has_parts_of_the_size_asked_for(stored: FakeS3) -> None:
    outcome = ops.multipart(session_on(stored), Op(name="multipart", key="new", size_bytes=20_000))

    assert (outcome.failure, outcome.bytes) == (None, 20_000)
    assert stored.requests["PUT uploadid"] == 4
    assert stored.objects()["new"] == bytes(CONTENT.body("new", 20_000))  # type: ignore[arg-type] # it fits into memory


@pytest.mark.parametrize(
    ("mix", "word"), [({"delete": 1.0}, "delete"), ({}, "nothing"), ({"get": 0.0}, "nothing"), ({"get": -1.0}, "nothing")]
)
def test_a_mix_that_makes_no_sense_is_a_problem(mix: dict[str, float], word: str) -> None:
    assert word in workloads.load("mixed").problem(replace(WORKLOAD, mix=mix))


def test_a_mix_keeps_to_its_shares() -> None:
    names = [op.name for op in islice(workloads.load("mixed").plan(WORKLOAD, 5), 5000)]

    shares = {name: names.count(name) / 5000 for name in WORKLOAD.mix}
    assert shares == pytest.approx(WORKLOAD.mix, abs=0.03)


def test_more_parts_than_s3_allows_are_a_problem() -> None:
    assert "part_size" in workloads.load("multipart").problem(replace(WORKLOAD, part_size_bytes=1))
