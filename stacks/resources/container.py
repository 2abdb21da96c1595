"""`container`: an S3 server in an engine: its image, its container, and the wait until it answers. Works over any engine URL."""

from __future__ import annotations

import contextlib
import fcntl
import io
import tarfile
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import pulumi
import requests.exceptions
from pulumi.dynamic import CreateResult, Resource

from bench.errors import DeployError
from bench.records import ServerFacts
from stacks import address, connection, image, image_archive, image_transfer, servers, setup_failure, state, vm_process
from stacks.resources.replaced import Replaced
from stacks.server import Credential, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container as DockerContainer

_READY_TIMEOUT_S = 180
_LOG_HEAD_LINES, _LOG_TAIL_LINES = 4, 10
"""A server says why it ends last, or first when its usage follows."""
_LOG_LINES_LIMIT = 2000
_REMOVALS, _PAUSE_BETWEEN_REMOVALS_S = 20, 0.5
_INPUTS = ("stack", "host", "cell", "server", "image", "data_placement", "incarnation")


class ContainerProvider(Replaced):
    """Creates and deletes; any changed input replaces the container, and with it the objects in it."""

    inputs = _INPUTS

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Load the image, start the container, wait until the server answers. On failure the container is removed again."""
        server = servers.load(props["server"])
        with connection.engine(props["engine_url"], props["stack"]) as engine:
            try:
                # A create that was killed is in no state, and its container holds the name.
                _remove(engine, props)
                addresses = _addresses(props, server)
                container = _start(engine, props, server, addresses)
                _wait_until_ready(container, server, addresses, props)
                facts = _read_facts(engine, container, props, server)
            except docker.errors.APIError as error:
                _clear_away(engine, props)
                raise _refused(error, props["cell"]) from error
            except requests.exceptions.ConnectionError as error:
                raise _lost(error, props) from error
            except BaseException:
                _clear_away(engine, props)
                raise
        endpoints = {
            "endpoint": _url(addresses["endpoint"], _port(server, addresses)),
            "private_endpoint": _url(addresses["private"], _port(server, addresses)),
        }
        outs = {**props, **endpoints, "facts": asdict(facts)}
        return CreateResult(f"{props['stack']}/{props['cell']}", outs)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Remove the container and its objects; fine when the container, or its whole engine, is already gone."""
        try:
            with connection.engine(props["engine_url"], props["stack"]) as engine:
                _remove(engine, props)
        except (DeployError, docker.errors.DockerException, requests.exceptions.RequestException) as gone:
            # An engine that does not answer takes its containers with it when its host is removed.
            print(  # noqa: T201 - a provider has no log but its output
                f"cowbench: engine of {props['cell']} does not answer ({type(gone).__name__}); its host's removal ends it"
            )


class Container(Resource, module="cowbench", name="Container"):
    """Inputs: `_INPUTS`, engine_url, addresses (as `stacks.cloud.HostOutputs.addresses`), and the keys, both secret.

    Outputs: endpoint, private_endpoint, facts (`ServerFacts` as JSON).
    """

    endpoint: pulumi.Output[str]
    private_endpoint: pulumi.Output[str]
    facts: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["access_key", "secret_key"])
        outputs = {"endpoint": None, "private_endpoint": None, "facts": None}
        super().__init__(ContainerProvider(), name, {**props, **outputs}, pulumi.ResourceOptions.merge(opts, secret))


def _addresses(props: dict[str, Any], server: Server) -> dict[str, str]:
    """Where the server listens and is reached: as its host says, else on a loopback address of its own."""
    if given := props["addresses"].get(props["cell"]):
        return dict(given)
    ports = (server.port, *server.other_ports)
    own = address.reserve(stack=props["stack"], host=props["host"], cell=props["cell"], ports=ports)
    return {"bind": own, "endpoint": own, "private": ""}


def _shift(addresses: dict[str, str]) -> int:
    return int(addresses.get("shift", 0))


def _port(server: Server, addresses: dict[str, str]) -> int:
    return server.port + _shift(addresses)


def _url(where: str, port: int) -> str:
    return f"http://{where}:{port}" if where else ""


def _name(props: dict[str, Any]) -> str:
    return f"cowbench-{props['cell']}"


def _start(engine: docker.DockerClient, props: dict[str, Any], server: Server, addresses: dict[str, str]) -> DockerContainer:
    credential = Credential(access_key=props["access_key"], secret_key=props["secret_key"])
    reference = _bring_image(engine, props)
    volumes = {_name(props): {"bind": server.data_path, "mode": "rw"}} if props["data_placement"] == "volume" else {}
    container = engine.containers.create(
        reference,
        name=_name(props),
        command=list(server.command(addresses["bind"], _shift(addresses))),
        environment=dict(server.environment(credential)),
        network_mode="host",
        volumes=volumes,
        labels={"cowbench.stack": props["stack"], "cowbench.cell": props["cell"]},
    )
    _put_files(container, server, credential)
    container.start()
    return container


def _bring_image(engine: docker.DockerClient, props: dict[str, Any]) -> str:
    """The image in the engine: pulled by digest where one was given, else loaded from the tar that was built here."""
    wanted = props["image"]
    if "@sha256:" in wanted:
        engine.images.pull(wanted)
        return str(wanted)
    built = image.ensure(servers.load(props["server"]).image)
    # Both placements of a host start at once; the second one then finds the image there.
    with _one_at_a_time(props):
        return image_transfer.bring(engine, props["engine_url"], props["stack"], built)


