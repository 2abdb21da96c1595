"""The smallest simulated cloud, for tests of the simulator itself: Hetzner's classes, and rules of nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.simulator.member import Answered, Asked, Kind, Refused, Row, SimulatedCloud, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

NETWORK, SERVER = "hcloud:index/network:Network", "hcloud:index/server:Server"


def _check_server(table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    if inputs["serverType"] == "imaginary":
        raise Refused("invalid_input", "server type imaginary not found")
    if any(row.inputs.get("name") == inputs.get("name") for row in table.rows(SERVER) if inputs.get("name")):
        raise Refused("uniqueness_error", "server name is already used")


def _make(table: Table, name: str, _inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    number = table.counter("id")
    return str(number), {"ipv4Address": f"127.78.0.{number}", "status": f"{name} runs"}


def _unmake_network(table: Table, _row: Row) -> None:
    if table.rows(SERVER):
        raise Refused("conflict", "the network has servers: delete them first")


def _api(table: Table, asked: Asked) -> Answered:
    if asked.method == "DELETE":
        table.remove(asked.path.rpartition("/")[2])
    shown = {"rows": [row.id for row in table.rows()], "path": asked.path, "query": dict(asked.query)}
    return Answered(body=json.dumps(shown).encode())


SIMULATED = SimulatedCloud(
    name="pocket",
    plugin="hcloud",
    sdk="pulumi_hcloud",
    kinds={
        NETWORK: Kind(make=_make, unmake=_unmake_network, changeable=("labels",)),
        SERVER: Kind(check=_check_server, make=_make, changeable=("labels", "serverType"), slow_s=30.0),
    },
    invokes={"hcloud:index/getServers:getServers": lambda table, _: {"servers": [row.id for row in table.rows(SERVER)]}},
    api=_api,
    environment=lambda url: {"POCKET_URL": url},
    configuration=("token",),
    failures={"capacity": "resource_unavailable: nothing left", "internal": "server_error: oops", "throttled": "rate: slower"},
)
