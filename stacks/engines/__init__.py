"""The engine sources by name. Adding one: a file in this folder and a line here."""

from importlib import import_module

from stacks.engine import Engine

ENGINES = ("distribution", "docker_ce")


def load(name: str) -> Engine:
    """The engine source of that name. Raises ModuleNotFoundError for a name that is not in `ENGINES`."""
    engine: Engine = import_module(f"stacks.engines.{name}").ENGINE
    return engine
