"""The interface of a simulated cloud. Members live in `tests.simulator.clouds`, one file each; the core knows none by name.

A member says what its real cloud refuses, what it answers, and what its API shows; `tests.simulator.plugin` speaks Pulumi's
protocol for it, `tests.simulator.api` HTTP, `tests.simulator.table` keeps what exists, `tests.simulator.machines` boots VMs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Refused(Exception):  # noqa: N818 - what a cloud does
    """The cloud says no. `code` and `text` are the real one's words, as its Pulumi plugin passes them on."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


@dataclass(frozen=True, kw_only=True)
class Row:
    """Something that exists. `kind` is Pulumi's type token; `inputs` and `outputs` have its names, in camelCase."""

    id: str
    cloud: str
    kind: str
    name: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    created_at: float


class Table(Protocol):
    """What exists in one simulated cloud. Shared by processes; every call is a transaction of its own."""

    def rows(self, *kinds: str) -> tuple[Row, ...]:
        """All rows, or those of these kinds, oldest first."""

    def row(self, id: str) -> Row | None:  # noqa: A002
        """The row of that id, or None."""

    def counter(self, name: str) -> int:
        """The next whole number of that name, from 1: for ids and addresses."""

    def change(self, id: str, outputs: Mapping[str, Any]) -> None:  # noqa: A002
        """Other outputs for a row: another resource attached something to it."""

    def remove(self, id: str) -> None:  # noqa: A002
        """The row goes, and the VM behind it. Fine when it is gone. Raises Refused as deleting it by Pulumi would."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The VM behind an instance.

    `image` names one of `images/machines`. `disks_bytes` are blank disks, in this order. `private_address` is told to the VM;
    hosts with the same `network` reach one another there. `open_ports` are those that the operator's address may reach, as the
    cloud's firewall has it now; the core adds nothing to them, not even 22.
    """

    image: str
    user_data: str
    cpus: int
    memory_bytes: int
    disks_bytes: tuple[int, ...]
    private_address: str
    network: str
    open_ports: tuple[int, ...]
    public_address: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One type of resource.

    `check` raises Refused for what the real API refuses, beyond unknown, missing and ill-typed inputs, which the core finds by
    the SDK's own classes. `make` gives id and outputs (without the inputs, which the core adds). `unmake` raises Refused while
    something else still needs it. `machine` tells of the VM behind it, None where there is none; it is asked again whenever
    something in the table changes, so that a firewall that is opened later counts. `changeable` are inputs that the real plugin
    updates in place; any other changed input replaces the resource. `goes_with` names inputs with the id of something that it is
    only a part of, or a link to: it is gone when that is. `slow_s` is how long the real one takes, for `--pace`.
    """

    check: Callable[[Table, str, Mapping[str, Any]], None] = lambda _table, _name, _inputs: None
    make: Callable[[Table, str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]
    unmake: Callable[[Table, Row], None] = lambda _table, _row: None
    machine: Callable[[Table, Row], Machine | None] = lambda _table, _row: None
    changeable: tuple[str, ...] = ()
    goes_with: tuple[str, ...] = ()
    slow_s: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request to the cloud's own API. `path` starts with a slash and has no query; names of `headers` are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What the API answers."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SimulatedCloud:
    """One cloud.

    `plugin` is the package of its Pulumi plugin (`aws`, `azure-native`), `sdk` the Python module with its resource classes.
    `kinds` are its resources by type token, `invokes` its look-ups by token. `api` answers its own API; a delete there goes
    through `Table.remove`. `environment` is what points both the Pulumi SDK and the client library at the simulator, with keys
    that only it knows: given the URL under which `api` is served. `configuration` are the names that its Pulumi provider takes.
    `failures` has the words with which the real cloud fails, by kind: `throttled`, `capacity`, `quota`, `credentials_expired`,
    `not_found_yet`, `internal`.
    """

    name: str
    plugin: str
    sdk: str
    kinds: Mapping[str, Kind]
    invokes: Mapping[str, Callable[[Table, Mapping[str, Any]], Mapping[str, Any]]]
    api: Callable[[Table, Asked], Answered]
    environment: Callable[[str], Mapping[str, str]]
    configuration: tuple[str, ...]
    failures: Mapping[str, str]
