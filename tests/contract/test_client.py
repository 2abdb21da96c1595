"""What every S3 client of the bench must do, whatever the server does to it."""

from __future__ import annotations

import socket
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING

import pytest

from bench import clients
from bench.client import Settings
from bench.content import Content
from tests.fakes import fake_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.client import Client
    from tests.fakes import FakeS3, Fault

SETTINGS = Settings(connections=4, silence_s=0.5, expect_100_continue=False)
BODY = memoryview(bytes(range(256)) * 12_000)
"""3 MB: more than one piece of any client's reading."""


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3() as fake:
        fake.buckets["bucket"] = {}
        yield fake


@pytest.fixture(params=clients.CLIENTS)
def client(request: pytest.FixtureRequest, server: FakeS3) -> Client:
    return clients.load(request.param)(server.endpoint, "access", "secret", SETTINGS)


def test_an_object_comes_back_as_it_was_stored(client: Client) -> None:
    stored = client.put("bucket", "a/key", BODY)
    buffer = bytearray(len(BODY))
    began = perf_counter_ns()
    fetched = client.get("bucket", "a/key", buffer)

    assert (stored.failure, stored.status, stored.bytes) == (None, 200, len(BODY))
    assert (fetched.failure, fetched.status, fetched.bytes) == (None, 200, len(BODY))
    assert began < fetched.first_byte_ns < perf_counter_ns()
    assert buffer == BODY


def test_a_body_too_large_for_memory_is_stored_whole(client: Client, server: FakeS3) -> None:
    content = Content(seed=1, largest_bytes=1)
    body = content.body("key", 9_000_001)
    assert not isinstance(body, memoryview)

    assert client.put("bucket", "key", body).failure is None
    assert server.objects()["key"] == bytes(Content(1, 9_000_001).body("key", 9_000_001))  # type: ignore[arg-type] # a memoryview: it fits now


def test_a_small_buffer_is_used_over_and_over(client: Client) -> None:
    client.put("bucket", "key", BODY)

    fetched = client.get("bucket", "key", bytearray(1000))

    assert (fetched.failure, fetched.bytes) == (None, len(BODY))


def test_an_empty_object_has_no_first_byte(client: Client, server: FakeS3) -> None:
    server.buckets["bucket"]["empty"] = b""

    fetched = client.get("bucket", "empty", bytearray(8))

    assert (fetched.failure, fetched.bytes, fetched.first_byte_ns) == (None, 0, 0)


def test_a_range_gives_exactly_its_bytes(client: Client) -> None:
    client.put("bucket", "key", BODY)
    buffer = bytearray(1000)

    fetched = client.get_range("bucket", "key", 700, 1000, buffer)

    assert (fetched.failure, fetched.status, fetched.bytes) == (None, 206, 1000)
    assert buffer == BODY[700:1700]


def test_a_connection_serves_many_ops(client: Client, server: FakeS3) -> None:
    for number in range(10):
        client.put("bucket", f"key{number}", BODY[:10])
        client.get("bucket", f"key{number}", bytearray(10))

    assert server.connections == 1


def test_pages_hold_the_keys_behind_the_given_one(client: Client, server: FakeS3) -> None:
    server.buckets["bucket"] = {f"p/{number}": b"x" * number for number in range(5)} | {"q/0": b""}

    page = client.list_page("bucket", "p/", "p/1", 2)
    last = client.list_page("bucket", "p/", "p/3", 2)

    assert (page.entries, page.more) == ((("p/2", 2), ("p/3", 3)), True)
    assert (last.entries, last.more) == ((("p/4", 4),), False)


def test_deleting_is_a_success_whether_or_not_there_was_an_object(client: Client, server: FakeS3) -> None:
    server.buckets["bucket"] = {"a": b"", "b": b"", "c": b""}

    outcomes = [client.delete("bucket", "a"), client.delete("bucket", "a"), client.delete_many("bucket", ["b", "c", "d"])]

    assert [outcome.failure for outcome in outcomes] == [None, None, None]
    assert server.objects() == {}


def test_buckets_may_be_made_and_removed_twice(client: Client) -> None:
    outcomes = [
        client.make_bucket("other"),
        client.make_bucket("other"),
        client.remove_bucket("other"),
        client.remove_bucket("other"),
    ]

    assert [outcome.failure for outcome in outcomes] == [None] * 4


