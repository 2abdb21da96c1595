"""A preview of a rented stack asks nobody before it has what it needs to ask with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench import cli_steps, terminal
from bench.errors import DeployError
from stacks import clouds, fleet, plan, settle
from tests.unit import renting

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_sdk_is_told_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    renting.register(monkeypatch)
    missing = replace(
        clouds.load("rented"), problems=lambda: ("pulumi_rented is not installed: make setup-clouds CLOUDS=rented",)
    )
    load = clouds.load
    monkeypatch.setattr(clouds, "load", lambda name: missing if name == "rented" else load(name))
    monkeypatch.setattr(settle, "settle", lambda *_: pytest.fail("the account was asked"))
    monkeypatch.setattr(fleet, "preview", lambda *_: pytest.fail("Pulumi was started"))
    of = renting.wanted({"region": ("north",)})
    planned = plan.Plan(cells=plan.expand(of), left_out=(), warnings=(), facts={})

    with pytest.raises(DeployError) as raised:
        cli_steps.preview(terminal.Screen(), "s", of, planned)

    assert str(raised.value) == "cloud rented: pulumi_rented is not installed\n  next: make setup-clouds CLOUDS=rented"
