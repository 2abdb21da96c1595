"""The workloads by name. Adding one: a file in this folder and a line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.workload import WorkloadKind

WORKLOADS = (
    "put",
    "get",
    "mixed",
    "list",
    "delete",
    "multipart",
    "range",
    "overwrite",
)

MIXABLE = ("get", "put", "overwrite", "range")
"""The ops that a `mixed` workload may mix."""


def load(name: str) -> WorkloadKind:
    """The workload of that name. Raises ModuleNotFoundError for a name that is not in `WORKLOADS`."""
    kind: WorkloadKind = import_module(f"bench.workloads.{name}").KIND
    return kind
