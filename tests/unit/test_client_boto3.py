"""What is taken out of boto3, and what is not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import botocore.handlers
import pytest

from bench.client import Settings
from bench.clients.boto3 import Boto3Client, connect
from tests.fakes import fake_s3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes import FakeS3

SETTINGS = Settings(connections=3, silence_s=2.0, expect_100_continue=False)


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3() as fake:
        fake.buckets["bucket"] = {"key": b"content"}
        yield fake


@pytest.fixture
def client(server: FakeS3) -> Boto3Client:
    client = connect(server.endpoint, "access", "secret", SETTINGS)
    assert isinstance(client, Boto3Client)
    return client


def handlers(client: Boto3Client, event: str) -> list[object]:
    """The handlers that botocore would call for that event."""
    return list(client._s3.meta.events._emitter._handlers.prefix_search(event))


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("before-call.s3.PutObject", "add_expect_header"),
        ("before-call.s3.PutObject", "add_recursion_detection_header"),
        ("before-parameter-build.s3.PutObject", "generate_idempotent_uuid"),
        ("before-parameter-build.s3.PutObject", "validate_bucket_name"),
        ("before-parameter-build.s3.PutObject", "validate_ascii_metadata"),
        ("before-parameter-build.s3.PutObject", "convert_body_to_file_like_object"),
        ("before-parameter-build.s3.UploadPart", "convert_body_to_file_like_object"),
        ("before-parameter-build.s3.PutObject", "sse_md5"),
        ("before-parameter-build.s3.GetObject", "sse_md5"),
        ("before-parse.s3.GetObject", "handle_expires_header"),
        ("before-parse.s3.ListObjectsV2", "_handle_200_error"),
    ],
)
def test_a_handler_that_only_costs_time_is_gone(client: Boto3Client, event: str, name: str) -> None:
    handler = getattr(botocore.handlers, name)

    assert handler not in handlers(client, event)


def test_an_error_inside_a_200_is_still_looked_for_where_s3_sends_one(client: Boto3Client) -> None:
    assert botocore.handlers._handle_200_error in handlers(client, "before-parse.s3.CompleteMultipartUpload")


def test_bodies_are_neither_hashed_nor_sent_in_chunks(client: Boto3Client, server: FakeS3) -> None:
    client.put("bucket", "new", memoryview(b"body"))

    sent = server.headers[-1]
    assert sent["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert sent["content-length"] == "4"
    assert not [name for name in sent if "checksum" in name or name in {"content-md5", "transfer-encoding"}]


def test_every_request_is_signed(client: Boto3Client, server: FakeS3) -> None:
    client.get("bucket", "key", bytearray(7))

    assert server.headers[-1]["authorization"].startswith("AWS4-HMAC-SHA256 Credential=access/")


def test_a_proxy_of_the_environment_is_not_measured_along(server: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    client = connect(server.endpoint, "access", "secret", SETTINGS)

    assert client.get("bucket", "key", bytearray(7)).failure is None


def test_nothing_in_the_parents_path_imports_boto3_locust_or_gevent() -> None:
    steering = "bench.generator.local, bench.generator.remote, bench.generator.porter"
    code = f"import sys, {steering}, bench.errors, bench.workloads, bench.clients; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.split()

    assert not {"boto3", "botocore", "locust", "gevent", "pyarrow"} & set(loaded)
