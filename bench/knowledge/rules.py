"""Preflight rules: what is known to fail or to mislead, judged on the facts of a host before anything is created."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from bench.knowledge import data, facts
from bench.knowledge.conditions import Condition, condition
from bench.records import Level

Outcome = Literal["matched", "not matched", "unknown"]


class Rule(data.Entry):
    """What is known to go wrong when all of `when` holds. `source` is where that is written or was seen."""

    id: Annotated[str, Field(pattern=r"^[A-Z]+\d\d$")]
    when: Annotated[dict[str, object], Field(min_length=1)]
    level: Level
    says: str
    fix: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a rule says of some facts. `unknown` lists the facts that kept it from a verdict; it is empty otherwise."""

    rule: str
    outcome: Outcome
    level: Level
    text: str
    fix: str
    source: str
    unknown: tuple[str, ...] = ()


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of the file: what lies deepest comes first."""
    return data.read("rules", tuple[Rule, ...])


def judge(known: Mapping[str, object]) -> tuple[Judgement, ...]:
    """Every rule's verdict on the facts. One condition that fails means "not matched"; the unknown never counts as passed.

    Raises ValueError for a fact outside the vocabulary, or of another kind than the vocabulary says.
    """
    normal = facts.normal(known)
    return tuple(_judge(rule, normal) for rule in rules())


@cache
def _conditions(rule_id: str) -> tuple[Condition, ...]:
    (rule,) = (rule for rule in rules() if rule.id == rule_id)
    return tuple(condition(name, wanted) for name, wanted in rule.when.items())


def _judge(rule: Rule, known: Mapping[str, object]) -> Judgement:
    answers = [(each.fact, each.holds(known)) for each in _conditions(rule.id)]
    unknown = tuple(fact for fact, holds in answers if holds is None)
    outcome: Outcome = "unknown" if unknown else "matched"
    if any(holds is False for _, holds in answers):
        outcome, unknown = "not matched", ()
    return Judgement(
        rule=rule.id, outcome=outcome, level=rule.level, text=rule.says, fix=rule.fix, source=rule.source, unknown=unknown
    )