def test_parts_become_one_object(client: Client, server: FakeS3) -> None:
    upload = client.create_upload("bucket", "key").token
    tags = [client.upload_part("bucket", "key", upload, number, BODY[:5]).token for number in (1, 2)]

    assert client.list_uploads("bucket", "k") == (("key", upload),)
    assert client.complete_upload("bucket", "key", upload, tags).failure is None
    assert server.objects() == {"key": bytes(BODY[:5]) * 2}


def test_an_upload_may_be_given_up_twice(client: Client) -> None:
    upload = client.create_upload("bucket", "key").token

    assert client.abort_upload("bucket", "key", upload).failure is None
    assert client.abort_upload("bucket", "key", upload).failure is None
    assert client.list_uploads("bucket", "") == ()


FAULTS: dict[Fault, tuple[int, str]] = {
    "slow_down": (503, "s3/throttled/SlowDown"),
    "bare_503": (503, "http/throttled/503"),
    "denied": (403, "s3/denied/AccessDenied"),
    "full": (507, "s3/full/InsufficientStorage"),
    "reset": (0, "network/reset/ECONNRESET"),
    "closed": (0, "network/closed/RemoteDisconnected"),
    "hang": (0, "timeout/read/ReadTimeoutError"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_what_goes_wrong_is_an_outcome_and_one_attempt(client: Client, server: FakeS3, method: str, fault: Fault) -> None:
    server.buckets["bucket"]["key"] = b"content"
    server.faults[f"{method} object"] = fault

    is_put = method == "PUT"
    outcome = client.put("bucket", "key", BODY[:7]) if is_put else client.get("bucket", "key", bytearray(7))

    assert (outcome.status, str(outcome.failure), outcome.bytes) == (*FAULTS[fault], 0)
    assert server.requests[f"{method} object"] == 1


def test_a_truncated_body_is_a_closed_connection_with_the_bytes_that_came(client: Client, server: FakeS3) -> None:
    server.buckets["bucket"]["key"] = bytes(BODY)
    server.faults["GET object"] = "truncated"

    outcome = client.get("bucket", "key", bytearray(len(BODY)))

    assert str(outcome.failure).startswith("network/closed/")
    assert (outcome.status, outcome.bytes) == (200, len(BODY) // 2)


def test_the_next_op_after_a_failure_is_not_harmed(client: Client, server: FakeS3) -> None:
    server.buckets["bucket"]["key"] = bytes(BODY)
    for fault in ("truncated", "reset", "hang", "slow_down"):
        server.faults["GET object"] = fault
        client.get("bucket", "key", bytearray(10))
        server.faults.clear()

        assert client.get("bucket", "key", bytearray(10)).failure is None, fault


def test_a_refused_connection_is_named(server: FakeS3) -> None:
    del server
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for name in clients.CLIENTS:
        client = clients.load(name)(f"http://127.0.0.1:{port}", "access", "secret", SETTINGS)

        assert str(client.put("bucket", "key", BODY[:1]).failure) == "network/refused/ECONNREFUSED"


def test_a_page_that_cannot_be_had_is_a_failed_listing(client: Client, server: FakeS3) -> None:
    server.faults["GET list_type"] = "denied"

    assert str(client.list_page("bucket", "", "", 5).outcome.failure) == "s3/denied/AccessDenied"


def test_a_batch_that_the_server_cannot_delete_is_a_failure(client: Client, server: FakeS3) -> None:
    server.faults["POST delete"] = "no_batch_delete"

    assert str(client.delete_many("bucket", ["a"]).failure) == "s3/internal/NotImplemented"


@pytest.mark.parametrize("expect", [False, True])
@pytest.mark.parametrize("name", clients.CLIENTS)
def test_a_body_is_announced_exactly_when_the_run_says_so(server: FakeS3, name: str, expect: bool) -> None:  # noqa: FBT001 - a parameter of the test
    settings = Settings(connections=1, silence_s=5, expect_100_continue=expect)
    client = clients.load(name)(server.endpoint, "access", "secret", settings)

    assert client.put("bucket", "key", BODY[:100]).failure is None
    assert server.headers[-1].get("expect") == ("100-continue" if expect else None)
    assert server.objects()["key"] == BODY[:100]


def test_every_client_file_is_registered() -> None:
    folder = next(iter(clients.__path__))
    files = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}

    assert files == set(clients.CLIENTS)
