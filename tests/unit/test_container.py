"""A container whose engine goes while it is made: why is told, and not that what there was of it could not be removed."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest
import requests.exceptions

from bench.errors import DeployError
from stacks import connection, state
from stacks.resources.container import ContainerProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROPS: dict[str, Any] = {"stack": "s", "host": "h", "cell": "c", "server": "versitygw", "data_placement": "volume"}
PROPS |= {"image": "x@sha256:1", "engine_url": "ssh://h/d", "incarnation": "1", "access_key": "A", "secret_key": "S"}
PROPS |= {"addresses": {"c": {"bind": "127.0.0.1", "endpoint": "127.0.0.1", "private": ""}}}


@pytest.fixture(autouse=True)
def engine_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers once, breaks while it pulls the image, and refuses from then on."""
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    answers = iter([docker.errors.NotFound("no such container"), docker.errors.NotFound("no such volume")])

    def get(_name: str) -> None:
        raise next(answers, requests.exceptions.ConnectionError("Connection refused"))

    def pull(_reference: str) -> None:
        raise requests.exceptions.ConnectionError("Connection aborted")

    gone = SimpleNamespace(get=get)

    @contextmanager
    def engine(_url: str, _stack: str) -> Iterator[Any]:
        yield SimpleNamespace(containers=gone, volumes=gone, images=SimpleNamespace(pull=pull))

    monkeypatch.setattr(connection, "engine", engine)


def test_the_first_failure_is_told() -> None:
    with pytest.raises(DeployError, match="connection to the engine broke: Connection aborted") as raised:
        ContainerProvider().create(PROPS)
    assert raised.value.where == "cell c"
    assert "is its host still there?" in raised.value.next_step


def test_of_a_vm_here_the_console_tells_why() -> None:
    console = state.host_dir("s", "h") / "console.log"
    console.parent.mkdir(parents=True)
    console.write_text(
        "all was well\n[   31.2] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n[   31.3] Kernel panic - not syncing: Fatal\n"
    )

    with pytest.raises(DeployError, match="int3: 0000") as raised:
        ContainerProvider().create(PROPS)
    assert "the emulator's fault" in raised.value.what
    assert "bring the cell up again" in raised.value.next_step
