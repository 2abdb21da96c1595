"""Which inputs a resource takes, read from the classes of its Pulumi SDK: they say what the real plugin's schema says."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import types
import typing
import warnings
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import _types as sdk_types

from tests.simulator.values import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with an input. `path` is as in Pulumi's own messages: `networks[0].networkId`."""

    path: str
    text: str


def problems(sdk: str, kind: str, inputs: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Unknown, missing and ill-typed inputs. A value that is not known yet (`values.UNKNOWN`) is fine.

    Stricter than Terraform's plugins in one thing: those turn `"8"` into 8 where a number is wanted.
    """
    return tuple(_in_object(inputs, _arguments(sdk, kind), ""))


def inputs(sdk: str, kind: str) -> frozenset[str]:
    """The names of all that a resource can be given."""
    return frozenset(_types(_arguments(sdk, kind)))


def outputs(sdk: str, kind: str) -> frozenset[str]:
    """The names of all that a resource tells once it exists."""
    return frozenset(sdk_types.resource_types(resource(sdk, kind)))


@functools.cache
def resource(sdk: str, kind: str) -> type:
    """The SDK's class for a type token such as `aws:ec2/instance:Instance`. Raises LookupError when it has none."""
    _, module, name = kind.split(":")
    folder = module.partition("/")[0].lower()
    try:
        with warnings.catch_warnings():
            # SDKs warn of some of their own classes while they are imported.
            warnings.simplefilter("ignore", DeprecationWarning)
            found = getattr(importlib.import_module(sdk if folder in {"index", ""} else f"{sdk}.{folder}"), name)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"{sdk} has no resource {kind}: correct the type token") from error
    assert isinstance(found, type)
    return found


@functools.cache
def _arguments(sdk: str, kind: str) -> type:
    made = resource(sdk, kind)
    module = sys.modules[made.__module__]
    # The first name is what the SDK's generator takes when an input type has the second one.
    found = getattr(module, f"{made.__name__}InitArgs", None) or getattr(module, f"{made.__name__}Args")
    assert isinstance(found, type)
    return found


@functools.cache
def _types(arguments: type) -> Mapping[str, Any]:
    return sdk_types.input_type_types(arguments)


@functools.cache
def _required(arguments: type) -> tuple[str, ...]:
    names = sdk_types.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments.__init__).parameters  # type: ignore[misc] # the class itself is what is asked
    return tuple(names[name] for name, each in parameters.items() if name in names and each.default is inspect.Parameter.empty)


def _in_object(value: Mapping[str, Any], arguments: type, path: str) -> Iterator[Problem]:
    known = _types(arguments)
    for name in _required(arguments):
        if name not in value:
            text = f'Missing required argument. The argument "{_snake(name)}" is required, but no definition was found.'
            yield Problem(path=f"{path}{name}", text=text)
    for name, each in value.items():
        if name not in known:
            yield Problem(path=f"{path}{name}", text=f'Invalid or unknown key. An argument named "{name}" is not expected here.')
        else:
            yield from _in_value(each, known[name], f"{path}{name}")


def _in_value(value: Any, expected: Any, path: str) -> Iterator[Problem]:
    if value == UNKNOWN:
        return
    choices = _choices(expected)
    found = [list(_in_one(value, each, path)) for each in choices]
    if found and all(found):
        # None of them would do; the first one is the plainest, enumerations come after the type that they narrow.
        yield from found[0]


def _choices(expected: Any) -> tuple[Any, ...]:
    """The types of a union but for those that only wrap a value on its way through a program."""
    if typing.get_origin(expected) not in {typing.Union, types.UnionType}:
        return (expected,)
    wrappers = {Awaitable, pulumi.Output}
    arguments = [each for each in typing.get_args(expected) if each is not type(None)]
    kept = [each for each in arguments if each is not pulumi.Output and typing.get_origin(each) not in wrappers]
    return tuple(choice for each in kept for choice in _choices(each))


def _in_one(value: Any, expected: Any, path: str) -> Iterator[Problem]:
    origin = typing.get_origin(expected)
    if origin in {Sequence, list}:
        if not isinstance(value, list):
            yield _not_a("list", value, path)
            return
        for number, each in enumerate(value):
            yield from _in_value(each, typing.get_args(expected)[0], f"{path}[{number}]")
    elif origin in {Mapping, dict}:
        if not isinstance(value, dict):
            yield _not_a("object", value, path)
            return
        for name, each in value.items():
            yield from _in_value(each, typing.get_args(expected)[1], f"{path}.{name}")
    elif isinstance(expected, type):
        yield from _in_class(value, expected, path)


def _in_class(value: Any, expected: type, path: str) -> Iterator[Problem]:
    if sdk_types.is_input_type(expected):
        if isinstance(value, dict):
            yield from _in_object(value, expected, f"{path}.")
        else:
            yield _not_a("object", value, path)
    elif issubclass(expected, Enum):
        allowed = [each.value for each in expected]
        if value not in allowed:
            yield Problem(path=path, text=f"expected one of {', '.join(map(str, allowed))}; got {value}.")
    elif expected in _WORDS and not _is(value, expected):
        yield _not_a(_WORDS[expected], value, path)


def _is(value: Any, expected: type) -> bool:
    if isinstance(value, bool) or expected is bool:
        return isinstance(value, bool) and expected is bool
    return isinstance(value, int | float if expected is float else expected)


def _not_a(word: str, value: Any, path: str) -> Problem:
    return Problem(path=path, text=f"expected {word} type, got {_WORDS[type(value)]} type.")


_WORDS: Mapping[type, str] = {
    bool: "bool",
    int: "whole number",
    float: "number",
    str: "string",
    list: "list",
    dict: "object",
    type(None): "null",
}


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
