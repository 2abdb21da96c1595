"""What an object is made of follows from its key, however it is read."""

from __future__ import annotations

import hashlib
import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.content import BLOCK_BYTES, Body, Content, LargeBody

HELD = Content(seed=1, largest_bytes=3 * BLOCK_BYTES)
LEAN = Content(seed=1, largest_bytes=1)
"""The same bytes with less memory: larger bodies are read from the block."""

sizes = st.integers(0, 2 * BLOCK_BYTES + 5)


def read(body: Body, piece: int = 1 << 20) -> bytes:
    if isinstance(body, LargeBody):
        return b"".join(iter(lambda: body.read(piece), b""))
    return bytes(body)


@given(key=st.text(max_size=20), size=sizes, start=sizes)
@settings(max_examples=30, deadline=None)
def test_the_bytes_do_not_depend_on_how_much_is_held_in_memory(key: str, size: int, start: int) -> None:
    assert read(HELD.body(key, size, start)) == read(LEAN.body(key, size, start))


@given(size=st.integers(1, BLOCK_BYTES), start=st.integers(0, BLOCK_BYTES))
@settings(max_examples=30, deadline=None)
def test_a_range_is_a_piece_of_the_whole(size: int, start: int) -> None:
    whole = read(HELD.body("key", start + size))

    assert read(HELD.body("key", size, start)) == whole[start:]


@pytest.mark.parametrize("size", [0, 1, 4096, BLOCK_BYTES, BLOCK_BYTES + 1])
@pytest.mark.parametrize("start", [0, 77, BLOCK_BYTES - 1])
def test_the_digest_is_that_of_the_body(size: int, start: int) -> None:
    expected = hashlib.sha256(read(HELD.body("key", size, start))).digest()

    assert HELD.digest("key", size, start) == expected
    assert LEAN.digest("key", size, start) == expected


def test_other_keys_and_seeds_give_other_bytes() -> None:
    bodies = {read(HELD.body("a", 64)), read(HELD.body("b", 64)), read(Content(2, 64).body("a", 64))}

    assert len(bodies) == 3


def test_a_filesystem_can_hardly_compress_it() -> None:
    body = read(HELD.body("key", 1 << 17))

    assert len(zlib.compress(body)) >= len(body)


def test_a_large_body_is_a_file_that_clients_may_rewind() -> None:
    body = LEAN.body("key", BLOCK_BYTES + 10)
    assert isinstance(body, LargeBody)
    reference = io.BytesIO(read(HELD.body("key", BLOCK_BYTES + 10)))

    assert len(body) == BLOCK_BYTES + 10
    for offset, whence in ((5, 0), (-3, 2), (0, 0), (0, 2)):
        assert body.seek(offset, whence) == reference.seek(offset, whence)
        assert body.tell() == reference.tell()
        assert read(body, 7_777_777) == reference.read()
