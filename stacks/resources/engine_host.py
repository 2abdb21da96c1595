"""`engine_host`: a Docker engine of its own on this machine: disk image, filesystem, mount, daemon; facts read back."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pulumi.dynamic import CreateResult, Resource

from bench.errors import DeployError
from stacks import drivers, engines, host_setup, ownership, reach, readback, setup_failure, state
from stacks.resources.replaced import Replaced

if TYPE_CHECKING:
    import pulumi

    from bench.records import HostFacts
    from stacks.driver import Driver

_SETUP_TIMEOUT_S = 400
"""More than the script's own limits together: it knows better what it waited for."""
_INPUTS = ("stack", "host", "engine", "driver", "backing_filesystem", "disk_bytes")


class EngineHostProvider(Replaced):
    """Creates and deletes; any changed input replaces the host, because a filesystem cannot change under a running engine."""

    inputs = _INPUTS

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Run the set-up script and read the host back. On failure nothing is left: what is not in the state is not found."""
        try:
            setup = _setup(props)
            _run_setup(setup)
            url = f"unix://{setup.root}/docker.sock"
            facts = readback.host_facts(reach.HERE, url, props["stack"], setup.root)
            insist_on_driver(facts, setup.driver, props["host"])
        except BaseException:
            remove(props["stack"], props["host"])
            raise
        # A host made anew answers at the same place: only this tells its containers that theirs are gone.
        outs = {**props, "engine_url": url, "facts": asdict(facts), "incarnation": uuid4().hex}
        return CreateResult(f"{props['stack']}/{props['host']}", outs)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Take the host away, also when it is gone in part or as a whole; with the last one what is noted of its stack."""
        remove(props["stack"], props["host"])
        forget_if_last(props["stack"])


class EngineHost(Resource, module="cowbench", name="EngineHost"):
    """Inputs: stack, host, engine, driver, backing_filesystem, disk_bytes.

    Outputs: engine_url, facts (`HostFacts` as JSON), incarnation.
    """

    engine_url: pulumi.Output[str]
    facts: pulumi.Output[dict[str, Any]]
    incarnation: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        outputs = {"engine_url": None, "facts": None, "incarnation": None}
        super().__init__(EngineHostProvider(), name, {**props, **outputs}, opts)


def make_directory(stack: str, host: str) -> Path:
    """The host's directory, there for what its set-up writes. Raises DeployError when its path is too long for a socket."""
    root = state.host_dir(stack, host)
    if not state.socket_fits(root):
        raise DeployError(
            f"the path {root} is too long for a unix socket ({state.SOCKET_PATH_LIMIT_BYTES} bytes at most)",
            where=f"host {host}",
            next_step="set COWBENCH_STATE to a shorter directory, or give the stack a shorter name",
        )
    root.mkdir(parents=True, exist_ok=True, mode=0o711)
    ownership.note_if_unknown(stack)
    return root


def remove(stack: str, host: str) -> None:
    """Run the reverse script. Raises DeployError naming what could not be removed."""
    root = state.host_dir(stack, host)
    script = host_setup.render_down(root=str(root), owner=state.owner(stack, host))
    # By standard input: with the path among the arguments the script would find itself and stop itself.
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, timeout=_SETUP_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise DeployError(done.stderr.strip() or f"could not remove {root}", where=f"host {host}", next_step="cowbench sweep")


def forget_if_last(stack: str) -> None:
    """What is noted of a stack goes with its last host."""
    with contextlib.suppress(OSError):
        (state.hosts() / stack).rmdir()
        ownership.forget_note(stack)


def insist_on_driver(facts: HostFacts, driver: Driver, host: str) -> None:
    """Raise DeployError when the engine took another driver or image store than it was told.

    It may do so silently, and a number measured there would carry the wrong name.
    """
    wanted, found = driver.storage_driver, facts.storage_driver
    if driver.image_store != facts.image_store:
        wanted, found = f"{wanted} ({driver.image_store})", f"{found} ({facts.image_store})"
    if wanted != found:
        raise DeployError(
            f"engine {facts.engine_version} was told to use {wanted} and took {found}",
            where=f"host {host}",
            next_step="see dockerd.log of the host; name a driver that this engine, kernel and filesystem can run",
        )


def _setup(props: dict[str, Any]) -> host_setup.HostSetup:
    return host_setup.HostSetup(
        root=str(make_directory(props["stack"], props["host"])),
        owner=state.owner(props["stack"], props["host"]),
        device="",
        disk_bytes=int(props["disk_bytes"]),
        filesystem=props["backing_filesystem"],
        driver=drivers.load(props["driver"]),
        engine=engines.load(props["engine"]),
        install=False,
    )


def _run_setup(setup: host_setup.HostSetup) -> None:
    root = Path(setup.root)
    script = root / "up.sh"
    script.write_text(host_setup.render_up(setup))
    done = subprocess.run(["sh", script], capture_output=True, text=True, timeout=_SETUP_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise setup_failure.explained(done.stderr.strip(), host=root.name)
