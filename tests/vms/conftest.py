"""What every test with VMs gets: a place for the whole suite, a stack that is shared, and the certainty that nothing is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.errors import CowbenchError
from stacks import clouds, image, machine_image, workspace
from tests.live import place as places
from tests.vms.standing import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.place import Place

COMMAND_LIMIT_S = 900
"""Of one command: an emulated VM is there within a minute on an idle machine, and within several on a busy one."""

IMAGES = ("debian-trixie", "debian-bullseye")


@pytest.fixture(scope="session", autouse=True)
def _able_host() -> None:
    """Skips with the reason that `cowbench` itself gives; what takes minutes once is built here, before a test's limit begins."""
    if problems := clouds.load("qemu").problems():
        pytest.skip("; ".join(problems))
    try:
        workspace.command()
        for server in ("versitygw", "seaweedfs"):
            image.ensure(server)
        for name in IMAGES:
            machine_image.ensure(name, print)
    except CowbenchError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def place(_able_host: None) -> Iterator[Place]:
    """The place of the whole suite, also for what of the program is called in this process. At the end nothing of it is left."""
    own = places.make(COMMAND_LIMIT_S)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COWBENCH_STATE", str(own.state))
        try:
            yield own
            own.assert_nothing_left()
        finally:
            own.remove()


@pytest.fixture
def own_place(_able_host: None) -> Iterator[Place]:
    """A place for one test, at the end of which nothing of it may be left."""
    own = places.make(COMMAND_LIMIT_S)
    try:
        yield own
        own.assert_nothing_left()
    finally:
        own.remove()


@pytest.fixture(scope="session")
def trixie(place: Place) -> Iterator[Stack]:
    """A VM with overlay2 and two servers, for every test that leaves it as it found it."""
    yield from standing(
        Stack(
            place=place,
            name="trixie",
            axes={"cloud": ["qemu"], "machine_image": ["debian-trixie"], "server": ["versitygw", "seaweedfs"]},
        )
    )


def standing(stack: Stack) -> Iterator[Stack]:
    """The stack as a fixture, gone afterwards however the tests went."""
    try:
        stack.up()
        yield stack
    finally:
        ended = stack.down()
    assert ended.code == 0, ended.said
