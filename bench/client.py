"""The interface of an S3 client as the load generator sees it. Members live in `bench.clients`, one file each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.content import Body
    from bench.errors import Failure


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every client of a run is given alike.

    `connections` is how many ops may be in flight, so that no op ever waits for a connection inside the client.
    `silence_s` bounds one connect and one read. `expect_100_continue` asks the server before each body: one more round trip.
    """

    connections: int
    silence_s: float
    expect_100_continue: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How one call ended. `failure` is None for a success.

    `status` is 0 where no answer came. `bytes` counts object bytes: all of a stored body, what was read of a fetched one, 0 for
    a body that failed on its way. `first_byte_ns` is `time.perf_counter_ns()` when the first byte of a fetched body was in
    our hands, 0 where none came. `token` is the ETag or upload id that the server gave.
    """

    status: int = 0
    bytes: int = 0
    first_byte_ns: int = 0
    failure: Failure | None = None
    token: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """One page: (key, size in bytes) in the order the server gave; `more` when further keys follow."""

    outcome: Outcome
    entries: tuple[tuple[str, int], ...] = ()
    more: bool = False


class Client(Protocol):
    """Calls to one endpoint, usable by many greenlets at once.

    No method raises for what the server or the network does: that is a `Failure` in the outcome. One call is one attempt.
    A cancelled call (`gevent.Timeout`) passes through, and its connection is not used again.
    """

    def make_bucket(self, bucket: str) -> Outcome:
        """Succeeds too when the bucket is there already and ours."""

    def remove_bucket(self, bucket: str) -> Outcome:
        """Removes an empty bucket; succeeds too when there is none."""

    def put(self, bucket: str, key: str, body: Body) -> Outcome:
        """Stores the whole body in one request."""

    def get(self, bucket: str, key: str, buffer: bytearray) -> Outcome:
        """Reads to the last byte. The buffer is filled over and over, so it holds the object only if that fits."""

    def get_range(self, bucket: str, key: str, start: int, size: int, buffer: bytearray) -> Outcome:
        """Reads `size` bytes from `start`, as `get` does."""

    def delete(self, bucket: str, key: str) -> Outcome:
        """Deletes one key; S3 calls it a success when there was none."""

    def delete_many(self, bucket: str, keys: Sequence[str]) -> Outcome:
        """Deletes up to 1000 keys in one request; a failure when any of them could not be deleted."""

    def list_page(self, bucket: str, prefix: str, after: str, limit: int) -> Listing:
        """Up to `limit` keys with that prefix that sort behind `after`."""

    def create_upload(self, bucket: str, key: str) -> Outcome:
        """Begins a multipart upload; its id is the token."""

    def upload_part(self, bucket: str, key: str, upload: str, number: int, body: Body) -> Outcome:
        """Stores part `number`, counted from 1; its ETag is the token."""

    def complete_upload(self, bucket: str, key: str, upload: str, tags: Iterable[str]) -> Outcome:
        """Joins parts 1, 2, ... that have these ETags."""

    def abort_upload(self, bucket: str, key: str, upload: str) -> Outcome:
        """Gives the upload up; succeeds too when there is none."""

    def list_uploads(self, bucket: str, prefix: str) -> tuple[tuple[str, str], ...]:
        """(key, upload id) of uploads begun and not ended, up to 1000; empty too when the server cannot say."""
