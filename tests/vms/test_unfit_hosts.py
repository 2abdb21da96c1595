"""Storage drivers on hosts that they do not go with: left out beforehand with the true reason, and explained when forced."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bench import knowledge
from stacks import drivers, engines, host_setup, setup_failure
from stacks.host_setup import HostSetup

if TYPE_CHECKING:
    from tests.live.place import Place
    from tests.vms.standing import Stack

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]


def plan(place: Place, **axes: str) -> dict[str, Any]:
    usable = {"driver": ["overlay2"], "backing_filesystem": ["ext4"]}
    wanted = {key: [value, *usable.get(key, ())] for key, value in axes.items()}
    ended = place.cowbench("plan", "--json", place.matrix("planned", axes={"cloud": ["qemu"], **wanted}))
    assert ended.code == 0, ended.said
    found: dict[str, Any] = json.loads(ended.said)
    return found


@pytest.mark.parametrize(
    ("image", "axis", "value", "reason"),
    [
        ("debian-trixie", "backing_filesystem", "xfs-ftype0", "d_type"),
        ("debian-trixie", "driver", "devicemapper", "25.0"),
        ("debian-trixie", "driver", "overlay", "24.0"),
        ("debian-bullseye", "driver", "containerd-overlayfs", "containerd"),
    ],
)
def test_what_a_kernel_and_engine_cannot_do_is_left_out_with_the_reason(
    place: Place, image: str, axis: str, value: str, reason: str
) -> None:
    planned = plan(place, machine_image=image, **{axis: value})

    left_out = [each for each in planned["left_out"] if each["cell"]["machine_image"] == image and each["cell"][axis] == value]
    reasons = [each["reason"] for each in left_out]
    assert reasons
    assert all(reason in text for text in reasons), reasons


def test_an_engine_that_does_not_know_cgroup_v2_is_refused_on_such_a_host() -> None:
    """No package archive has one any more for these kernels: the rule is judged on the facts of such a host."""
    judged = knowledge.judge({"docker": "19.03.15", "cgroup": "v2", "distro": "debian:11"})

    matched = {each.rule: each for each in judged if each.outcome == "matched"}
    assert {"CG01", "CG08"} <= matched.keys()
    assert matched["CG01"].level == "error"
    assert "20.10" in matched["CG01"].text


def test_overlay2_forced_onto_xfs_without_file_types_is_refused_by_the_engine_and_explained(trixie: Stack) -> None:
    root, owner = "/var/lib/cowbench/forced", "forced.by.hand"
    setup = HostSetup(
        root=root,
        owner=owner,
        device="",
        disk_bytes=1 << 30,
        filesystem="xfs-ftype0",
        driver=drivers.load("overlay2"),
        engine=engines.load("distribution"),
        install=False,
    )
    try:
        done = trixie.shell("sh -s", stdin=host_setup.render_up(setup), timeout_s=300)
    finally:
        down = trixie.shell("sh -s", stdin=host_setup.render_down(root=root, owner=owner), timeout_s=300)

    assert done.returncode == 14, done.stderr
    error = setup_failure.explained(done.stderr.strip(), host="forced")
    assert "formatted without d_type support" in error.what
    assert "means: the engine refuses a backing filesystem without d_type" in error.what
    assert "ftype=1" in error.next_step
    assert down.returncode == 0, down.stderr
