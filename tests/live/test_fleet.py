"""Several clouds on the real engine, against the simulator: side by side, failing on request, and nothing left at the end.

What stands behind a VM is not booted here: a host counts as met as soon as its VM is there.
"""

from __future__ import annotations

import json
import multiprocessing
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from bench.errors import CowbenchError, DeployError
from stacks import account_sweep, attempts, clouds, fleet, labels, lifecycle, ownership, parts, settle, state, workspace
from stacks.clouds import CLOUDS
from stacks.deploy import Wanted
from stacks.fleet import Observer
from stacks.terms import Terms
from tests.cells import cell
from tests.simulator import faults, table
from tests.simulator.faults import Fault
from tests.simulator.place import simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.records import Cell
    from stacks.lifecycle import Step
    from tests.simulator.place import Simulator

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(170),
    # The simulator's API outlives the object that started it, on purpose: the next command finds it by its directory.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <function Popen.__del__:pytest.PytestUnraisableExceptionWarning"),
]

ONE, OTHER = "hetzner", "gcp"
OTHER_VM = "InstanceFromTemplate"
STACK = "fleet"
TERMS = Terms(owner="somebody", operator="127.0.0.0/8", deadline_s=120)
QUIET = Observer(step=lambda *_: None, say=lambda *_: None)


@pytest.fixture(autouse=True)
def _able_host() -> None:
    """In place of the other live tests' one: nothing here needs root or an engine, only the CLI."""
    try:
        workspace.command()
    except CowbenchError as error:
        pytest.skip(str(error))


@pytest.fixture
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Two clouds, and hosts that count as met once their VM is there."""
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "s"))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setattr(clouds, "CLOUDS", tuple(dict.fromkeys((*CLOUDS, ONE, OTHER))))
    monkeypatch.setattr("stacks.resources.rented_host.RentedHost", _Met)
    monkeypatch.setattr("stacks.deploy.Container", _Served)
    monkeypatch.setattr("stacks.image.ensure", lambda _name: _Image())
    monkeypatch.setattr(attempts, "PAUSES_S", (0.1, 0.1))
    with simulator(tmp_path / "c", clouds=(ONE, OTHER)) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


class _Image:
    content_digest = "sha256:1"


class _Met(pulumi.ComponentResource):
    """In place of `RentedHost`."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__("pulumi:test:Met", name, {}, opts)
        self.engine_url = pulumi.Output.concat("ssh://", props["address"])
        self.reach = pulumi.Output.from_input(["sh", "-c"])
        self.addresses = pulumi.Output.from_input({"": {"private": props["private_address"]}})
        self.facts = pulumi.Output.from_input({"vm": props["vm"]})
        self.incarnation = pulumi.Output.from_input(props["vm"])


class _Served:
    """In place of `Container`."""

    def __init__(self, _name: str, props: dict[str, Any], _opts: pulumi.ResourceOptions) -> None:
        self.endpoint = props["engine_url"]
        self.private_endpoint = pulumi.Output.from_input("")
        self.facts = pulumi.Output.from_input({"name": props["server"]})


def _cells(*names: str) -> tuple[Cell, ...]:
    plain = [cell(cloud=name) for name in names]
    return tuple(replace(each, host=f"{each.cloud}-{each.host}") for each in plain)


def _settled(cells: tuple[Cell, ...], terms: Terms = TERMS) -> None:
    ownership.claim(STACK)
    settle.keep(settle.settle(parts.split(STACK, cells), None, terms))


def _up(*names: str, terms: Terms = TERMS, observer: Observer = QUIET) -> fleet.Outcome:
    cells = _cells(*names)
    _settled(cells, terms)
    return fleet.up(STACK, cells, Wanted(images={}), terms, observer)


def _left(running: Simulator) -> list[str]:
    return [f"{each.cloud} {each.kind} {each.name}" for each in table.history(running.directory) if each.deleted_at is None]


def test_two_clouds_go_up_as_two_stacks_side_by_side_and_down_to_nothing(simulated: Simulator) -> None:
    seen: list[tuple[str, str]] = []
    lock = threading.Lock()

    def note(cloud: str, step: Step) -> None:
        with lock:
            seen.append((cloud, step.kind))

    outcome = _up(ONE, OTHER, observer=replace(QUIET, step=note))

    told = json.loads(outcome.standing.targets_json)
    assert outcome.failed == ()
    assert {target["cell"]["cloud"]: target["credential"] for target in told["targets"]} == {
        ONE: f"{STACK}.{ONE}",
        OTHER: f"{STACK}.{OTHER}",
    }
    assert set(outcome.standing.credentials) == {f"{STACK}.{ONE}", f"{STACK}.{OTHER}"}
    assert {cloud for cloud, _ in seen} == {ONE, OTHER}
    assert fleet.standing(STACK).targets_json == outcome.standing.targets_json
    assert fleet.standing_stacks() == (STACK,)
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []
    assert not fleet.has_state(STACK)


def test_clouds_are_previewed_each_in_a_process_of_its_own_and_nothing_is_left(simulated: Simulator) -> None:
    cells, seen = _cells(ONE, OTHER), set[str]()
    lock = threading.Lock()

    def preview(some: tuple[Cell, ...]) -> dict[str, int]:
        return fleet.preview(STACK, some, Wanted(images={}), settle.settle(parts.split(STACK, some), None, TERMS), note)

    def note(step: Step) -> None:
        with lock:
            seen.add(step.kind)

    found = preview(cells)

    assert {"Server", OTHER_VM} <= seen
    # Alone, each is previewed in this process, where the stand-in of a container is no resource.
    assert found == {"create": sum(preview(each)["create"] for each in (cells[:1], cells[1:])) + len(cells)}
    assert multiprocessing.active_children() == []
    assert _left(simulated) == []
    assert not fleet.has_state(STACK)


