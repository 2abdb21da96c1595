"""The rules of `stacks.policy`, applied by the program itself: what breaks one is refused before the engine hears of it.

So they hold in `preview` and `up`, with every Pulumi CLI. Not by a stack-wide transform of the SDK: its callback servers are
shared by all programs of a process, and the first program that ends would stop those of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import rpc, settings

from stacks import clouds, policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stacks.policy import Meaning, Violation

    Meanings = Mapping[str, Callable[[Mapping[str, Any]], Meaning]]

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_VALUE = ("1b47061264138c4ac30d75fd1eb44270", "d0e6a833031e9bbcd3f4e8bde6ca49a4")
_REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
"""How inputs that are no plain JSON go over the wire (Pulumi's `sdk/go/common/resource/properties.go`): a map with a signature,
that of a secret or of an output, which hold a value, or of a reference to another resource."""

_NOT_KNOWN_YET = "(known when it is made)"
"""In a preview, in place of a value that only making something else tells: text that breaks no rule."""


class _Judging:
    """The engine's resource monitor, with every registration judged on its way to it."""

    def __init__(self, monitor: Any, meanings: Meanings) -> None:  # noqa: ANN401 - gRPC's stubs have no types
        self._monitor, self._meanings = monitor, meanings

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        return getattr(self._monitor, name)

    def RegisterResource(self, request: Any) -> Any:  # noqa: ANN401, N802 - as above, and gRPC's name
        insist(request.type, request.name, json_format.MessageToDict(request.object), self._meanings)
        return self._monitor.RegisterResource(request)


def install(names: Iterable[str]) -> None:
    """From here on every resource of the running program is judged by what the clouds of these names say of it."""
    settings.SETTINGS.monitor = _Judging(settings.get_monitor(), meanings_of(names))


def is_exempt(kind: str) -> bool:
    """Whether a type of resource is Pulumi's own, an explicit provider too, or ours: nothing of those is in an account."""
    return kind.startswith(("pulumi:", "pulumi-python:dynamic"))


def meanings_of(names: Iterable[str]) -> Meanings:
    """What the clouds of these names say of their resources, by type."""
    accounts = [clouds.load(name).account for name in sorted(set(names))]
    return {kind: meaning for account in accounts if account for kind, meaning in account.meanings.items()}


def insist(kind: str, name: str, inputs: Mapping[str, Any], meanings: Meanings) -> None:
    """Raise RunError, which ends a Pulumi program with nothing but its words, for a resource that breaks a rule."""
    if is_exempt(kind):
        return
    if broken := violations(kind, inputs, meanings):
        lines = "".join(f"\n  {each.rule}: {each.what}\n  next: {each.fix}" for each in broken)
        raise pulumi.RunError(f"{name} ({kind}) breaks {'a rule' if len(broken) == 1 else 'rules'} of stacks/policy.py:{lines}")


def violations(kind: str, inputs: Mapping[str, Any], meanings: Meanings) -> tuple[Violation, ...]:
    """The rules that the resource breaks, as far as its inputs are known. They are as on the wire, or plain.

    Secrets are judged by what they hide.
    """
    unknown: list[object] = []
    plain = _plain(inputs, unknown)
    try:
        return policy.judge(kind, plain, meanings)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if unknown:
            # It cannot be read before the rest is known, and is judged again then.
            return ()
        what = f"its inputs cannot be read ({type(error).__name__}: {error})"
        return (policy.Violation(rule="known_kind", what=what, fix="mend what its cloud says of it in `meanings`"),)


def _plain(value: Any, unknown: list[object]) -> Any:  # noqa: ANN401 - whatever inputs hold
    if value == rpc.UNKNOWN:
        unknown.append(value)
        return _NOT_KNOWN_YET
    if isinstance(value, list):
        return [_plain(each, unknown) for each in value]
    if not isinstance(value, dict):
        # The wire has no whole numbers.
        return int(value) if isinstance(value, float) and value.is_integer() else value
    if value.get(_SIGNATURE) in _VALUE:
        # An output without a value is one that nobody knows yet.
        return _plain(value.get("value", rpc.UNKNOWN), unknown)
    if value.get(_SIGNATURE) == _REFERENCE:
        return _plain(value.get("id") or value.get("urn"), unknown)
    return {key: _plain(each, unknown) for key, each in value.items()}
