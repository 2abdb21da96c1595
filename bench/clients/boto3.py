"""The reference client: boto3 as users run it, freed of what would measure boto3 and not the server."""

from __future__ import annotations

import os
from functools import cache, partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.handlers
from botocore.config import Config

from bench.client import Client, Listing, Outcome, Settings
from bench.errors import Failure, classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.content import Body

_PIECE_BYTES: Final = 1 << 20
"""How much of a body is taken at once: one allocation of this size is reused all the time."""

_EXISTS: Final = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
_ABSENT: Final = {"NoSuchBucket", "NoSuchUpload", "404"}


def connect(endpoint: str, access_key: str, secret_key: str, settings: Settings) -> Client:
    """A client of that endpoint; the first of a process takes about 0.3 s, others 0.05 s. Nothing is sent yet."""
    client = _session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=_config(settings),
    )
    _drop_handlers(client.meta.events, expect=settings.expect_100_continue)
    return Boto3Client(client)


@cache
def _session() -> Any:  # noqa: ANN401 - boto3 ships no types
    """One for the process: it reads the service's model, the slow part of a client, only once."""
    # Where awscrt happens to be installed botocore would sign with it: another client than everywhere else.
    os.environ["BOTO_DISABLE_CRT"] = "true"
    session = boto3.Session(region_name="us-east-1")
    # Dates of answers are never looked at, and reading them takes a tenth of a small GET.
    session._session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)  # noqa: SLF001 - boto3 has no door of its own to the component
    return session


def _config(settings: Settings) -> Config:
    """One attempt, no hashing of bodies, a connection for every op in flight.

    Without `when_required` and unsigned payloads boto3 spends most of a large PUT on CRC32 and SHA-256.
    """
    return Config(
        connect_timeout=settings.silence_s,
        read_timeout=settings.silence_s,
        max_pool_connections=settings.connections,
        parameter_validation=False,
        # An empty mapping, not None: else a proxy of the environment would be measured along.
        proxies={},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": 1},
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        tcp_keepalive=True,
        # botocore composes its own text anew for each request, a twentieth of a small op.
        user_agent=f"cowbench boto3/{boto3.__version__}",
    )


def _drop_handlers(events: Any, *, expect: bool) -> None:  # noqa: ANN401 - botocore ships no types
    """Takes out what boto3 does around each request that no server of ours needs.

    Bodies are sent from memory as they are: boto3 would wrap them in a file and send them in pieces of 16 KiB.
    """
    handlers = botocore.handlers
    for event, handler in (
        ("before-call.s3", handlers.add_expect_header),
        ("before-call", handlers.add_recursion_detection_header),
        ("before-parameter-build", handlers.generate_idempotent_uuid),
        ("before-parameter-build.s3", handlers.validate_bucket_name),
        ("before-parameter-build.s3.PutObject", handlers.validate_ascii_metadata),
        ("before-parameter-build.s3.PutObject", handlers.convert_body_to_file_like_object),
        ("before-parameter-build.s3.UploadPart", handlers.convert_body_to_file_like_object),
        ("before-parameter-build.s3.PutObject", handlers.sse_md5),
        ("before-parameter-build.s3.GetObject", handlers.sse_md5),
        ("before-parameter-build.s3.UploadPart", handlers.sse_md5),
        ("before-parse.s3.*", handlers.handle_expires_header),
        ("before-parse.s3.*", handlers._handle_200_error),  # noqa: SLF001 - registered by botocore under this name only
    ):
        events.unregister(event, handler)
    # An error inside a 200 is real where S3 answers before the work is done; elsewhere looking for it parses each answer twice.
    for operation in ("CompleteMultipartUpload", "DeleteObjects"):
        events.register_first(f"before-parse.s3.{operation}", handlers._handle_200_error)  # noqa: SLF001 - same
    if expect:
        for operation in ("PutObject", "UploadPart"):
            events.register(f"before-call.s3.{operation}", _expect)


def _expect(params: dict[str, Any], **_: object) -> None:
    params["headers"]["Expect"] = "100-continue"