def test_a_second_up_finds_what_was_settled_and_changes_nothing(simulated: Simulator) -> None:
    first = _up(ONE)
    made = len(table.history(simulated.directory))

    again = _up(ONE)

    assert again.standing.targets_json == first.standing.targets_json
    assert set(again.standing.changes) <= {"same"}
    assert len(table.history(simulated.directory)) == made
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []


def test_a_quota_of_one_cloud_does_not_lose_the_other(simulated: Simulator) -> None:
    faults.add(simulated.directory, Fault(op="create", failure="quota", cloud=OTHER, kind=OTHER_VM))

    outcome = _up(ONE, OTHER)

    ((part, error),) = outcome.failed
    assert part.cloud == OTHER
    assert "a quota of the account is used up" in error.what
    assert "raise that quota" in error.next_step
    assert {each.partition(" ")[0] for each in _left(simulated)} == {ONE}
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []


def test_what_is_throttled_is_tried_again(simulated: Simulator) -> None:
    faults.add(simulated.directory, Fault(op="create", failure="throttled", cloud=ONE, kind="Server"))
    said: list[str] = []

    outcome = _up(ONE, observer=replace(QUIET, say=lambda _, text: said.append(text)))

    assert outcome.failed == ()
    assert any("throttled" in text and "once more in" in text for text in said)
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []


def test_where_a_zone_has_no_more_all_hosts_of_the_site_go_to_the_next(simulated: Simulator) -> None:
    zones = clouds.load(OTHER).account.zones(_cells(OTHER)[0].region)  # type: ignore[union-attr] # it has an account
    faults.add(simulated.directory, Fault(op="create", failure="capacity", cloud=OTHER, kind=OTHER_VM, having=zones[0], times=9))
    said: list[str] = []

    _up(OTHER, observer=replace(QUIET, say=lambda _, text: said.append(text)))

    settled = settle.read(STACK)
    assert settled is not None
    assert list(settled.zones.values()) == [zones[1]]
    assert any(f"left in {zones[0]}: now" in text for text in said)
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []


def test_when_no_zone_has_any_it_says_what_was_tried(simulated: Simulator) -> None:
    faults.add(simulated.directory, Fault(op="create", failure="capacity", cloud=OTHER, kind=OTHER_VM, times=99))

    with pytest.raises(DeployError, match="no more hosts of that type") as raised:
        _up(OTHER)

    assert "tried: " in raised.value.what
    assert "deploy.instead_of" in raised.value.next_step
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []


def test_an_expired_credential_stops_it_and_tells_what_still_stands(simulated: Simulator) -> None:
    _up(ONE)
    faults.add(simulated.directory, Fault(op="", failure="credentials_expired", cloud=ONE, times=999))

    with pytest.raises(DeployError) as raised:
        fleet.down(STACK, QUIET)

    assert "still there: " in raised.value.what
    assert "1 Server" in raised.value.what
    assert "cowbench down" in raised.value.next_step
    faults.clear(simulated.directory)
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []


def test_what_was_made_without_an_answer_is_found_by_its_label(simulated: Simulator) -> None:
    faults.add(simulated.directory, Fault(op="create", failure="half", cloud=OTHER, kind=OTHER_VM))

    outcome = _up(OTHER)

    assert outcome.failed == ()
    # The cloud said that it failed, so it was made once more.
    assert len([each for each in _left(simulated) if f":{OTHER_VM} " in each]) == 2
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []


def test_an_api_that_hangs_is_given_up_and_what_was_under_way_is_named(simulated: Simulator) -> None:
    faults.add(simulated.directory, Fault(op="create", failure="hang", cloud=ONE, kind="Network", seconds=600))

    with pytest.raises(DeployError, match=r"not done within 60 s, and given up; under way then: .*nbg1") as raised:
        _up(ONE, terms=replace(TERMS, deadline_s=60))

    assert "cowbench up MATRIX --stack fleet: it goes on where anything of it stands" in raised.value.next_step
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []


def test_down_needs_no_state_only_what_was_settled(simulated: Simulator) -> None:
    _up(OTHER)
    for path in (state.backend() / ".pulumi").rglob(f"{STACK}.json*"):
        path.unlink()

    fleet.down(STACK, QUIET)

    assert _left(simulated) == []


def test_a_sweep_of_the_account_needs_nothing_of_ours_at_all(simulated: Simulator) -> None:
    _up(ONE, OTHER)
    run = labels.run(f"{STACK}.{OTHER}")

    for cloud in (ONE, OTHER):
        found = account_sweep.account_of(cloud).belongings(())
        assert account_sweep.doomed(found, account_sweep.mine()) == ()
        doomed = account_sweep.doomed(found, account_sweep.mine(), run=run)
        assert bool(doomed) == (cloud == OTHER)
        assert account_sweep.remove([each.belonging for each in doomed], lambda _: None) == ()

    assert {each.partition(" ")[0] for each in _left(simulated)} == {ONE}
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []


def test_a_program_that_opens_a_port_to_the_world_is_refused_by_the_rule_that_says_so(
    simulated: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stacks.policy.is_the_world", lambda _network: True)
    with pytest.raises(DeployError, match="closed_to_the_world: ports 22-22 are open to") as raised:
        _up(ONE)

    assert "open it to the operator's address" in raised.value.next_step
    with pytest.raises(DeployError, match="closed_to_the_world"):
        lifecycle.preview(STACK, _cells(ONE), Wanted(images={}, settled=settle.read(STACK)), lambda _: None)
    assert not any("Server" in each for each in _left(simulated))
    fleet.down(STACK, QUIET)
    assert _left(simulated) == []
