"""The S3 servers by name. Adding one: a file in this folder and a line here, and a folder in `images/` if it is built here."""

from importlib import import_module

from stacks.server import Server

SERVERS = (
    "seaweedfs",
    "versitygw",
)


def load(name: str) -> Server:
    """The server of that name. Raises ModuleNotFoundError for a name that is not in `SERVERS`."""
    server: Server = import_module(f"stacks.servers.{name}").SERVER
    return server
