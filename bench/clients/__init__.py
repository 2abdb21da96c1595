"""The S3 clients by name. Adding one: a file in this folder and a line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.client import Client, Settings

CLIENTS = ("boto3",)


def load(name: str) -> Callable[[str, str, str, Settings], Client]:
    """`connect(endpoint, access_key, secret_key, settings)` of the client of that name, imported now and not before.

    Raises ModuleNotFoundError for a name that is not in `CLIENTS`.
    """
    connect: Callable[[str, str, str, Settings], Client] = import_module(f"bench.clients.{name}").connect
    return connect
