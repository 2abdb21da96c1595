"""After `kill -9` of anything while VMs go up, are measured, or go down: the next `down` or `sweep` leaves nothing of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stacks import state, vm_process
from tests.live import kill9
from tests.live.kill9 import Round
from tests.live.place import happens

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.place import Place

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

SCENE = kill9.SCENES["qemu"]
ROUNDS = (
    Round(number=0, victim="vm", moment_s=8.0, cleaner="sweep"),
    Round(number=1, victim="cowbench", moment_s=15.0, cleaner="down"),
)
"""Two of those that matter most; `python -m tests.live.kill9 --cloud qemu --rounds 20` plays them all."""


@pytest.mark.parametrize("this", [pytest.param(each, id=each.victim) for each in ROUNDS])
def test_after_a_kill_at_some_moment_nothing_of_a_vm_is_left(own_place: Place, this: Round) -> None:
    outcome = kill9.play(this, own_place, SCENE)

    assert outcome.killed
    assert outcome.code != 0
    assert outcome.left == ()


def test_a_vm_is_found_and_ended_without_any_file_of_ours(own_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(own_place.state))
    started = own_place.start("up", own_place.matrix(axes=SCENE.axes), "--stack", "forgotten")
    (root,) = _until_a_vm_runs("forgotten")
    for victim in ("cowbench", "pulumi", "provider host"):
        for process in kill9.find(victim, own_place, started):
            process.kill()
    started.end()
    for name in ("qemu.pid", "qemu.json", "qmp.sock"):
        (root / name).unlink()

    swept = own_place.cowbench("sweep")

    assert swept.code == 0, swept.said
    assert not vm_process.running(root)
    own_place.assert_nothing_left()


def _until_a_vm_runs(stack: str) -> list[Path]:
    def roots() -> list[Path]:
        return [path for path in (state.hosts() / stack).glob("*") if vm_process.running(path)]

    assert happens(roots, within_s=120)
    return roots()
