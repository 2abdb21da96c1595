"""Parts go up and down side by side; one that fails takes nothing from the others."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from bench import cli_steps
from bench.errors import DeployError
from bench.records import Finding, Reference, Summary
from bench.targets import Deployment
from stacks import fleet, labels, lifecycle, ownership, parts, settle, state, sweep
from stacks.deploy import Wanted
from stacks.fleet import Observer
from stacks.lifecycle import Standing
from stacks.terms import Terms
from tests.cells import cell
from tests.unit import made_up_clouds, small_run
from tests.unit.made_up_clouds import apart, belonging

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.records import Cell
    from tests.unit.made_up_clouds import MadeUp

TERMS = Terms(operator="203.0.113.7/32")
ALL = ("far", "near", "local")
QUIET = Observer(step=lambda *_: None, say=lambda *_: None)


def on(*names: str) -> tuple[Cell, ...]:
    return apart(*(cell(cloud=name) if name != "local" else cell() for name in names))


@dataclass
class Engine:
    """In place of Pulumi: notes what it is asked to do, and fails for the parts in `broken`."""

    broken: dict[str, str] = field(default_factory=dict)
    stuck: dict[str, str] = field(default_factory=dict)
    ups: list[str] = field(default_factory=list)
    downs: list[str] = field(default_factory=list)

    def up(
        self, stack: str, cells: tuple[Cell, ...], _wanted: Wanted, _observe: object, limit_s: float | None = None
    ) -> Standing:
        del limit_s
        self.ups.append(stack)
        if stack in self.broken:
            raise DeployError(self.broken[stack], where=f"stack {stack}", next_step=f"mend {stack}")
        targets = [{"cell": {"name": each.name}, "credential": stack} for each in cells]
        text = json.dumps({"schema": 1, "stack": stack, "targets": targets, "generators": []})
        made = Standing(stack=stack, targets_json=text, credentials={stack: ("key", f"secret of {stack}")}, changes={"create": 1})
        state.stack_dir(stack).mkdir(parents=True, exist_ok=True)
        lifecycle._keep(made)
        return made

    def down(self, stack: str, _observe: object, limit_s: float | None = None) -> None:
        del limit_s
        self.downs.append(stack)
        if stack in self.stuck:
            raise DeployError(self.stuck[stack], where=f"stack {stack}", next_step=f"free {stack}")
        lifecycle._forget(stack)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    made_up_clouds.register(monkeypatch, "far", "near")
    made = Engine()
    monkeypatch.setattr(lifecycle, "up", made.up)
    monkeypatch.setattr(lifecycle, "down", made.down)
    return made


def _up(*names: str, observer: Observer = QUIET) -> fleet.Outcome:
    cells = on(*(names or ALL))
    ownership.claim("s")
    settle.keep(settle.settle(parts.split("s", cells), None, TERMS))
    return fleet.up("s", cells, Wanted(images={}), TERMS, observer)


def test_what_stands_is_one_stack_with_the_keys_of_each_part(engine: Engine) -> None:
    outcome = _up()

    told = json.loads(outcome.standing.targets_json)
    assert told["stack"] == outcome.standing.stack == "s"
    assert {each["credential"] for each in told["targets"]} == {"s", "s.far", "s.near"} == set(outcome.standing.credentials)
    assert outcome.standing.changes == {"create": 3}
    assert outcome.failed == ()
    assert sorted(engine.ups) == ["s", "s.far", "s.near"]
    assert replace(fleet.standing("s"), changes={"create": 3}) == outcome.standing
    assert fleet.standing_stacks() == ("s",)


def test_secrets_are_not_shown_with_what_stands(engine: Engine) -> None:
    assert "secret of" not in repr(_up())
    assert engine.ups


def test_one_cloud_that_fails_is_taken_away_and_the_others_stand(engine: Engine) -> None:
    engine.broken = {"s.far": "no quota"}

    outcome = _up()

    assert [(part.cloud, error.what) for part, error in outcome.failed] == [("far", "no quota")]
    assert set(outcome.standing.credentials) == {"s", "s.near"}
    assert engine.downs == ["s.far"]
    assert "s.far" not in parts.names("s")
    assert not ownership.is_abandoned("s")


def test_what_stood_before_it_failed_is_kept(engine: Engine) -> None:
    _up()
    engine.broken = {"s.far": "no quota"}

    outcome = _up()

    assert engine.downs == []
    assert [part.name for part, _ in outcome.failed] == ["s.far"]
    assert fleet.standing("s").credentials.keys() == {"s", "s.far", "s.near"}


def test_what_cannot_be_taken_away_is_said_with_why_it_failed(engine: Engine) -> None:
    engine.broken, engine.stuck = {"s.far": "no quota"}, {"s.far": "a disk stays"}

    ((_, error),) = _up().failed

    assert "no quota" in error.what
    assert "a disk stays" in error.what
    assert error.next_step == "free s.far"


def test_when_nothing_stands_every_reason_is_told(engine: Engine) -> None:
    engine.broken = {name: f"broken {name}" for name in ("s", "s.far", "s.near")}

    with pytest.raises(DeployError) as raised:
        _up()

    assert all(f"broken {name}" in raised.value.what for name in engine.broken)
    assert "next: mend s.near" in raised.value.what
    assert raised.value.next_step == "mend s"


def test_a_stack_that_is_its_only_part_is_its_callers_to_take_away(engine: Engine) -> None:
    engine.broken = {"s": "no quota"}

    with pytest.raises(DeployError, match="no quota"):
        _up("far")
    assert engine.downs == []


def test_a_cloud_that_left_the_matrix_goes(engine: Engine) -> None:
    _up()

    outcome = _up("near", "local")

    assert engine.downs == ["s.far"]
    assert set(outcome.standing.credentials) == {"s", "s.near"}
    assert not ownership.is_abandoned("s")


def test_down_takes_every_part_and_what_is_noted_of_the_stack(engine: Engine) -> None:
    _up("far", "near")

    fleet.down("s", QUIET)

    assert sorted(engine.downs) == ["s.far", "s.near"]
    assert not fleet.has_state("s")


def test_a_part_that_resists_keeps_none_of_the_others(engine: Engine) -> None:
    _up()
    engine.stuck = {"s.far": "a disk stays"}

    with pytest.raises(DeployError, match="a disk stays"):
        fleet.down("s", QUIET)

    assert sorted(engine.downs) == ["s", "s.far", "s.near"]
    assert parts.names("s") == ("s.far",)


def test_a_stack_that_rents_may_stand_until_its_hosts_end(engine: Engine) -> None:
    _up()
    settled = settle.read("s.far")

    assert settled is not None
    assert fleet.leave_standing("s") == settled.expires_at
    assert engine.ups


def test_parts_work_at_the_same_time() -> None:
    met = threading.Barrier(2, timeout=20)

    works: dict[str, Callable[[], int]] = {"one": met.wait, "other": met.wait}

    done, failed = fleet._side_by_side(works, lambda: None)

    assert sorted(done.values()) == [0, 1]
    assert failed == {}


def test_an_error_of_our_own_in_one_part_is_raised_when_all_have_ended() -> None:
    ended: list[str] = []

    def broken() -> None:
        raise RuntimeError("a fault")

    works: dict[str, Callable[[], None]] = {"one": broken, "other": partial(ended.append, "other")}

    with pytest.raises(RuntimeError, match="a fault"):
        fleet._side_by_side(works, lambda: None)
    assert ended == ["other"]


def test_an_interrupt_stops_every_part_and_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    both, asked = threading.Barrier(2, timeout=20), threading.Event()
    ended: list[str] = []
    stopped: list[str] = []

    def work(name: str) -> None:
        if both.wait() == 0:
            os.kill(os.getpid(), signal.SIGINT)
        asked.wait(20)
        # Longer than whoever does not wait takes to be back.
        time.sleep(0.5)
        ended.append(name)

    def stop() -> None:
        fleet._stop(("s.far", "s.near"), threading.Event())
        asked.set()

    monkeypatch.setattr(sweep, "stop_processes", lambda name, *, grace_s: stopped.append(name) if grace_s else None)
    works: dict[str, Callable[[], None]] = {name: partial(work, name) for name in ("s.far", "s.near")}

    with pytest.raises(KeyboardInterrupt):
        fleet._side_by_side(works, stop)
    assert sorted(ended) == sorted(stopped) == ["s.far", "s.near"]


@dataclass
class Pulumi:
    """What `lifecycle.down` asks of this machine and of the engine."""

    problem: str = ""

    def destroy(self, stack: str, _observe: object, _limit_s: object) -> None:
        if self.problem:
            raise DeployError(self.problem, where=stack, next_step="renew them")


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """A stack on `far` that was settled, with nothing but the account behind it."""
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    (made,) = made_up_clouds.register(monkeypatch, "far")
    settle.keep(settle.settle(parts.split("s", on("far")), None, TERMS))
    for name in ("stop_processes", "remove_orphans", "remove_hosts"):
        monkeypatch.setattr(sweep, name, lambda *_, **__: None)
    monkeypatch.setattr(lifecycle, "_destroy", Pulumi().destroy)
    return made


def test_down_removes_what_the_account_still_has_of_the_run_and_nothing_else(far: MadeUp) -> None:
    other = belonging("2", run="somebody-elses")
    far.there = [belonging("1", run=labels.run("s")), other]

    lifecycle.down("s", lambda _: None)

    assert far.there == [other]
    assert not lifecycle.has_state("s")


def test_what_pulumi_could_not_remove_and_the_account_has_no_more_is_no_error(
    far: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_destroy", Pulumi(problem="state is torn").destroy)

    lifecycle.down("s", lambda _: None)

    assert far.asked[-1] == "belongings in middle"
    assert not lifecycle.has_state("s")


def test_an_account_that_cannot_be_asked_is_an_error_and_nothing_is_forgotten(
    far: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_destroy", Pulumi(problem="token is expired").destroy)
    far.broken = "no credentials"

    with pytest.raises(DeployError, match="not taken away: token is expired") as raised:
        lifecycle.down("s", lambda _: None)

    assert "no credentials" in raised.value.what
    assert f"cowbench sweep --cloud far --run {labels.run('s')}" in raised.value.next_step
    assert settle.rented("s")


def test_also_when_pulumi_is_content_an_account_that_is_silent_is_told(far: MadeUp) -> None:
    far.broken = "no credentials"

    with pytest.raises(DeployError, match="could not be asked whether anything else is left"):
        lifecycle.down("s", lambda _: None)


def test_a_run_tells_of_the_cells_whose_cloud_failed(engine: Engine) -> None:
    engine.broken = {"s.far": "no quota\nat all"}
    outcome = _up()
    deployment = Deployment(stack="s", targets=tuple(replace(small_run.target(), cell=each) for each in on("near", "local")))

    missing = cli_steps._missing(on(*ALL), deployment, outcome)

    assert [(each.cell.cloud, each.reason, each.fix) for each in missing] == [
        ("far", "not deployed: no quota at all", "mend s.far")
    ]


@pytest.mark.parametrize(
    ("findings", "sound", "code"),
    [
        ([("deploy", "")], True, 3),
        ([("deploy", ""), ("integrity", "")], True, 1),
        ([("deploy", "")], False, 4),
        ([("spot_reclaimed", "a"), ("run", "a")], True, 3),
        ([("spot_reclaimed", "a"), ("run", "b")], True, 1),
        ([("spot_reclaimed", "a"), ("integrity", "a")], True, 1),
    ],
)
def test_a_run_without_a_cloud_ends_with_3_unless_something_graver_is_to_be_told(
    findings: list[tuple[str, str]], *, sound: bool, code: int
) -> None:
    told = tuple(Finding(check=check, level="error", cell=cell_name, text="", fix="") for check, cell_name in findings)
    summary = Summary(
        schema=1, run_id="r", assumption="", reference=Reference(axes={}), cells=(), comparisons=(), measured_s=1.0, sound=sound
    )

    assert cli_steps.exit_code_of(replace(small_run.run(), findings=told), summary) == code
