"""What `cowbench sweep --cloud` says of an account, to a person and to a program: what goes, and what stays with whose it is."""

from __future__ import annotations

import io
import time
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench import cli_sweep, display, terminal
from bench.errors import DeployError
from stacks.lifecycle import Step
from tests.unit import made_up_clouds
from tests.unit.made_up_clouds import belonging

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.made_up_clouds import MadeUp


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    return made_up_clouds.register(monkeypatch, "far")[0]


def swept(*, dry_run: bool = True, run: str = "", regions: tuple[str, ...] = ()) -> tuple[str, dict[str, list[dict[str, Any]]]]:
    with redirect_stdout(io.StringIO()) as out:
        told = cli_sweep.of_account(terminal.Screen(), "far", regions, run=run, everything=False, dry_run=dry_run)
    return out.getvalue(), told


def test_what_stays_is_shown_by_run_with_its_owner_its_end_and_what_it_has(far: MadeUp) -> None:
    soon = time.time() + 3 * 3600 + 60
    far.there = [
        belonging("1", run="ffff0000-theirs", owner="ann", expires_at=soon),
        belonging("2", run="ffff0000-theirs", owner="ann", expires_at=soon),
        belonging("3", run="eeee0000-other", owner="bob"),
    ]
    text, told = swept()

    lines = [line.split() for line in text.splitlines()]
    assert ["run", "owner", "expires", "what"] in lines
    assert ["ffff0000-theirs", "ann", "in", "3.0", "h", "2", "x", "vm"] in lines
    assert "eeee0000-other" in text
    assert "--run RUN" in text
    assert text.endswith("nothing to sweep in far\n")
    assert told["goes"] == []
    assert [each["run"] for each in told["stays"]] == ["ffff0000-theirs", "ffff0000-theirs", "eeee0000-other"]


def test_what_goes_is_not_among_what_stays_and_is_removed(far: MadeUp) -> None:
    old, new = belonging("old", run="r-1", expires_at=1.0), belonging("new", run="r-2")
    far.there = [old, new]
    text, told = swept(dry_run=False)

    assert far.there == [new]
    assert [each["id"] for each in told["goes"]] == ["old"]
    assert told["goes"][0]["why"] == "past its expiry"
    assert [each["id"] for each in told["stays"]] == ["new"]
    assert "expires" in text.splitlines()[0]
    assert "expired" not in text.splitlines()[0]


def test_an_account_without_anything_of_ours_is_said_to_be_so(far: MadeUp) -> None:
    text, told = swept()

    assert text == "nothing to sweep in far: nothing there carries our labels\n"
    assert told == {"goes": [], "stays": []}
    assert far.asked == ["belongings in "]


def test_a_kind_that_is_longer_than_its_column_does_not_touch_the_name() -> None:
    step = Step(name="aws-port-22", kind="SecurityGroupIngressRule", operation="create", done=True)
    for cloud in ("", "aws"):
        with redirect_stdout(io.StringIO()) as out:
            display.show_step(terminal.Screen(), step, cloud)
        assert "SecurityGroupIngressRule aws-port-22" in out.getvalue()


def test_a_region_that_is_none_is_refused_and_not_told_to_be_clean(far: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    def zones(region: str) -> tuple[str, ...]:
        if region != "middle":
            raise DeployError(f"far has no region {region}", where="cloud far", next_step="write one of middle")
        return ()

    monkeypatch.setattr(far, "_zones", zones)

    with pytest.raises(DeployError, match="no region mars"):
        swept(regions=("middle", "mars"))
    assert not any(each.startswith("belongings") for each in far.asked)
    assert swept(regions=("middle",))[0].startswith("nothing to sweep in far")


def test_without_its_sdk_or_credentials_an_account_is_not_asked(far: MadeUp, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = replace(far.cloud(), problems=lambda: ("pulumi_far is not installed: make setup-clouds CLOUDS=far",))
    monkeypatch.setattr(far, "cloud", lambda: missing)

    with pytest.raises(DeployError) as raised:
        swept()
    assert str(raised.value) == "cloud far: pulumi_far is not installed\n  next: make setup-clouds CLOUDS=far"
    assert far.asked == []
