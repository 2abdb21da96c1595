"""How single ops are done, for the workloads to pick from: one S3 call or a few, and whether the answer is what was stored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.content import sha256
from bench.errors import Failure

if TYPE_CHECKING:
    from bench.client import Outcome
    from bench.workload import Op, Session

READS = frozenset({"get", "range"})
"""Ops whose bytes are in the session's buffer afterwards."""

WRITES = frozenset({"put", "overwrite", "multipart"})
"""Ops that leave an object whose content is known."""


def put(session: Session, op: Op) -> Outcome:
    """Stores one object in one request."""
    return session.client.put(session.bucket, op.key, session.content.body(op.key, op.size_bytes))


def get(session: Session, op: Op) -> Outcome:
    """Reads one object to its last byte."""
    return _sized(op, session.client.get(session.bucket, op.key, session.buffer))


def get_range(session: Session, op: Op) -> Outcome:
    """Reads `size_bytes` of an object from `start`."""
    return _sized(op, session.client.get_range(session.bucket, op.key, op.start, op.size_bytes, session.buffer))


def delete(session: Session, op: Op) -> Outcome:
    """Deletes one object."""
    return session.client.delete(session.bucket, op.key)


def list_page(session: Session, op: Op) -> Outcome:
    """Lists one page behind `op.key`; it must hold exactly the expected keys in order."""
    common = op.key.rpartition("/")[0] + "/"
    listing = session.client.list_page(session.bucket, common, op.key, len(op.expected))
    if listing.outcome.failure or tuple(key for key, _ in listing.entries) == op.expected:
        return listing.outcome
    return replace(
        listing.outcome, failure=Failure("integrity", "wrong_listing", _amount(len(listing.entries), len(op.expected)))
    )


def multipart(session: Session, op: Op) -> Outcome:
    """Stores one object in parts; the whole upload is the op. A failed upload is given up, so that it holds no space."""
    begun = session.client.create_upload(session.bucket, op.key)
    if begun.failure:
        return begun
    done = _upload(session, op, begun.token)
    if done.failure:
        session.client.abort_upload(session.bucket, op.key, begun.token)
    return done


def _upload(session: Session, op: Op, upload: str) -> Outcome:
    tags: list[str] = []
    for start in range(0, op.size_bytes, session.part_size_bytes):
        body = session.content.body(op.key, min(session.part_size_bytes, op.size_bytes - start), start)
        part = session.client.upload_part(session.bucket, op.key, upload, len(tags) + 1, body)
        if part.failure:
            return replace(part, bytes=start)
        tags.append(part.token)
    done = session.client.complete_upload(session.bucket, op.key, upload, tags)
    return done if done.failure else replace(done, bytes=op.size_bytes)


def verify_read(session: Session, op: Op) -> Failure | None:
    """Compares what a read left in the buffer, by SHA-256. Burns CPU: call it when the op's clock has stopped."""
    with memoryview(session.buffer) as view:
        found = sha256(iter([view[: op.size_bytes]]))
    if found == session.content.digest(op.key, op.size_bytes, op.start):
        return None
    return Failure("integrity", "wrong_digest", "sha256")


def verify_stored(session: Session, op: Op) -> Outcome:
    """Reads an object back in pieces that fit the buffer and compares its SHA-256 with what was written."""
    if op.size_bytes > len(session.buffer):
        return _verify_in_pieces(session, op)
    outcome = get(session, op)
    return outcome if outcome.failure else replace(outcome, failure=verify_read(session, op))


def _verify_in_pieces(session: Session, op: Op) -> Outcome:
    """Piece by piece against the pattern, so that no object is too large to be checked."""
    done, first = 0, 0
    while done < op.size_bytes:
        piece = replace(op, start=op.start + done, size_bytes=min(len(session.buffer), op.size_bytes - done))
        outcome = get_range(session, piece)
        failure = outcome.failure or verify_read(session, piece)
        done, first = done + outcome.bytes, first or outcome.first_byte_ns
        if failure:
            return replace(outcome, bytes=done, first_byte_ns=first, failure=failure)
    return replace(outcome, bytes=done, first_byte_ns=first)


def _sized(op: Op, outcome: Outcome) -> Outcome:
    if outcome.failure or outcome.bytes == op.size_bytes:
        return outcome
    return replace(outcome, failure=Failure("integrity", "wrong_size", _amount(outcome.bytes, op.size_bytes)))


def _amount(found: int, expected: int) -> str:
    return "fewer" if found < expected else "more" if found > expected else "other"
