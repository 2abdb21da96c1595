"""Every storage driver passes this, unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import knowledge
from stacks import drivers, host_setup
from tests.registry import files_of, folder, modules

if TYPE_CHECKING:
    from stacks.driver import Driver


@pytest.fixture(params=drivers.DRIVERS)
def driver(request: pytest.FixtureRequest) -> Driver:
    return drivers.load(request.param)


def test_every_file_is_registered_and_every_name_has_its_file() -> None:
    assert files_of(folder(drivers.__file__)) == modules(drivers.DRIVERS)


def test_it_is_called_what_it_is_registered_as() -> None:
    assert tuple(drivers.load(name).name for name in drivers.DRIVERS) == drivers.DRIVERS


def test_it_runs_on_some_filesystem(driver: Driver) -> None:
    assert driver.backing_filesystems


def test_its_storage_options_are_its_own(driver: Driver) -> None:
    """An engine refuses to start over an option of another driver."""
    prefix = {"devicemapper": "dm"}.get(driver.name, driver.name)
    assert [option for option in driver.storage_options if not option.startswith(f"{prefix}.")] == []


def test_it_says_how_a_write_reaches_the_disk(driver: Driver) -> None:
    assert len(driver.mechanism.split()) > 5


def test_what_it_needs_beyond_the_kernel_can_be_installed(driver: Driver) -> None:
    assert bool(driver.binaries) == bool(driver.packages)


def test_the_knowledge_knows_it(driver: Driver) -> None:
    assert driver.name in set(knowledge.drivers())


def test_hosts_can_be_made_with_its_first_filesystem_or_it_is_left_out(driver: Driver) -> None:
    """A driver whose filesystem no script makes yet may be planned, but then the plan leaves it out with a reason."""
    made_here = [name for name in driver.backing_filesystems if name in host_setup.FILESYSTEMS]
    assert made_here or driver.kernel_modules
