"""Every engine source passes this, unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stacks import engines
from tests.registry import files_of, folder, modules

if TYPE_CHECKING:
    from stacks.engine import Engine


@pytest.fixture(params=engines.ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return engines.load(request.param)


def test_every_file_is_registered_and_every_name_has_its_file() -> None:
    assert files_of(folder(engines.__file__)) == modules(engines.ENGINES)


def test_it_is_called_what_it_is_registered_as() -> None:
    assert tuple(engines.load(name).name for name in engines.ENGINES) == engines.ENGINES


def test_it_brings_the_daemon_and_what_the_daemon_looks_for_on_path(engine: Engine) -> None:
    assert {"dockerd", "containerd", "runc"} <= set(engine.binaries)


def test_it_names_the_packages_to_install(engine: Engine) -> None:
    assert engine.packages