class Boto3Client:
    """`bench.client.Client` over a boto3 client."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - boto3 ships no types
        self._s3 = client

    def make_bucket(self, bucket: str) -> Outcome:  # noqa: D102 - as in the interface, and so below
        return _forgive(_call(self._s3.create_bucket, Bucket=bucket), _EXISTS)

    def remove_bucket(self, bucket: str) -> Outcome:  # noqa: D102
        return _forgive(_call(self._s3.delete_bucket, Bucket=bucket), _ABSENT)

    def put(self, bucket: str, key: str, body: Body) -> Outcome:  # noqa: D102
        return _call(self._s3.put_object, len(body), Bucket=bucket, Key=key, Body=body)

    def get(self, bucket: str, key: str, buffer: bytearray) -> Outcome:  # noqa: D102
        return _fetch(partial(self._s3.get_object, Bucket=bucket, Key=key), buffer)

    def get_range(self, bucket: str, key: str, start: int, size: int, buffer: bytearray) -> Outcome:  # noqa: D102
        span = f"bytes={start}-{start + size - 1}"
        return _fetch(partial(self._s3.get_object, Bucket=bucket, Key=key, Range=span), buffer)

    def delete(self, bucket: str, key: str) -> Outcome:  # noqa: D102
        return _call(self._s3.delete_object, Bucket=bucket, Key=key)

    def delete_many(self, bucket: str, keys: Sequence[str]) -> Outcome:  # noqa: D102
        try:
            answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True})
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the outcome
            return _failed(error)
        # Each error has a code as a failed request has; the first one stands for all.
        first = next(iter(answer.get("Errors", ())), None)
        failure = classify(_Answer({"Error": first, "ResponseMetadata": {"HTTPStatusCode": 200}})) if first else None
        return Outcome(status=_status(answer), failure=failure)

    def list_page(self, bucket: str, prefix: str, after: str, limit: int) -> Listing:  # noqa: D102
        try:
            answer = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, StartAfter=after, MaxKeys=limit)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the outcome
            return Listing(outcome=_failed(error))
        length = answer["ResponseMetadata"]["HTTPHeaders"].get("content-length", "0")
        return Listing(
            outcome=Outcome(status=_status(answer), bytes=int(length)),
            entries=tuple((entry["Key"], int(entry["Size"])) for entry in answer.get("Contents", ())),
            more=bool(answer.get("IsTruncated")),
        )

    def create_upload(self, bucket: str, key: str) -> Outcome:  # noqa: D102
        return _call(self._s3.create_multipart_upload, Bucket=bucket, Key=key)

    def upload_part(self, bucket: str, key: str, upload: str, number: int, body: Body) -> Outcome:  # noqa: D102
        part = {"Bucket": bucket, "Key": key, "UploadId": upload, "PartNumber": number}
        return _call(self._s3.upload_part, len(body), **part, Body=body)

    def complete_upload(self, bucket: str, key: str, upload: str, tags: Iterable[str]) -> Outcome:  # noqa: D102
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        call = self._s3.complete_multipart_upload
        return _call(call, Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})

    def abort_upload(self, bucket: str, key: str, upload: str) -> Outcome:  # noqa: D102
        return _forgive(_call(self._s3.abort_multipart_upload, Bucket=bucket, Key=key, UploadId=upload), _ABSENT)

    def list_uploads(self, bucket: str, prefix: str) -> tuple[tuple[str, str], ...]:  # noqa: D102
        try:
            answer = self._s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix)
        except Exception:  # noqa: BLE001 - a server that cannot list uploads has none that we could end
            return ()
        return tuple((entry["Key"], entry["UploadId"]) for entry in answer.get("Uploads", ()))


class _Answer(Exception):  # noqa: N818 - not raised: it hands a part of an answer to `classify`
    def __init__(self, response: dict[str, Any]) -> None:
        super().__init__()
        self.response = response


def _call(call: Callable[..., Any], sent: int = 0, **parameters: object) -> Outcome:
    try:
        answer = call(**parameters)
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the outcome
        return _failed(error)
    return Outcome(status=_status(answer), bytes=sent, token=answer.get("ETag") or answer.get("UploadId") or "")


def _fetch(call: Callable[[], Any], buffer: bytearray) -> Outcome:
    status, done, first = 0, 0, 0
    try:
        answer = call()
        status = _status(answer)
        with memoryview(buffer) as view, answer["Body"]:
            # One byte alone, so that its time is its own and not that of a whole piece.
            done = answer["Body"].readinto(view[:1])
            first = perf_counter_ns() if done else 0
            at = done
            while done:
                at = 0 if at == len(view) else at
                count = answer["Body"].readinto(view[at : at + _PIECE_BYTES])
                if not count:
                    break
                done, at = done + count, at + count
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the outcome
        failed = _failed(error)
        return Outcome(status=failed.status or status, bytes=done, first_byte_ns=first, failure=failed.failure)
    return Outcome(status=status, bytes=done, first_byte_ns=first)


def _failed(error: Exception) -> Outcome:
    response = getattr(error, "response", None)
    return Outcome(status=_status(response) if isinstance(response, dict) else 0, failure=classify(error))


def _status(answer: dict[str, Any]) -> int:
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _forgive(outcome: Outcome, codes: set[str]) -> Outcome:
    """A success where the wish was fulfilled already."""
    failure: Failure | None = outcome.failure
    return Outcome(status=outcome.status) if failure and failure.code in codes else outcome
