"""A Pulumi plugin for a simulated cloud: what the engine asks, in Pulumi's protocol; what the cloud says, in its own words.

Started by the engine as `pulumi-resource-NAME`: `python -m tests.simulator.plugin CLOUD ENGINE_ADDRESS`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped] # it ships no types
from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from tests.simulator import arguments, settings, values
from tests.simulator.cloud_side import CloudSide, Failed, open_cloud
from tests.simulator.member import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from pulumi.provider.experimental.property_value import PropertyValue

_VERSION = "999.0.0"
"""Newer than every SDK asks for."""

_FROM_CONFIGURATION = ("region", "zone", "project", "location")
"""Inputs that the real plugins take from their provider's configuration where a resource leaves them out."""

_OF_EVERY_PROVIDER = {"version", "pluginDownloadURL", "pluginChecksums"}
_AT_ONCE = 64
"""Operations side by side; most of them wait. The engine sends no more than 16 by default on two cores."""

_ORPHAN_POLL_S = 0.5


class Simulated(protocol.Provider):
    """Pulumi's provider for one simulated cloud."""

    def __init__(self, cloud: CloudSide) -> None:
        self._cloud, self._sdk = cloud, cloud.member.sdk
        self._configuration: Mapping[str, Any] = {}
        self._announced: set[str] = set()

    async def get_schema(self, request: protocol.GetSchemaRequest) -> protocol.GetSchemaResponse:  # noqa: ARG002 - the protocol's
        """None: the Python SDK needs none, and ours is read from its classes."""
        return protocol.GetSchemaResponse("{}")

    async def check_config(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        """Refuse what the real provider does not take."""
        known = {*self._cloud.member.configuration, *_OF_EVERY_PROVIDER}
        failures = [
            protocol.CheckFailure(name, f"Invalid or unknown key. Examine values at '{request.name}.{name}'.")
            for name in request.new_inputs
            if name not in known and not name.startswith("__")
        ]
        return protocol.CheckResponse(inputs=request.new_inputs, failures=failures)

    async def configure(self, request: protocol.ConfigureRequest) -> protocol.ConfigureResponse:
        """Note what resources inherit."""
        self._configuration = values.plain_map(request.args)
        return await super().configure(request)

    async def check(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        """Refuse by the SDK's classes, then by the cloud's rules, once all is known: the real API sees no sooner either."""
        kind, name = request.type, request.name
        self._cloud.kind(kind)
        inputs = {**self._inherited(kind, request.new_inputs), **request.new_inputs}
        plain = values.plain_map(inputs)
        found = arguments.problems(self._sdk, kind, plain)
        if not found and values.is_known(plain) and plain != values.plain_map(request.old_inputs):
            self._ask_cloud(kind, name, request.urn, plain)
        failures = [protocol.CheckFailure("", f"{each.text} Examine values at '{name}.{each.path}'.") for each in found]
        return protocol.CheckResponse(inputs=inputs, failures=failures)

    def _ask_cloud(self, kind: str, name: str, urn: str, inputs: Mapping[str, Any]) -> None:
        try:
            self._cloud.check(kind, name, urn, inputs)
        except Refused:
            # What it is refused for may be a name that will be there by then: a preview makes nothing.
            if not self._announced & set(_texts(inputs)):
                raise

    def _inherited(self, kind: str, given: Mapping[str, Any]) -> dict[str, PropertyValue]:
        takes = arguments.inputs(self._sdk, kind)
        return {
            name: values.wrap(self._configuration[name])
            for name in _FROM_CONFIGURATION
            if name in takes and name not in given and isinstance(self._configuration.get(name), str)
        }

    async def diff(self, request: protocol.DiffRequest) -> protocol.DiffResponse:
        """Compare inputs with inputs; `old_state` has the old ones, see `_diff`."""
        old, new = values.plain_map(request.old_state), values.plain_map(request.new_inputs)
        changed = [name for name in {**old, **new} if old.get(name) != new.get(name) and name not in request.ignore_changes]
        replaces = [name for name in changed if name not in self._cloud.kind(request.type).changeable]
        return protocol.DiffResponse(
            changes=bool(changed),
            replaces=replaces,
            diffs=changed,
            # Two of the same name cannot be there at once; a name that the plugin makes up differs each time.
            delete_before_replace=bool(replaces) and "name" in new and old.get("name") == new["name"],
            detailed_diff={name: protocol.PropertyDiff(_how(name, old, new, replaces), input_diff=True) for name in changed},
        )

    async def create(self, request: protocol.CreateRequest) -> protocol.CreateResponse:
        """Make it; in a preview tell what will be known only then."""
        kind, inputs = request.type, values.plain_map(request.properties)
        if request.preview:
            self._announced.update(
                value for key, value in inputs.items() if key.lower().endswith("name") and isinstance(value, str)
            )
            unknown = dict.fromkeys(arguments.outputs(self._sdk, kind) - inputs.keys(), values.UNKNOWN)
            return protocol.CreateResponse(None, values.wrap_map({**unknown, **inputs}, request.properties))
        row = await _in_thread(self._cloud.create, kind, request.name, request.urn, inputs)
        return protocol.CreateResponse(row.id, values.wrap_map(row.outputs, request.properties))

    async def update(self, request: protocol.UpdateRequest) -> protocol.UpdateResponse:
        """Change it in place."""
        inputs = values.plain_map(request.news)
        if request.preview:
            return protocol.UpdateResponse(values.wrap_map({**values.plain_map(request.olds), **inputs}, request.news))
        outputs = await _in_thread(self._cloud.update, request.type, request.resource_id, request.urn, inputs)
        return protocol.UpdateResponse(values.wrap_map(outputs, request.news))

    async def delete(self, request: protocol.DeleteRequest) -> None:
        """Let it go."""
        await _in_thread(self._cloud.delete, request.type, request.resource_id, values.plain_map(request.properties))

    async def read(self, request: protocol.ReadRequest) -> protocol.ReadResponse:
        """What is there now; without an id when nothing is."""
        row = await _in_thread(self._cloud.read, request.type, request.resource_id)
        if row is None:
            return protocol.ReadResponse("")
        known = {**request.properties, **request.inputs}
        return protocol.ReadResponse(row.id, values.wrap_map(row.outputs, known), values.wrap_map(row.inputs, known))

    async def invoke(self, request: protocol.InvokeRequest) -> protocol.InvokeResponse:
        """A look-up."""
        answer = await _in_thread(self._cloud.invoke, request.tok, values.plain_map(request.args))
        return protocol.InvokeResponse(values.wrap_map(answer, {}))

    async def cancel(self) -> None:
        """What takes time ends now."""
        self._cloud.cancelled.set()


def _in_its_words(method: Callable[..., Awaitable[Any]]) -> Any:
    """The same method of the protocol; a refusal reaches the user in the cloud's own words."""

    async def answered(servicer: ProviderServicer, request: Any, context: Any) -> Any:
        try:
            return await method(servicer, request, context)
        except (Refused, Failed) as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception:  # noqa: BLE001 - a mistake of the simulator's own: say where, or nobody finds it
            await context.abort(grpc.StatusCode.INTERNAL, f"the simulator itself failed:\n{traceback.format_exc()}")

    return answered


async def _diff(servicer: ProviderServicer, request: Any, context: Any) -> Any:
    # The SDK's hands on the old outputs only, and those do not tell an input that was taken away.
    request.olds.CopyFrom(request.old_inputs)
    return await ProviderServicer.Diff(servicer, request, context)


class _Servicer(ProviderServicer):
    """The SDK's; it would tell a refusal as a failure of its own."""

    Check = _in_its_words(ProviderServicer.Check)
    Diff = _in_its_words(_diff)
    Create = _in_its_words(ProviderServicer.Create)
    Update = _in_its_words(ProviderServicer.Update)
    Delete = _in_its_words(ProviderServicer.Delete)
    Read = _in_its_words(ProviderServicer.Read)
    Invoke = _in_its_words(ProviderServicer.Invoke)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def _how(name: str, old: Mapping[str, Any], new: Mapping[str, Any], replaces: list[str]) -> protocol.PropertyDiffKind:
    word = "ADD" if name not in old else "DELETE" if name not in new else "UPDATE"
    return protocol.PropertyDiffKind[f"{word}_REPLACE" if name in replaces else word]


async def _in_thread(do: Callable[..., Any], *given: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, do, *given)


_THREADS = ThreadPoolExecutor(_AT_ONCE)


def _end_with(parent: int) -> None:
    """An engine that was killed ends nobody: its plugins would stay for ever."""
    while os.getppid() == parent:
        time.sleep(_ORPHAN_POLL_S)
    os._exit(0)


async def _serve(cloud: CloudSide, engine: str) -> None:
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    servicer = _Servicer([], _VERSION, Simulated(cloud), engine_address=engine)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The engine reads the port from our first line.
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


def main(given: list[str]) -> None:
    """Serve until the engine ends us, or is gone itself."""
    cloud, engine = given[0], next(word for word in given[1:] if not word.startswith("-"))
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    asyncio.run(_serve(open_cloud(Path(os.environ[settings.DIRECTORY]), cloud), engine))


if __name__ == "__main__":
    main(sys.argv[1:])
