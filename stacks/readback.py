"""Facts of a standing host, as its engine and its kernel tell them; never what was asked for."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests.exceptions

from bench.errors import DeployError, SilentHostError
from bench.records import HostFacts
from stacks import connection, filesystem, host_setup, reach, state, user_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.records import GeneratorHost, ServerFacts, Target

_SCRIPT_TIMEOUT_S = 60
"""An emulated host on a busy machine takes some seconds for a new SSH connection and the script."""

_ENGINE_TIMEOUT_S = 60

_NOT_MOUNTED = 30
"""A status of `scripts/host_facts.sh`; any other is the way's own, or the shell's."""

_NEEDED = ("filesystem", "mount_options", "mkfs", "disk_bytes")

_AGAIN = "cowbench down, then up again"


def host_facts(reach_by: Sequence[str], engine_url: str, stack: str, root: str) -> HostFacts:
    """What stands in the host directory `root` of a host of `stack`, here or elsewhere.

    What the host itself runs on cannot be asked: the caller replaces `emulated`, `virtualization` and `machine_image_digest`.

    Raises SilentHostError when the host gives no answer within about a minute, DeployError when its disk is not mounted or its
    engine is silent.
    """
    host = Path(root).name if tuple(reach_by) == reach.HERE else reach_by[-1]
    # The kernel first: a host that is gone is noticed here, within a bounded time.
    kernel = _ask_kernel(reach_by, root, host)
    info, version = _ask_engine(engine_url, stack, host)
    return facts_of(info, version, kernel)


def facts_of(info: Mapping[str, Any], version: Mapping[str, Any], kernel: Mapping[str, str]) -> HostFacts:
    """The facts in an engine's answers to `info` and `version`, and in the lines of `scripts/host_facts.sh`. Pure."""
    components = {part["Name"]: part["Version"] for part in version.get("Components", ())}
    return HostFacts(
        kernel=str(info["KernelVersion"]),
        operating_system=str(info["OperatingSystem"]),
        cpus=int(info["NCPU"]),
        memory_bytes=int(info["MemTotal"]),
        engine_version=str(info["ServerVersion"]),
        containerd_version=str(components.get("containerd", "")),
        runc_version=str(components.get("runc", "")),
        storage_driver=str(info["Driver"]),
        # From Docker 29 on the same driver names may be a containerd snapshotter's.
        image_store="containerd" if "io.containerd.snapshotter.v1" in json.dumps(info.get("DriverStatus")) else "graphdriver",
        driver_status={str(key): str(value) for key, value in info.get("DriverStatus") or ()},
        backing_filesystem=filesystem.called(kernel["filesystem"], d_type=kernel.get("ftype") != "0"),
        mount_options=kernel["mount_options"],
        mkfs=kernel["mkfs"],
        disk_bytes=int(kernel["disk_bytes"]),
        direct_io=kernel.get("direct_io") == "1",
        cgroup_version=str(info.get("CgroupVersion", "1")),
        emulated=False,
        boot_id=kernel.get("boot_id", ""),
    )


def refresh(target: Target) -> Target:
    """The target with the facts of its host and its container as they are now: both may have been restarted, or made anew.

    A host that this machine knows no way to keeps the facts of its deployment; a container that is gone has no id. Raises as
    `host_facts` does.
    """
    local = target.reach == reach.HERE
    root = state.host_dir(target.credential, target.cell.host) if local else Path(user_data.ROOT)
    # What leads to another host lies in files here, such as the configuration of SSH.
    if not all(path.exists() for path in ([root] if local else map(Path, _paths(target.reach)))):
        return target
    host = _kept(target.host, host_facts(target.reach, target.engine_url, target.credential, str(root)))
    return replace(target, host=host, server=_ask_container(target))


def refresh_generator(generator: GeneratorHost, stack: str) -> GeneratorHost:
    """As `refresh`, for a host of `stack` that load comes from."""
    if not all(Path(path).exists() for path in _paths(generator.reach)):
        return generator
    now = host_facts(generator.reach, generator.engine_url, stack, user_data.ROOT)
    return replace(generator, host=_kept(generator.host, now))


def _kept(known: HostFacts, now: HostFacts) -> HostFacts:
    """What is read, with what cannot be asked: what the host itself runs on."""
    return replace(
        now,
        emulated=known.emulated,
        virtualization=known.virtualization,
        machine_image_digest=known.machine_image_digest,
    )


def _ask_container(target: Target) -> ServerFacts:
    url, stack, host = target.engine_url, target.credential, target.cell.host
    try:
        with _engine(url, stack, host) as engine:
            container = engine.containers.get(f"cowbench-{target.cell.name}")
            image_id = _image_id(engine, container.attrs["Image"])
    except docker.errors.NotFound:
        return replace(target.server, container_id="", started_at="")
    started_at = str(container.attrs["State"]["StartedAt"])
    return replace(target.server, container_id=str(container.id), image_id=image_id, started_at=started_at)


def _image_id(engine: docker.DockerClient, named: str) -> str:
    """What the image calls itself, as at deployment; an image store may know it by another name than its container does."""
    try:
        return str(engine.images.get(named).id)
    except docker.errors.ImageNotFound:
        return named


@contextmanager
def _engine(url: str, stack: str, host: str) -> Iterator[docker.DockerClient]:
    """The engine of a host, asked within a bounded time. Raises DeployError where it does not answer."""
    try:
        with connection.engine(url, stack) as engine:
            engine.api.timeout = _ENGINE_TIMEOUT_S
            yield engine
    except docker.errors.NotFound:
        raise
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise DeployError(f"the engine does not answer ({error})", where=f"host {host}", next_step=_AGAIN) from error


def _paths(words: Sequence[str]) -> list[str]:
    return [word for word in words if word.startswith("/")]


def _ask_kernel(reach_by: Sequence[str], root: str, host: str) -> dict[str, str]:
    # By standard input: with the path among the arguments the reverse script would take this for a process of the host.
    done = reach.run(reach_by, "sh -s", timeout_s=_SCRIPT_TIMEOUT_S, stdin=host_setup.render_facts(root=root))
    if done.returncode != 0:
        said = done.stderr.strip().removeprefix("cowbench: ") or f"status {done.returncode}"
        what = said if done.returncode == _NOT_MOUNTED else f"the host does not answer ({said})"
        kind = SilentHostError if done.returncode == reach.NO_ANSWER else DeployError
        raise kind(what, where=f"host {host}", next_step=_AGAIN)
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    told = {key: value for key, _, value in pairs}
    if missing := [key for key in _NEEDED if not told.get(key)]:
        raise DeployError(f"the host said too little: no {', '.join(missing)}", where=f"host {host}", next_step=_AGAIN)
    return told


def _ask_engine(url: str, stack: str, host: str) -> tuple[dict[str, Any], dict[str, Any]]:
    with _engine(url, stack, host) as engine:
        return engine.info(), engine.version()
