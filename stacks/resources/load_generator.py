"""`load_generator`: the container on a host of its own that measurements are driven from. It waits for work in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions
from pulumi.dynamic import CreateResult, Resource

from bench.errors import DeployError
from stacks import connection, image, image_transfer, reach, user_data
from stacks.resources.replaced import Replaced

if TYPE_CHECKING:
    import pulumi
    from docker import DockerClient

FOLDER = f"{user_data.ROOT}/load"
"""On the host; the container sees it as `/work`."""

_NAME = "cowbench-load"
_INPUTS = ("stack", "host", "image", "incarnation")


class LoadGeneratorProvider(Replaced):
    """Creates and deletes; any changed input replaces the container."""

    inputs = _INPUTS

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Load the image and start the container."""
        made = reach.run(props["reach"], f"mkdir -p -m 700 {FOLDER}", timeout_s=60)
        if made.returncode != 0:
            raise DeployError(
                f"{FOLDER} could not be made ({made.stderr.strip()})",
                where=f"host {props['host']}",
                next_step="cowbench down, then up again",
            )
        built = image.ensure("loadgen")
        try:
            with connection.engine(props["engine_url"], props["stack"]) as engine:
                _remove(engine)
                reference = image_transfer.bring(engine, props["engine_url"], props["stack"], built)
                _start(engine, reference, props)
        except docker.errors.APIError as error:
            raise DeployError(
                f"the engine refused the load generator: {error.explanation or error}",
                where=f"host {props['host']}",
                next_step="look at dockerd.log of the host: cowbench logs",
            ) from error
        outs = {**props, "folder": FOLDER, "image_id": built.image_id}
        return CreateResult(f"{props['stack']}/{props['host']}/load", outs)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Remove the container; fine when it, or its whole host, is already gone."""
        try:
            with connection.engine(props["engine_url"], props["stack"]) as engine:
                _remove(engine)
        except (DeployError, docker.errors.DockerException, requests.exceptions.RequestException) as gone:
            print(  # noqa: T201 - a provider has no log but its output
                f"cowbench: engine of {props['host']} does not answer ({type(gone).__name__}); its host's removal ends it"
            )


class LoadGenerator(Resource, module="cowbench", name="LoadGenerator"):
    """Inputs: `_INPUTS`, engine_url, reach. Outputs: folder (on the host), image_id."""

    folder: pulumi.Output[str]
    image_id: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(LoadGeneratorProvider(), name, {**props, "folder": None, "image_id": None}, opts)


def _start(engine: DockerClient, reference: str, props: dict[str, Any]) -> None:
    engine.containers.run(
        reference,
        name=_NAME,
        detach=True,
        # The host's own network: a bridge would be part of what is measured.
        network_mode="host",
        volumes={FOLDER: {"bind": "/work", "mode": "rw"}},
        labels={"cowbench.stack": props["stack"]},
        # A process that cannot open its connections looks like a slow server.
        ulimits=[docker.types.Ulimit(name="nofile", soft=65536, hard=65536)],
    )


def _remove(engine: DockerClient) -> None:
    try:
        engine.containers.get(_NAME).remove(force=True, v=True)
    except docker.errors.NotFound:
        return
