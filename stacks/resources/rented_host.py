"""`rented_host`: the operator's side of a VM in an account: met, its key pinned, its set-up awaited, its facts read back.

The VM itself is the cloud's resource. This one comes after it and makes a host of it.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CreateResult, Resource

from stacks import connection, drivers, first_contact, reach, readback, setup_failure, setup_wait, ssh, user_data
from stacks.resources import engine_host
from stacks.resources.replaced import Replaced

if TYPE_CHECKING:
    import pulumi

_INPUTS = ("stack", "host", "vm", "address", "private_address", "setup", "driver", "ports", "shifts", "open_to", "public_key")

_SETUP_LIMIT_S = 1500
"""An image of a cloud brings no engine: packages are fetched and installed first."""


class RentedHostProvider(Replaced):
    """Creates and deletes; a VM that was replaced, or anything else that changed, is met anew."""

    inputs = _INPUTS

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Meet the host, wait until its engine answers, read it back. On failure what was noted of it here is removed."""
        stack, host = props["stack"], props["host"]
        root = engine_host.make_directory(stack, host)
        try:
            ssh.introduce(
                stack=stack,
                host=host,
                address=props["address"],
                port=first_contact.port(),
                private_key=props["private_key"],
                host_key=first_contact.host_key(
                    stack=stack, host=host, address=props["address"], private_key=props["private_key"]
                ),
                shared_connection=root / "ssh.sock",
            )
            way = ssh.reach(stack, host)
            setup_wait.wait(
                way,
                host,
                limit_s=_SETUP_LIMIT_S,
                is_gone=lambda: False,
                give_up=lambda what, log: setup_failure.explained("\n".join(filter(None, [log.strip(), what])), host=host),
            )
            url = connection.ssh_url(host, f"{user_data.ROOT}/docker.sock")
            facts = readback.host_facts(way, url, stack, user_data.ROOT)
            under = reach.run(way, "systemd-detect-virt", timeout_s=60).stdout.strip() or "unknown"
            facts = replace(
                facts,
                # systemd's word for QEMU that translates; under KVM it says `kvm`.
                emulated=under == "qemu",
                virtualization=f"{props['rented']}, {under}",
                machine_image_digest=props["image_id"],
            )
            engine_host.insist_on_driver(facts, drivers.load(props["driver"]), host)
        except BaseException:
            _forget(stack, host)
            raise
        outs = {
            **props,
            "engine_url": url,
            "reach": list(way),
            "addresses": _addresses(props),
            "facts": asdict(facts),
            "incarnation": props["vm"],
        }
        return CreateResult(f"{stack}/{host}", outs)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Forget the host; its VM is the cloud's to delete."""
        _forget(props["stack"], props["host"])
        engine_host.forget_if_last(props["stack"])


class RentedHost(Resource, module="cowbench", name="RentedHost"):
    """Inputs: `_INPUTS`, private_key (secret), rented (cloud and instance type, as words), image_id.

    Outputs: engine_url, reach, addresses, facts (`HostFacts` as JSON), incarnation.
    """

    engine_url: pulumi.Output[str]
    reach: pulumi.Output[list[str]]
    addresses: pulumi.Output[dict[str, dict[str, str]]]
    facts: pulumi.Output[dict[str, Any]]
    incarnation: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        outputs = {"engine_url": None, "reach": None, "addresses": None, "facts": None, "incarnation": None}
        super().__init__(RentedHostProvider(), name, {**props, **outputs}, opts)


def _forget(stack: str, host: str) -> None:
    engine_host.remove(stack, host)
    ssh.forget(stack, host)


def _addresses(props: dict[str, Any]) -> dict[str, dict[str, str]]:
    """As `stacks.cloud.HostOutputs.addresses`; the host's own under the empty name."""
    outside, inside = props["address"], props["private_address"]
    public = props["open_to"] == "operator"
    # Some clouds translate the public address to the private one, others put it on a network card of its own. Who gets as far
    # as the server is the firewall's business.
    bind, reached = ("0.0.0.0", outside) if public else (inside, "")  # noqa: S104 - see above
    cells = {
        cell: {"bind": bind, "endpoint": reached, "private": inside, "shift": str(int(shift))}
        for cell, shift in props["shifts"].items()
    }
    return {**cells, "": {"bind": inside, "endpoint": "", "private": inside}}
