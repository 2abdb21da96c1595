"""The rules of `stacks.policy` as a Pulumi policy pack asks for them (`policy/`): one function for each rule, told by its name.

The program applies the same rules itself (`stacks.policy_enforcement`); the pack is for those who enforce packs on their stacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from stacks import clouds, policy, policy_enforcement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from stacks.policy import Meaning

UNKNOWN_KIND = "known_kind"
"""The rule that is none of `policy.RULES`: somebody must say what a type of resource means."""


class Resource(Protocol):
    """What a pack tells of a resource, `pulumi_policy.ResourceValidationArgs`; `props` as in `policy.judge`."""

    @property
    def resource_type(self) -> str:
        """The type token."""

    @property
    def props(self) -> Mapping[str, Any]:
        """The inputs. In a preview asking for one that is not known yet raises what the pack's framework understands."""


def rules() -> Iterator[tuple[str, str]]:
    """Name and description of every rule."""
    for rule, fix in policy.RULES:
        yield rule.__name__, f"{(rule.__doc__ or '').strip()} To mend it: {fix}."
    yield (
        UNKNOWN_KIND,
        "Of every type of resource its cloud says what it opens, carries and costs (`stacks.cloud.Account.meanings`).",
    )


def validator(name: str) -> Callable[[Resource, Callable[[str], None]], None]:
    """What tells whether a resource keeps to the rule of that name, by calling `report` with each violation."""
    meanings: dict[str, Callable[[Mapping[str, Any]], Meaning]] = {}

    def validate(resource: Resource, report: Callable[[str], None]) -> None:
        if policy_enforcement.is_exempt(resource.resource_type):
            return
        meanings.update(meanings or policy_enforcement.meanings_of(clouds.CLOUDS))
        for violation in policy.judge(resource.resource_type, resource.props, meanings):
            if violation.rule == name:
                report(f"{violation.what}\n  next: {violation.fix}")

    return validate
