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
    prefix = {"devicemapper": "dm"}.get(driver.storage_driver, driver.storage_driver)
    assert [option for option in driver.storage_options if not option.startswith(f"{prefix}.")] == []


def test_it_says_how_a_write_reaches_the_disk(driver: Driver) -> None:
    assert len(driver.mechanism.split()) > 5


def test_what_it_needs_beyond_the_kernel_can_be_installed(driver: Driver) -> None:
    assert bool(driver.binaries) == bool(driver.packages)


def test_the_knowledge_knows_it(driver: Driver) -> None:
    kind = {"graphdriver": "graphdriver", "containerd": "snapshotter"}[driver.image_store]
    assert knowledge.drivers()[driver.storage_driver].kind == kind


def test_hosts_can_be_made_with_every_filesystem_it_runs_on(driver: Driver) -> None:
    assert set(driver.backing_filesystems) <= set(host_setup.FILESYSTEMS)


def test_where_it_runs_on_xfs_it_is_offered_without_file_types_too(driver: Driver) -> None:
    """Whether it can work there is for the rules to say, with the reason."""
    assert ("xfs" in driver.backing_filesystems) == ("xfs-ftype0" in driver.backing_filesystems)


def test_it_names_the_disk_that_it_wants_and_no_other(driver: Driver) -> None:
    assert any("{pool}" in option for option in driver.storage_options) == driver.wants_whole_disk


def test_the_containerd_store_is_asked_for_aloud(driver: Driver) -> None:
    """Engines before 29 keep their graph driver otherwise."""
    assert (driver.image_store == "containerd") == driver.features.get("containerd-snapshotter", False)
