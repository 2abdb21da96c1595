"""The bound on everything that is asked of a server: silence ends by the client's own timeouts, a drip only by this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import gevent

from bench.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LATE: Final = Failure("timeout", "total", "op")


def bounded(timeout_s: float, call: Callable[[], T], late: Callable[[], T]) -> T:
    """What the call gives, or what `late` gives when the call is not done after `timeout_s` seconds."""
    timeout = gevent.Timeout(timeout_s)
    try:
        with timeout:
            return call()
    except gevent.Timeout as expired:
        if expired is not timeout:
            raise
        return late()
