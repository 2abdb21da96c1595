"""Every way an op can fail has one short name, and never carries a key or an id."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from itertools import pairwise

import botocore.exceptions as botocore
import pytest
import urllib3.exceptions as urllib3
from botocore.parsers import ResponseParserError

from bench.errors import CowbenchError, InputError, classify

URL = "http://127.0.0.1:9/bucket/secret-key"


def answered(status: int, code: str) -> botocore.ClientError:
    return botocore.ClientError(
        {"Error": {"Code": code, "Message": "key secret-key"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )


def nested(*errors: Exception) -> Exception:
    """The errors as if each had been raised from the next one."""
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


def closed(inner: Exception) -> botocore.ConnectionClosedError:
    return botocore.ConnectionClosedError(error=urllib3.ProtocolError("Connection aborted.", inner), endpoint_url=URL)


def unconnected(inner: Exception) -> botocore.EndpointConnectionError:
    failed = urllib3.NewConnectionError(None, f"Failed to establish a new connection: {inner}")  # type: ignore[arg-type] # only kept
    return botocore.EndpointConnectionError(endpoint_url=URL, error=nested(failed, inner))


CASES = (
    (answered(503, "SlowDown"), "s3/throttled/SlowDown"),
    (answered(503, "ServiceUnavailable"), "s3/throttled/ServiceUnavailable"),
    (answered(403, "AccessDenied"), "s3/denied/AccessDenied"),
    (answered(403, "SignatureDoesNotMatch"), "s3/denied/SignatureDoesNotMatch"),
    (answered(404, "NoSuchKey"), "s3/not_found/NoSuchKey"),
    (answered(404, "NoSuchBucket"), "s3/not_found/NoSuchBucket"),
    (answered(507, "XMinioStorageFull"), "s3/full/XMinioStorageFull"),
    (answered(400, "MalformedXML"), "s3/invalid/MalformedXML"),
    (answered(400, "XAmzContentSHA256Mismatch"), "s3/invalid/XAmzContentSHA256Mismatch"),
    (answered(500, "InternalError"), "s3/internal/InternalError"),
    (answered(500, "SomethingNew"), "s3/internal/SomethingNew"),
    (answered(500, "4442587FB7D0A2F9"), "s3/internal/other"),
    (answered(500, "a/key with spaces"), "s3/internal/other"),
    (answered(500, "x" * 200), "s3/internal/other"),
    (answered(503, "503"), "http/throttled/503"),
    (answered(404, "404"), "http/not_found/404"),
    (answered(502, ""), "http/internal/502"),
    (answered(413, "413"), "http/invalid/413"),
    (answered(307, "307"), "http/redirected/307"),
    (ResponseParserError(f"Unable to parse response, {URL}"), "http/malformed/ResponseParserError"),
    (closed(http.client.BadStatusLine("nonsense")), "http/malformed/BadStatusLine"),
    (unconnected(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), "network/refused/ECONNREFUSED"),
    (unconnected(OSError(errno.EHOSTUNREACH, "no route")), "network/unreachable/EHOSTUNREACH"),
    (unconnected(OSError(errno.EADDRNOTAVAIL, "no ports")), "client/limit/EADDRNOTAVAIL"),
    (unconnected(OSError(errno.EMFILE, "too many files")), "client/limit/EMFILE"),
    (unconnected(ValueError("odd")), "network/unreachable/EndpointConnectionError"),
    (unconnected(socket.gaierror(socket.EAI_NONAME, "unknown name")), "network/dns/gaierror"),
    (closed(ConnectionResetError(errno.ECONNRESET, "reset")), "network/reset/ECONNRESET"),
    (closed(BrokenPipeError(errno.EPIPE, "pipe")), "network/reset/EPIPE"),
    (closed(http.client.RemoteDisconnected("gone")), "network/closed/RemoteDisconnected"),
    (closed(ValueError("odd")), "network/closed/ConnectionClosedError"),
    (botocore.IncompleteReadError(actual_bytes=1, expected_bytes=2), "network/closed/IncompleteReadError"),
    (
        botocore.ResponseStreamingError(error=urllib3.ProtocolError("broken", ConnectionResetError(errno.ECONNRESET, "x"))),
        "network/reset/ECONNRESET",
    ),
    (botocore.ConnectTimeoutError(endpoint_url=URL, error=TimeoutError("timed out")), "timeout/connect/ConnectTimeoutError"),
    (nested(botocore.ReadTimeoutError(endpoint_url=URL), TimeoutError("timed out")), "timeout/read/ReadTimeoutError"),
    (closed(TimeoutError("timed out")), "timeout/write/TimeoutError"),
    (unconnected(OSError(errno.ETIMEDOUT, "timed out")), "timeout/connect/ETIMEDOUT"),
    (
        botocore.SSLError(endpoint_url=URL, error=ssl.SSLCertVerificationError(1, "self-signed")),
        "tls/certificate/SSLCertVerificationError",
    ),
    (botocore.SSLError(endpoint_url=URL, error=ssl.SSLError(1, "wrong version")), "tls/handshake/SSLError"),
    (botocore.NoCredentialsError(), "client/credentials/NoCredentialsError"),
    (botocore.ParamValidationError(report="key"), "client/parameters/ParamValidationError"),
    (KeyError("secret-key"), "client/unexpected/KeyError"),
)


@pytest.mark.parametrize(("error", "expected"), CASES, ids=[f"{number}-{text}" for number, (_, text) in enumerate(CASES)])
def test_a_failure_is_named_by_its_layer_kind_and_code(error: Exception, expected: str) -> None:
    assert expected == str(classify(error))


@pytest.mark.parametrize(("error", "expected"), CASES)
def test_no_failure_carries_a_key_an_address_or_an_id(error: Exception, expected: str) -> None:
    text = str(classify(error))

    assert len(text) < 80, expected
    assert not any(private in text for private in ("secret", "127.0.0.1", "4442587"))


def test_an_exception_that_is_its_own_cause_is_classified_once() -> None:
    error = ValueError("around")
    error.__context__ = KeyError("inner")
    error.__context__.__context__ = error

    assert str(classify(error)) == "client/unexpected/ValueError"


def test_a_users_error_says_what_where_and_what_to_do_next() -> None:
    error = InputError("the matrix is empty", where="m.yaml:1", next_step="add a cell")

    assert str(error) == "m.yaml:1: the matrix is empty\n  next: add a cell"
    assert isinstance(error, CowbenchError)
    assert error.exit_code == 2
