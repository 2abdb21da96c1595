"""What is done about each kind of failure of a cloud, and what the person is told."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench.errors import DeployError
from stacks import attempts, clouds, deploy_failures, lifecycle, parts, settle
from stacks.attempts import Told
from stacks.deploy import Wanted
from stacks.deploy_failures import Failed, Said
from stacks.lifecycle import Standing
from stacks.terms import Terms
from tests.cells import cell
from tests.simulator import clouds as simulated
from tests.simulator.settings import Settings
from tests.unit import made_up_clouds
from tests.unit.made_up_clouds import FAILURES, apart

if TYPE_CHECKING:
    from pathlib import Path

    from stacks.parts import Part

TERMS = Terms(operator="203.0.113.7/32", instead_of={"large": ("larger",)})
HOST = "far-overlay2-ext4"


@pytest.mark.parametrize("name", simulated.CLOUDS)
def test_every_cloud_knows_its_own_words_for_every_kind(name: str) -> None:
    account = clouds.load(name).account
    said = Settings(clouds=(name,)).member(name).failures
    assert account is not None

    assert {kind: deploy_failures.kind_of(text, [account.failures]) for kind, text in said.items()} == {
        kind: kind for kind in said
    }
    assert set(account.failures) <= set(deploy_failures.KINDS)


def test_a_text_that_nobody_knows_is_of_no_kind() -> None:
    assert deploy_failures.kind_of("the colour is wrong", [FAILURES]) == ""


def test_a_network_that_broke_for_a_moment_is_known_without_any_cloud() -> None:
    assert deploy_failures.kind_of("read tcp 10.0.0.1:443: connection reset by peer", []) == "internal"


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["slow down", "limit of CPUs reached"], "quota"),
        (["slow down", "nothing left", "the colour is wrong"], ""),
        (["slow down", "nothing left"], "capacity"),
        (["the colour is wrong", "token is expired"], "credentials_expired"),
        ([], ""),
    ],
)
def test_of_several_the_gravest_decides(texts: list[str], kind: str) -> None:
    said = [Said(resource="", text=text) for text in texts]

    assert deploy_failures.gravest(said, [FAILURES])[0] == kind


@pytest.mark.parametrize(
    ("now", "there"),
    [
        (("a", "large"), ("b", "large")),
        (("b", "large"), ("a", "larger")),
        (("b", "larger"), None),
        (("gone", "large"), ("a", "larger")),
    ],
)
def test_zones_are_tried_before_types_and_each_once(now: tuple[str, str], there: tuple[str, str] | None) -> None:
    assert deploy_failures.elsewhere(("a", "b"), ("large", "larger"), now) == there


class _Engine:
    """In place of Pulumi: fails with these words, one after another, then stands."""

    def __init__(self, *words: str, late: bool = False) -> None:
        self.words, self.late = list(words), late
        self.wanted: list[Wanted] = []

    def up(self, stack: str, _cells: object, wanted: Wanted, _observe: object, limit_s: float | None = None) -> Standing:
        self.wanted.append(wanted)
        assert limit_s is not None
        if self.words:
            said = (Said(resource=HOST, text=self.words.pop(0)),)
            raise Failed(said[0].text, where=stack, next_step="read", said=said, in_flight=(HOST,), late=self.late)
        return Standing(stack=stack, targets_json="{}", credentials={}, changes={})


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Part:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    monkeypatch.setattr(attempts, "PAUSES_S", (0.0, 0.0))
    made_up_clouds.register(monkeypatch, "far")
    (whole,) = parts.split("s", apart(cell(cloud="far")))
    settle.keep(settle.settle([whole], None, TERMS))
    return whole


def _up(part: Part, engine: _Engine, monkeypatch: pytest.MonkeyPatch, terms: Terms = TERMS) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(lifecycle, "up", engine.up)
    attempts.up(part, Wanted(images={}), terms, Told(step=lambda _: None, say=said.append))
    return said


@pytest.mark.parametrize("words", ["slow down", "it does not exist", "internal error"])
def test_what_passes_by_itself_is_tried_again_and_said(part: Part, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _Engine(words, words)

    said = _up(part, engine, monkeypatch)

    assert len(engine.wanted) == 3
    assert len(said) == 2
    assert all(words in each and "once more in" in each for each in said)


def test_it_is_not_tried_for_ever(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _Engine(*["slow down"] * 9)

    with pytest.raises(DeployError, match="in 3 attempts") as raised:
        _up(part, engine, monkeypatch)

    assert "wait a while, then cowbench up MATRIX --stack s" in raised.value.next_step


def test_without_capacity_all_go_to_the_next_zone_then_to_the_next_type(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _Engine("nothing left", "nothing left")

    said = _up(part, engine, monkeypatch)

    settled = [wanted.settled for wanted in engine.wanted]
    assert [(each.zones["far/middle"], each.instance_types.get("large", "large")) for each in settled if each] == [
        ("a", "large"),
        ("b", "large"),
        ("a", "larger"),
    ]
    assert said == ["no large left in a: now large in b", "no large left in b: now larger in a"]
    # A second `up` stays where hosts were found.
    assert settle.read("s") == settled[-1]


def test_without_capacity_anywhere_it_says_where_it_was_tried(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match="tried: large, larger in a, b") as raised:
        _up(part, _Engine(*["nothing left"] * 9), monkeypatch)
    assert "deploy.instead_of" in raised.value.next_step


@pytest.mark.parametrize(
    ("words", "told", "step"),
    [
        ("limit of CPUs reached", "a quota of the account is used up", "ask the cloud to raise that quota"),
        ("token is expired", "credentials are not valid any more", "renew the credentials"),
    ],
)
def test_what_only_a_person_can_mend_stops_at_once(
    part: Part, words: str, told: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = _Engine(words)

    with pytest.raises(DeployError, match=told) as raised:
        _up(part, engine, monkeypatch)

    assert words in raised.value.what
    assert HOST in raised.value.what
    assert step in raised.value.next_step
    assert len(engine.wanted) == 1


def test_what_nobody_knows_is_told_in_its_own_words(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failed, match="the colour is wrong"):
        _up(part, _Engine("the colour is wrong"), monkeypatch)


def test_what_took_too_long_is_given_up_and_what_was_under_way_is_named(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match=f"not done within 60 s, and given up; under way then: {HOST}"):
        _up(part, _Engine("", late=True), monkeypatch, replace(TERMS, deadline_s=60))


def test_nobody_waits_for_an_attempt_that_would_come_after_the_deadline(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "PAUSES_S", (1000.0,))

    with pytest.raises(DeployError, match="in 1 attempts"):
        _up(part, _Engine("slow down"), monkeypatch, replace(TERMS, deadline_s=60))


def test_an_interrupt_ends_the_wait_for_the_next_attempt(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "PAUSES_S", (1000.0,))
    engine, stop = _Engine("slow down"), threading.Event()
    monkeypatch.setattr(lifecycle, "up", engine.up)
    told = Told(step=lambda _: None, say=lambda _: stop.set(), stop=stop)

    with pytest.raises(DeployError):
        attempts.up(part, Wanted(images={}), replace(TERMS, deadline_s=5000), told)
    assert len(engine.wanted) == 1
