"""A Pulumi program to try the simulator with, on the real engine: `python -m tests.simulator.example_program VERB DIR`.

One network, a firewall, a server and a volume of Hetzner's. `wanted.json` in DIR, where the stack is kept too, says what of
them differs from that; the environment says which simulator.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pulumi
import pulumi_hcloud as hcloud
from pulumi import automation

from stacks import workspace

PLAIN: dict[str, Any] = {
    "network": {"ip_range": "10.1.0.0/16"},
    "open_ports": ["22"],
    "server": {"server_type": "cx23", "image": "debian-12", "location": "nbg1", "user_data": "#cloud-config\n"},
    "volume_gb": 10,
    "servers": 1,
}


def program(wanted: dict[str, Any]) -> None:
    """Register it all; ids are numbers at Hetzner's, and text in Pulumi."""
    common = pulumi.ResourceOptions(provider=hcloud.Provider("hetzner"))
    network = hcloud.Network("network", **wanted["network"], opts=common)
    subnet = hcloud.NetworkSubnet(
        "subnet",
        network_id=network.id.apply(int),
        type="cloud",
        network_zone="eu-central",
        ip_range="10.1.1.0/24",
        opts=common,
    )
    rules = [
        hcloud.FirewallRuleArgs(direction="in", protocol="tcp", port=port, source_ips=["127.0.0.1/32"])
        for port in wanted["open_ports"]
    ]
    firewall = hcloud.Firewall("firewall", rules=rules, opts=common)
    for number in range(wanted["servers"]):
        server = hcloud.Server(
            f"server-{number}",
            firewall_ids=[firewall.id.apply(int)],
            networks=[{"network_id": network.id.apply(int)}],
            **wanted["server"],
            opts=pulumi.ResourceOptions(provider=common.provider, depends_on=[subnet]),
        )
        if wanted["volume_gb"]:
            hcloud.Volume(f"volume-{number}", size=wanted["volume_gb"], server_id=server.id.apply(int), opts=common)
        pulumi.export(f"address-{number}", server.ipv4_address)


def main(verb: str, directory: Path) -> None:
    """Run `preview`, `up`, `refresh`, `cancel` or `destroy`; the engine's own words go to standard output."""
    wanted = {**PLAIN, **json.loads((directory / "wanted.json").read_text())}
    os.environ["PULUMI_BACKEND_URL"] = f"file://{directory}"
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = "for a test"
    options = automation.LocalWorkspaceOptions(work_dir=str(directory), pulumi_command=workspace.command())
    stack = automation.create_or_select_stack("try", "simulator", lambda: program(wanted), opts=options)
    try:
        if verb == "cancel":
            stack.cancel()
        else:
            getattr(stack, verb)(on_output=_say)
    except automation.errors.CommandError as error:
        sys.exit(str(error))
    if verb == "up":
        _say(json.dumps({name: each.value for name, each in stack.outputs().items()}))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
