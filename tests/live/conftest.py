"""What every live test gets: a place of its own, and the certainty that nothing of it is left."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from bench.errors import CowbenchError
from stacks import clouds, image, workspace
from tests.live import place as places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.place import Place


@pytest.fixture(scope="session", autouse=True)
def _able_host() -> None:
    """Skips with the reason that `cowbench` itself gives; builds the server's image, which would count against a test's limit."""
    if problems := clouds.load("local").problems():
        pytest.skip("; ".join(problems))
    try:
        workspace.command()
        image.ensure("versitygw")
    except CowbenchError as error:
        pytest.skip(str(error))


@pytest.fixture
def place() -> Iterator[Place]:
    """A place for one test, at the end of which nothing of it may be left."""
    yield from _checked(places.make())


@pytest.fixture(scope="module")
def shared_place() -> Iterator[Place]:
    """The same for the tests of a file that look at one stack."""
    yield from _checked(places.make())


def _checked(own: Place) -> Iterator[Place]:
    namespaces = _network_namespaces()
    try:
        yield own
        own.assert_nothing_left()
        assert _network_namespaces() == namespaces
    finally:
        own.remove()


def _network_namespaces() -> str:
    return subprocess.check_output(["ip", "netns", "list"], text=True, timeout=10)
