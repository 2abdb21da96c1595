"""The load generator: a child process that measures, on this machine (`Generator`) or steered on another host.

Names are looked up when asked for: the child imports this package too, and must load nothing before it has patched itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.generator.answers import Progress
    from bench.generator.local import Generator
    from bench.generator.remote import RemoteGenerator

__all__ = ["Generator", "Progress", "RemoteGenerator"]

_HOMES = {
    "Generator": "bench.generator.local",
    "Progress": "bench.generator.answers",
    "RemoteGenerator": "bench.generator.remote",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
