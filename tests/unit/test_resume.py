"""A run goes on only on what it began with."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from bench import resume, run, store
from bench.errors import InputError, Interrupted
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator

if TYPE_CHECKING:
    from pathlib import Path

RUN = small_run.run()
HOST = small_run.generator_host()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that was interrupted at its third trial, inside its first block."""

    def dies_at(_step: str, _count: int) -> None:
        if len(store.results(made)) == 2:
            raise KeyboardInterrupt

    made = store.create(tmp_path, RUN)
    with pytest.raises(Interrupted):
        run.perform(made, KEYS, lambda _: None, partial(FakeGenerator, dies_at=dies_at))
    return made


def test_the_same_stack_is_gone_on_with_and_the_torn_block_is_told(folder: Path) -> None:
    resume.rejoin(folder, RUN.targets)

    assert [finding.text.split(";")[0] for finding in store.read(folder).findings if "sittings" in finding.text] == [
        "block 1 was measured in two sittings"
    ]


def _altered(**changes: Any) -> tuple[Any, ...]:
    first, *rest = RUN.targets
    of_server = ("container_id", "started_at")
    server = {key: value for key, value in changes.items() if key in of_server}
    host = {key: value for key, value in changes.items() if key not in of_server}
    return (replace(first, server=replace(first.server, **server), host=replace(first.host, **host)), *rest)


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        pytest.param(_altered(container_id="fedc"), "made anew", id="another container"),
        pytest.param(_altered(container_id=""), "container was removed", id="no container"),
        pytest.param(_altered(engine_version="29.1.0"), "engine_version was", id="another engine"),
        pytest.param(_altered(storage_driver="vfs"), "storage_driver was btrfs, is vfs", id="another driver"),
        pytest.param(RUN.targets[1:], "does not stand", id="a cell less"),
    ],
)
def test_another_stack_is_refused_and_the_run_stays_as_it_was(folder: Path, targets: tuple[Any, ...], told: str) -> None:
    before = store.read(folder)
    with pytest.raises(InputError, match=told):
        resume.rejoin(folder, targets)

    assert store.read(folder) == before


def test_what_changes_by_itself_is_no_reason_to_refuse(folder: Path) -> None:
    resume.rejoin(folder, _altered(driver_status={"Space Used": "7 GB"}))


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (
            {"boot_id": "1"},
            {"boot_id": "2", "started_at": "2"},
            ["host host-btrfs was booted anew between two sittings of the run"],
        ),
        ({"started_at": "1"}, {"started_at": "2"}, ["the server was restarted between two sittings of the run, at 2"]),
        ({"boot_id": "1", "started_at": "1"}, {"boot_id": "1", "started_at": "1"}, []),
        ({}, {"boot_id": "2", "started_at": "2"}, []),
    ],
)
def test_what_was_restarted_in_between_is_told_once_and_is_from_then_on_what_stands(
    folder: Path, was: dict[str, str], now: dict[str, str], told: list[str]
) -> None:
    store.update(folder, replace(store.read(folder), targets=_altered(**was)))
    resume.rejoin(folder, _altered(**now))
    resume.rejoin(folder, _altered(**now))

    noted = store.read(folder)
    assert [(finding.level, finding.text) for finding in noted.findings if finding.cell] == [("warning", text) for text in told]
    assert noted.targets == _altered(**now)


@pytest.fixture
def driven(tmp_path: Path) -> Path:
    """A run whose load comes from a host of its own, and that has not begun."""
    return store.create(tmp_path, replace(RUN, generators=(HOST,)))


@pytest.mark.parametrize(
    ("now", "told"),
    [
        pytest.param((), "does not stand", id="gone"),
        pytest.param((replace(HOST, image_id="sha256:other"),), "container image is another", id="another image"),
        pytest.param((replace(HOST, host=replace(HOST.host, kernel="6.12")),), "kernel was 6.1", id="another kernel"),
        pytest.param((HOST, small_run.generator_host("generator-2")), "generator-2.*was not there", id="one more"),
    ],
)
def test_load_from_elsewhere_is_refused_in_the_middle_of_a_run(driven: Path, now: tuple[Any, ...], told: str) -> None:
    with pytest.raises(InputError, match=told):
        resume.rejoin(driven, RUN.targets, now)


def test_the_same_load_generators_are_gone_on_with(driven: Path) -> None:
    resume.rejoin(driven, RUN.targets, (HOST,))
