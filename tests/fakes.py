"""Stand-ins for what the bench meets: an S3 server in memory that fails when it is told to."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections import Counter, deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

Fault = Literal[
    "slow_down",
    "bare_503",
    "denied",
    "full",
    "reset",
    "closed",
    "truncated",
    "wrong_bytes",
    "short",
    "hang",
    "drip",
    "no_batch_delete",
]

_ERRORS: dict[str, tuple[int, str]] = {
    "slow_down": (503, "SlowDown"),
    "denied": (403, "AccessDenied"),
    "full": (507, "InsufficientStorage"),
    "no_batch_delete": (501, "NotImplemented"),
}


@dataclass
class FakeS3:
    """Buckets in memory. `faults` maps a request ("PUT object", "GET object", "POST delete", ...) to what goes wrong with it."""

    endpoint: str = ""
    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    upload_keys: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    headers: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=1000))
    connections: int = 0
    open: list[socket.socket] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def objects(self) -> dict[str, bytes]:
        """All keys of all buckets."""
        return {key: body for bucket in self.buckets.values() for key, body in bucket.items()}


class _Server(ThreadingHTTPServer):
    """On a busy machine the usual queue of five drops connects, and a dropped one is tried again after a second only."""

    request_queue_size = 128


@contextmanager
def fake_s3() -> Iterator[FakeS3]:
    """A running server on a free port of the loopback."""
    fake = FakeS3()

    class Handler(_Handler):
        s3 = fake

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in fake.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    s3: FakeS3

    def setup(self) -> None:
        super().setup()
        self.s3.connections += 1
        self.s3.open.append(self.connection)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        del format, args

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def do_PUT(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        url = urlsplit(self.path)
        self.bucket, _, self.key = unquote(url.path).lstrip("/").partition("/")
        self.query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        kind = self._kind()
        self.s3.requests[kind] += 1
        self.s3.headers.append({name.lower(): value for name, value in self.headers.items()} | {"request": kind})
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.s3.faults.get(kind)
        if fault is not None and fault in _ERRORS:
            self._error(*_ERRORS[fault])
        elif fault == "bare_503":
            self._answer(503)
        elif fault in {"reset", "closed", "hang", "drip"}:
            self._break(str(fault))
        else:
            getattr(self, "_" + kind.lower().replace(" ", "_"))(body)

    def _kind(self) -> str:
        for word in ("delete", "uploads", "uploadId", "list-type"):
            if word in self.query:
                return f"{self.command} {word.replace('-', '_').lower()}"
        return f"{self.command} {'object' if self.key else 'bucket'}"

    def _break(self, fault: str) -> None:
        self.close_connection = True
        if fault == "hang":
            self.s3.released.wait(30)
        elif fault == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not self.s3.released.wait(0.1):
                self.wfile.write(b"x")
        elif fault == "reset":
            # Lingering for no time turns the close into a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _xml(self, root: str, inner: str, status: int = 200) -> None:
        self._answer(status, f'<?xml version="1.0"?><{root}>{inner}</{root}>'.encode(), Content_Type="application/xml")

    def _error(self, status: int, code: str) -> None:
        self._xml("Error", f"<Code>{code}</Code><Message>told to</Message><RequestId>4442587FB7D0A2F9</RequestId>", status)

    def _put_bucket(self, _: bytes) -> None:
        if self.bucket in self.s3.buckets:
            self._error(409, "BucketAlreadyOwnedByYou")
        else:
            self.s3.buckets[self.bucket] = {}
            self._answer(200)

    def _delete_bucket(self, _: bytes) -> None:
        if self.bucket not in self.s3.buckets:
            self._error(404, "NoSuchBucket")
        elif self.s3.buckets[self.bucket]:
            self._error(409, "BucketNotEmpty")
        else:
            del self.s3.buckets[self.bucket]
            self._answer(204)

    def _put_object(self, body: bytes) -> None:
        if self.bucket not in self.s3.buckets:
            self._error(404, "NoSuchBucket")
        else:
            self.s3.buckets[self.bucket][self.key] = body
            self._answer(200, ETag=_tag(body))

    def _get_object(self, _: bytes) -> None:
        if self.key not in self.s3.buckets.get(self.bucket, {}):
            self._error(404, "NoSuchKey")
            return
        body, status = self.s3.buckets[self.bucket][self.key], 200
        if span := self.headers.get("Range"):
            first, last = span.removeprefix("bytes=").split("-")
            body, status = body[int(first) : int(last) + 1], 206
        fault = self.s3.faults.get("GET object")
        if fault == "wrong_bytes":
            body = bytes([body[0] ^ 1]) + body[1:]
        elif fault == "short":
            body = body[:-1]
        elif fault == "truncated":
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self._answer(status, body, Last_Modified="Wed, 21 Oct 2015 07:28:00 GMT", ETag=_tag(body))

    def _delete_object(self, _: bytes) -> None:
        self.s3.buckets.get(self.bucket, {}).pop(self.key, None)
        self._answer(204)

    def _post_delete(self, body: bytes) -> None:
        for node in ET.fromstring(body).iter():
            if node.tag.endswith("Key"):
                self.s3.buckets.get(self.bucket, {}).pop(node.text or "", None)
        self._xml("DeleteResult", "")

    def _get_list_type(self, _: bytes) -> None:
        if self.bucket not in self.s3.buckets:
            self._error(404, "NoSuchBucket")
            return
        after, limit = self.query.get("start-after", ""), int(self.query.get("max-keys", 1000))
        objects = self.s3.buckets[self.bucket]
        keys = sorted(key for key in objects if key.startswith(self.query.get("prefix", "")) and key > after)
        page = keys[:limit]
        entries = "".join(f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key])}</Size></Contents>" for key in page)
        self._xml("ListBucketResult", f"<IsTruncated>{str(len(keys) > limit).lower()}</IsTruncated>{entries}")

    def _post_uploads(self, _: bytes) -> None:
        upload = f"upload-{len(self.s3.upload_keys)}"
        self.s3.uploads[upload], self.s3.upload_keys[upload] = {}, self.key
        self._xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")

    def _put_uploadid(self, body: bytes) -> None:
        self.s3.uploads[self.query["uploadId"]][int(self.query["partNumber"])] = body
        self._answer(200, ETag=_tag(body))

    def _post_uploadid(self, _: bytes) -> None:
        parts = self.s3.uploads.pop(self.query["uploadId"])
        self.s3.buckets[self.bucket][self.key] = b"".join(parts[number] for number in sorted(parts))
        self._xml("CompleteMultipartUploadResult", "<ETag>whole</ETag>")

    def _delete_uploadid(self, _: bytes) -> None:
        gone = self.s3.uploads.pop(self.query["uploadId"], None) is None
        self._error(404, "NoSuchUpload") if gone else self._answer(204)

    def _get_uploads(self, _: bytes) -> None:
        found = "".join(
            f"<Upload><Key>{escape(self.s3.upload_keys[upload])}</Key><UploadId>{upload}</UploadId></Upload>"
            for upload in self.s3.uploads
            if self.s3.upload_keys[upload].startswith(self.query.get("prefix", ""))
        )
        self._xml("ListMultipartUploadsResult", found)


def _tag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
