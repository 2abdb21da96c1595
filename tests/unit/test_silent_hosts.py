"""A host that does not answer at the start of a run, or when one is resumed, costs its own cells and no others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench import checks, cli_steps, resume, run, store, targets
from bench.errors import DeployError, InputError, Interrupted, SilentHostError
from bench.targets import Deployment
from stacks import readback
from stacks.fleet import Outcome
from stacks.lifecycle import Standing
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator, generator_host, target

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import GeneratorHost, Target

SMOKE = Path(__file__).parents[2] / "stacks/matrices/smoke.yaml"
ELSEWHERE = ("sh", "-c", "exec false", "vm")
GONE = "the host does not answer\n(no route)"


def elsewhere(name: str, region: str = "here", host: str = "") -> Target:
    one = target(name, planned_region=region)
    return replace(one, reach=ELSEWHERE, cell=replace(one.cell, host=host or one.cell.host))


def driver(name: str, region: str = "here") -> GeneratorHost:
    return replace(generator_host(name, region=region), reach=ELSEWHERE)


def standing(*stand: Target, drivers: tuple[GeneratorHost, ...] = ()) -> Standing:
    text = targets.render(Deployment(stack="s", targets=stand, generators=drivers))
    return Standing(stack="s", targets_json=text, credentials={}, changes={})


def silence(name: str) -> DeployError:
    return SilentHostError(GONE, where=f"host {name}", next_step="cowbench down, then up again")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of hosts that do not answer; the others have another kernel than when they were deployed."""
    names: set[str] = set()

    def ask(name: str, one: Any) -> Any:
        if name in names:
            raise silence(name)
        return replace(one, host=replace(one.host, kernel="6.12"))

    monkeypatch.setattr(readback, "refresh", lambda one: ask(one.cell.host, one))
    monkeypatch.setattr(readback, "refresh_generator", lambda one, _stack: ask(one.name, one))
    return names


def test_a_silent_host_costs_its_own_cells(silent: set[str]) -> None:
    silent.add("host-b")
    stand = (elsewhere("a"), elsewhere("b"), elsewhere("c", host="host-b"), target("d"))
    deployment, without = cli_steps.answering(standing(*stand))

    assert [(one.cell.name, one.host.kernel) for one in deployment.targets] == [("a", "6.12"), ("d", "6.12")]
    assert {cell: error.where for cell, error in without.items()} == {"b": "host host-b", "c": "host host-b"}


def test_a_silent_host_is_asked_once_more_not_for_each_cell(silent: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    silent.add("host-b")
    asked: list[str] = []
    refresh = readback.refresh

    def noted(one: Target) -> Target:
        asked.append(one.cell.name)
        return refresh(one)

    monkeypatch.setattr(readback, "refresh", noted)
    cli_steps.answering(standing(elsewhere("a"), elsewhere("b"), elsewhere("c", host="host-b")))

    assert asked == ["a", "b", "b"]


def test_a_host_that_answers_and_is_not_well_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_one: Target) -> Target:
        raise DeployError("the disk is not mounted", where="host host-b", next_step="cowbench down, then up again")

    monkeypatch.setattr(readback, "refresh", refuse)
    with pytest.raises(DeployError, match="the disk is not mounted"):
        cli_steps.answering(standing(elsewhere("a"), elsewhere("b")))


def test_cells_without_their_load_generators_cannot_be_measured(silent: set[str]) -> None:
    silent.add("load-2")
    stand = (elsewhere("a", "north"), elsewhere("b", "south"))
    drivers = (driver("load-1", "north"), driver("load-2", "south"), driver("load-3", "south"))
    deployment, without = cli_steps.answering(standing(*stand, drivers=drivers))

    assert [one.cell.name for one in deployment.targets] == ["a"]
    assert [one.name for one in deployment.generators] == ["load-1"]
    assert {cell: error.where for cell, error in without.items()} == {"b": "host load-2"}


@pytest.mark.parametrize(
    ("stand", "gone"),
    [
        pytest.param((elsewhere("a"), elsewhere("b")), {"host-a", "host-b"}, id="all of them"),
        pytest.param((elsewhere("a"), target("b")), {"host-b"}, id="an engine of this machine"),
    ],
)
def test_where_nothing_is_left_or_this_machine_is_silent_nothing_begins(
    silent: set[str], stand: tuple[Target, ...], gone: set[str]
) -> None:
    silent |= gone

    with pytest.raises(DeployError, match="the host does not answer"):
        cli_steps.answering(standing(*stand))


def test_to_check_a_stack_each_host_must_answer(silent: set[str]) -> None:
    silent.add("host-b")

    with pytest.raises(DeployError, match="the host does not answer") as raised:
        cli_steps.deployment_of(standing(elsewhere("a"), elsewhere("b")))

    assert raised.value.where == "host host-b"
    silent.clear()
    assert len(cli_steps.deployment_of(standing(elsewhere("a"), elsewhere("b"))).targets) == 2


