"""What objects are made of: bytes that follow from the key alone, so that any read can be checked without keeping a copy.

Bodies are windows into one random block, never generated per op. Random bytes do not compress, and windows begin at odd
places, so that a filesystem that compresses or shares blocks gains nothing from them.
"""

from __future__ import annotations

import hashlib
import random
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES: Final = 1 << 22
"""The pattern repeats after this: beyond the reach of any filesystem's compressor (btrfs looks at 128 KiB at a time)."""

_HELD_BYTES: Final = 1 << 26
"""Bodies up to this are one piece of memory; larger ones are read from the block as they are sent."""


@dataclass(slots=True)
class LargeBody:
    """A body too large to hold: a read-only file over the repeating block, as HTTP clients want it."""

    block: memoryview
    begin: int
    size: int
    position: int = 0

    def __len__(self) -> int:
        return self.size

    def tell(self) -> int:
        """Bytes read so far."""
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file; clients rewind before they send."""
        self.position = max(0, offset + (0, self.position, self.size)[whence])
        return self.position

    def read(self, amount: int = -1) -> bytes:
        """At most `amount` bytes, fewer at the end of the block or of the body."""
        left = self.size - self.position
        at = (self.begin + self.position) % BLOCK_BYTES
        length = max(0, min(left if amount < 0 else amount, left, BLOCK_BYTES - at))
        self.position += length
        return bytes(self.block[at : at + length])


Body = memoryview | LargeBody


class Content:
    """The bytes of every object of a run. Objects with the same key are alike for the same `seed`, on every target."""

    def __init__(self, seed: int, largest_bytes: int) -> None:
        block = random.Random(seed).randbytes(BLOCK_BYTES)  # noqa: S311 - a test pattern, not a secret
        held = min(largest_bytes, _HELD_BYTES) + BLOCK_BYTES
        self._memory = memoryview((block * -(-held // BLOCK_BYTES))[:held])
        self._digests: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()

    def body(self, key: str, size: int, start: int = 0) -> Body:
        """`size` bytes of the object from `start` on, ready to be sent."""
        begin = (_offset(key) + start) % BLOCK_BYTES
        if begin + size <= len(self._memory):
            return self._memory[begin : begin + size]
        return LargeBody(self._memory[:BLOCK_BYTES], begin, size)

    def digest(self, key: str, size: int, start: int = 0) -> bytes:
        """SHA-256 of what `body` gives. The last few thousand are remembered: prepared objects are read many times."""
        asked = (key, size, start)
        if asked not in self._digests:
            self._digests[asked] = sha256(self._pieces(key, size, start))
            if len(self._digests) > _REMEMBERED:
                self._digests.popitem(last=False)
        return self._digests[asked]

    def _pieces(self, key: str, size: int, start: int) -> Iterator[memoryview]:
        done = 0
        while done < size:
            at = (_offset(key) + start + done) % BLOCK_BYTES
            piece = self._memory[at : min(at + size - done, BLOCK_BYTES)]
            done += len(piece)
            yield piece


_REMEMBERED: Final = 4096


def sha256(pieces: Iterator[memoryview]) -> bytes:
    """The digest of the pieces one after another."""
    total = hashlib.sha256()
    for piece in pieces:
        total.update(piece)
    return total.digest()


def _offset(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) % BLOCK_BYTES
