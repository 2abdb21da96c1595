"""How a container image that was built here gets into a host's engine: from a disk of the host that holds it, else pushed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import docker.errors

from stacks import reach, ssh

if TYPE_CHECKING:
    from docker import DockerClient

    from stacks.image import Image

_LOAD_LIMIT_S = 300
_ABSENT = 3


def serial(content_digest: str) -> str:
    """The serial number of the disk that holds an image's tar, at most 20 characters, as virtio has it."""
    return f"img-{content_digest.rpartition(':')[2][:16]}"


def bring(engine: DockerClient, url: str, stack: str, built: Image) -> str:
    """Make sure that the engine at `url` has the image; the name it has there. Raises docker.errors.APIError."""
    try:
        engine.images.get(built.reference)
    except docker.errors.ImageNotFound:
        if not _loaded_from_disk(url, stack, built):
            with built.tar.open("rb") as tar:
                engine.images.load(tar)
    return built.reference


def _loaded_from_disk(url: str, stack: str, built: Image) -> bool:
    """An emulated host decrypts what comes by SSH at a few MB/s; where a disk has the tar, that is no limit."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return False
    disk, socket = shlex.quote(f"/dev/disk/by-id/virtio-{serial(built.content_digest)}"), shlex.quote(f"unix://{parts.path}")
    command = f"[ -e {disk} ] || exit {_ABSENT}; exec docker --host {socket} load --quiet --input {disk}"
    # Whatever went wrong there, a push tells it better.
    return reach.run(ssh.reach(stack, parts.netloc), command, timeout_s=_LOAD_LIMIT_S).returncode == 0