def test_a_run_begins_without_the_cells_of_a_silent_host_and_says_why(
    silent: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(checks, "look", lambda _when, _evidence: ())
    wanted, planned = cli_steps.read_plan(SMOKE)
    stand = tuple(replace(elsewhere(cell.name), cell=cell) for cell in planned.cells)
    gone = planned.cells[0].host
    silent.add(gone)

    folder = cli_steps.start_run(wanted, planned, Outcome(standing=standing(*stand), failed=()), tmp_path / "runs", None)

    begun = store.read(folder)
    lost = {cell.name for cell in planned.cells if cell.host == gone}
    assert {one.cell.name for one in begun.targets} == {cell.name for cell in planned.cells} - lost
    assert {trial.cell for trial in begun.schedule} == {cell.name for cell in begun.plan} == {t.cell.name for t in begun.targets}
    told = [each for each in begun.left_out if each.source == "stacks.readback"]
    assert {each.cell.name for each in told} == lost
    assert {each.reason for each in told} == {f"host {gone} is silent: the host does not answer (no route)"}
    (finding,) = begun.findings
    assert (finding.check, finding.level, finding.fix) == ("deploy", "error", "cowbench down, then up again")
    assert gone in finding.text


# --- resumed

RUN = small_run.run()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that was killed in its third trial of eight."""
    return begun(tmp_path, 2)


def begun(folder: Path, count: int, generator: Callable[..., FakeGenerator] = FakeGenerator) -> Path:
    def dies_at(_step: str, _count: int) -> None:
        if len(store.results(made)) == count:
            raise KeyboardInterrupt

    made = store.create(folder, RUN)
    with pytest.raises(Interrupted):
        run.perform(made, KEYS, lambda _: None, partial(generator, dies_at=dies_at))
    return made


def there() -> tuple[Target, ...]:
    return tuple(one for one in RUN.targets if one.cell.name != "btrfs")


SILENT = {"btrfs": silence("host-btrfs")}


def test_what_is_left_of_a_silent_cell_is_given_up_and_the_others_go_on(folder: Path) -> None:
    before = store.results(folder)
    resume.rejoin(folder, there(), (), SILENT)
    done = run.perform(folder, KEYS, lambda _: None, FakeGenerator)

    assert done.state == "complete"
    after = {result.trial.index: result for result in store.results(folder)}
    assert sorted(after) == [trial.index for trial in RUN.schedule]
    assert [after[result.trial.index] for result in before] == list(before)
    new = [result for result in after.values() if result not in before]
    assert {result.trial.cell for result in new if result.problem} == {"btrfs"}
    assert {result.trial.cell for result in new if not result.problem} == {"vfs"}
    (finding,) = [each for each in done.findings if each.check == "deploy" and each.level == "error"]
    left = sum(bool(result.problem) for result in new)
    assert finding.cell == "btrfs"
    assert finding.text == (
        f"given up with {left} trials left, not measured: host host-btrfs was silent when the run was resumed"
        " (the host does not answer (no route))"
    )


def test_to_resume_once_more_says_nothing_twice(folder: Path) -> None:
    resume.rejoin(folder, there(), (), SILENT)
    first = store.read(folder).findings, store.results(folder)
    resume.rejoin(folder, RUN.targets)
    resume.rejoin(folder, there(), (), SILENT)

    findings = tuple(each for each in store.read(folder).findings if "sittings" not in each.text)
    assert (findings, store.results(folder)) == (tuple(each for each in first[0] if "sittings" not in each.text), first[1])


def test_a_block_of_which_only_silent_cells_are_left_is_not_torn(tmp_path: Path) -> None:
    (last,) = {trial.cell for trial in RUN.schedule[3:4]}
    folder = begun(tmp_path, 3)
    resume.rejoin(folder, tuple(one for one in RUN.targets if one.cell.name != last), (), {last: silence("x")})

    assert [finding for finding in store.read(folder).findings if "sittings" in finding.text] == []


def test_a_run_all_of_whose_cells_are_silent_stays_as_it_was(folder: Path) -> None:
    before = store.read(folder), store.results(folder)

    with pytest.raises(DeployError, match="the host does not answer"):
        resume.rejoin(folder, (), (), {one.cell.name: silence(one.cell.host) for one in RUN.targets})

    assert (store.read(folder), store.results(folder)) == before


def test_the_others_must_still_be_what_the_run_began_with(folder: Path) -> None:
    before = store.read(folder), store.results(folder)
    (vfs,) = there()

    with pytest.raises(InputError, match="kernel was"):
        resume.rejoin(folder, (replace(vfs, host=replace(vfs.host, kernel="6.12")),), (), SILENT)

    assert (store.read(folder), store.results(folder)) == before


def test_load_generators_count_only_where_something_is_left_to_measure(tmp_path: Path) -> None:
    first, second = RUN.targets
    apart = (first, replace(second, cell=replace(second.cell, region="south")))
    drivers = (generator_host("load-1"), generator_host("load-2", region="south"))
    made = store.create(tmp_path, replace(RUN, targets=apart, generators=drivers))

    resume.rejoin(made, apart[1:], drivers[1:], SILENT)

    assert {result.trial.cell for result in store.results(made)} == {"btrfs"}
    with pytest.raises(InputError, match=r"load-2 .* does not stand"):
        resume.rejoin(made, apart[1:], (), SILENT)


def test_load_generators_of_a_place_that_the_run_never_had_are_nobody_s_concern(folder: Path) -> None:
    resume.rejoin(folder, RUN.targets, (generator_host("load-9", region="south"),))
