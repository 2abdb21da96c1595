"""Plain `pulumi` and the Automation API on the same program: what is unchanged stays, what changed is changed alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from stacks import workspace
from tests.live.place import COWBENCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.live.place import Place

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]

STACK = "test-by-hand"


@pytest.fixture
def pulumi(place: Place) -> Iterator[Callable[..., str]]:
    """A line as a person types it in the project's folder. The stack's settings lie in the checkout until `stack rm`."""
    settings = workspace.CHECKOUT / f"stacks/config/Pulumi.{STACK}.yaml"
    settings.unlink(missing_ok=True)

    def type_line(line: str) -> str:
        ended = place.launch(["sh", "-c", f'eval "$({COWBENCH} env)" && pulumi --non-interactive {line}']).end()
        assert ended.code == 0, ended.said
        return ended.said

    yield type_line
    left = settings.exists()
    settings.unlink(missing_ok=True)
    assert not left


def test_plain_pulumi_does_it_all_from_init_to_rm(place: Place, pulumi: Callable[..., str]) -> None:
    pulumi(f"stack init {STACK}")
    pulumi(f"config set matrix {place.matrix()}")
    assert "4 to create" in (preview := pulumi("preview")), preview

    assert "4 created" in (first := pulumi("up --yes")), first
    outputs = json.loads(pulumi("stack output --json"))
    (target,) = outputs["targets"]["targets"]
    assert target["host"]["storage_driver"] == "overlay2"
    assert outputs["credential"] == "[secret]"
    assert json.loads(pulumi("stack output credential --json --show-secrets"))["secret_key"] not in first + preview

    assert "4 unchanged" in (again := pulumi("up --yes")), again
    assert "created" not in again
    place.matrix(axes={"data_placement": ["volume"]})
    changed = pulumi("up --yes")
    assert all(words in changed for words in ("1 created", "1 deleted", "3 unchanged")), changed

    pulumi("destroy --yes")
    pulumi(f"stack rm --yes {STACK}")
    # What plain Pulumi keeps is Pulumi's: a backup of the last state. `down` takes that too.
    assert place.cowbench("down", "--stack", STACK).code == 0


def _up(place: Place, filesystems: list[str]) -> tuple[dict[str, Any], str]:
    """The targets by filesystem, and what was said."""
    ended = place.cowbench("up", place.matrix(axes={"backing_filesystem": filesystems}), "--stack", "api")
    assert ended.code == 0, ended.said
    targets = json.loads((place.state / "stacks/api/targets.json").read_text())["targets"]
    return {target["cell"]["backing_filesystem"]: target for target in targets}, ended.said


def test_up_again_changes_nothing_and_a_new_or_lost_cell_touches_no_other(place: Place) -> None:
    first, _ = _up(place, ["ext4"])
    again, said = _up(place, ["ext4"])
    assert again == first
    assert "create" not in said

    both, said = _up(place, ["ext4", "xfs"])
    assert both["ext4"] == first["ext4"]
    assert said.count("     create ") == 2

    other, said = _up(place, ["xfs"])
    assert other == {"xfs": both["xfs"]}
    assert said.count("     delete ") == 2
    assert not place.host("api", "overlay2-ext4").exists()

    assert place.cowbench("down", "--stack", "api").code == 0