@contextlib.contextmanager
def _one_at_a_time(props: dict[str, Any]) -> Iterator[None]:
    directory = state.host_dir(props["stack"], props["host"])
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _put_files(container: DockerContainer, server: Server, credential: Credential) -> None:
    """Files that hold keys reach the container through the engine, never through a bind mount or the command line."""
    files = server.files(credential)
    if not files:
        return
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o600
            tar.addfile(entry, io.BytesIO(text.encode()))
    container.put_archive("/", buffer.getvalue())


def _wait_until_ready(container: DockerContainer, server: Server, addresses: dict[str, str], props: dict[str, Any]) -> None:
    deadline, cell = time.monotonic() + _READY_TIMEOUT_S, props["cell"]
    where, port = addresses["bind"], _port(server, addresses)
    while time.monotonic() < deadline:
        if connection.answers(props["engine_url"], props["stack"], where, port, server.ready_path):
            return
        container.reload()
        if container.status in {"exited", "dead"}:
            raise _not_ready(container, f"the server {server.name} ended by itself", cell)
        time.sleep(0.1)
    raise _not_ready(container, f"the server {server.name} did not answer within {_READY_TIMEOUT_S} s", cell)


def _clear_away(engine: docker.DockerClient, props: dict[str, Any]) -> None:
    """Remove what a failed create left. Why it failed is what is told, not that this did not work either."""
    with contextlib.suppress(docker.errors.DockerException, requests.exceptions.RequestException):
        _remove(engine, props)


def _lost(error: Exception, props: dict[str, Any]) -> DeployError:
    """The engine went in the middle of it. Of a VM on this machine the console tells why."""
    said = vm_process.console(state.host_dir(props["stack"], props["host"]))
    causes, cure = setup_failure.meaning(
        said, "is its host still there? If so, the same again shows whether it was a passing fault"
    )
    shown = "".join(f"\n    {line}" for line in said.splitlines()[-_LOG_TAIL_LINES:]) if causes else ""
    return DeployError(
        f"the connection to the engine broke: {error}{shown}{causes}", where=f"cell {props['cell']}", next_step=cure
    )


def _refused(error: docker.errors.APIError, cell: str) -> DeployError:
    said = str(error.explanation or error)
    causes, cure = setup_failure.meaning(said, "look for the engine's own words in dockerd.log of the host")
    return DeployError(f"the engine refused: {said}{causes}", where=f"cell {cell}", next_step=cure)


def _not_ready(container: DockerContainer, problem: str, cell: str) -> DeployError:
    log = container.logs(tail=_LOG_LINES_LIMIT).decode(errors="replace").strip()
    causes, cure = setup_failure.meaning(log, "read the container's log above; try the server's image by hand with docker run")
    lines = log.splitlines() or ["(the container wrote nothing)"]
    if len(lines) > _LOG_HEAD_LINES + _LOG_TAIL_LINES:
        lines = [*lines[:_LOG_HEAD_LINES], "...", *lines[-_LOG_TAIL_LINES:]]
    shown = "".join(f"\n    {line}" for line in lines)
    return DeployError(f"{problem}; its log:{shown}{causes}", where=f"cell {cell}", next_step=cure)


def _read_facts(engine: docker.DockerClient, container: DockerContainer, props: dict[str, Any], server: Server) -> ServerFacts:
    container.reload()
    used = engine.images.get(container.attrs["Image"])
    mounts = {mount["Destination"]: mount for mount in container.attrs["Mounts"]}
    really = "volume" if server.data_path in mounts else "writable_layer"
    if really != props["data_placement"]:
        raise DeployError(
            f"data lies in the {really}, planned was {props['data_placement']}",
            where=f"cell {props['cell']}",
            next_step="cowbench down, then up",
        )
    return ServerFacts(
        name=server.name,
        version=server.version,
        layout=server.layout,
        image=str(props["image"]),
        image_id=str(used.id),
        content_digest=image_archive.content_digest(used.attrs["RootFS"]["Layers"]),
        container_id=str(container.id),
        data_path=mounts[server.data_path]["Source"] if server.data_path in mounts else f"{server.data_path} (in the container)",
        command=tuple(container.attrs["Args"]),
        feels_driver=server.feels_driver,
        quirks=server.quirks,
    )


def _remove(engine: docker.DockerClient, props: dict[str, Any]) -> None:
    for last in (*[False] * (_REMOVALS - 1), True):
        try:
            # The objects are thrown away, so the server is killed: some take their ten seconds over SIGTERM.
            engine.containers.get(_name(props)).remove(force=True, v=True)
        except docker.errors.NotFound:
            break
        except docker.errors.APIError as error:
            # An engine whose containerd was killed takes a moment to see that the process is dead ("is zombie").
            if last or not error.is_server_error():
                raise
            time.sleep(_PAUSE_BETWEEN_REMOVALS_S)
    with contextlib.suppress(docker.errors.NotFound):
        engine.volumes.get(_name(props)).remove(force=True)
    if not props["addresses"]:
        address.release(stack=props["stack"], host=props["host"], cell=props["cell"])
