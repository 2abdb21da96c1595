"""What every unit test needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import turns

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _turns_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests that measure nothing do not wait for a run on this machine, nor for one another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "_FOLDER", tmp_path_factory.mktemp("turns"))
        yield
