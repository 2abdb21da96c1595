"""Between Pulumi's property values and plain ones: what a member sees has no wrappers, and whole numbers are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime import rpc

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = rpc.UNKNOWN
"""Stands for a value that a preview does not know yet; the protocol sends this very text."""


def plain_map(values: Mapping[str, PropertyValue] | None) -> dict[str, Any]:
    """The values without their wrappers; what is null counts as not given."""
    return {name: plain(value) for name, value in (values or {}).items() if value.value is not None}


def plain(value: PropertyValue) -> Any:
    """One value without its wrapper. The protocol has no whole numbers: 50 arrives as 50.0, and leaves here as 50."""
    inner: Any = value.value
    if isinstance(inner, pulumi.Asset | pulumi.Archive):
        raise TypeError("assets and archives are not simulated: give the text itself")
    if isinstance(inner, float):
        return int(inner) if inner.is_integer() else inner
    if isinstance(inner, str | bool) or inner is None:
        return inner
    if hasattr(inner, "items"):
        return plain_map(inner)
    return [plain(each) for each in inner]


def wrap(value: Any) -> PropertyValue:
    """A plain value as Pulumi's protocol wants it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    if isinstance(value, dict):
        return PropertyValue({str(name): wrap(each) for name, each in value.items()})
    if isinstance(value, list | tuple):
        return PropertyValue([wrap(each) for each in value])
    return PropertyValue(value)


def wrap_map(outputs: Mapping[str, Any], inputs: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    """Outputs for the protocol. One that is an input as it came stays as it came: a secret is still one."""
    return {
        name: inputs[name] if name in inputs and plain(inputs[name]) == value else wrap(value) for name, value in outputs.items()
    }


def is_known(value: Any) -> bool:
    """Whether nothing of it is still to be found out."""
    if isinstance(value, dict):
        return all(is_known(each) for each in value.values())
    if isinstance(value, list):
        return all(is_known(each) for each in value)
    return bool(value != UNKNOWN)
