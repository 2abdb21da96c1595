"""Connections to a host's engine and to what listens there, directly or through SSH, closed again whatever happens.

An engine's URL is `unix://SOCKET`, or `ssh://HOST/SOCKET` for a host that `stacks.ssh` can reach.
"""

from __future__ import annotations

import http
import http.client
import re
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import docker

from bench.errors import DeployError
from stacks import ssh, state

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 300
"""Longest wait for one answer of an engine: an emulated one takes a minute to unpack a large image."""

_TUNNEL_S = 60
_ANSWER_S = 10

_AT_THE_DOOR = "kex_exchange_identification"
"""How `ssh` begins when the server ended the connection before any key was shown: it restarts, has too many at once, or refuses
the operator for a while. OpenSSH 9.8 and later do that to whoever often left without logging in, which is how an SSH that is not
there yet is waited for (sshd_config(5), PerSourcePenalties: a second each, once they are fifteen).
"""

_AGAIN_S = 1.0


def ssh_url(host: str, path: str) -> str:
    """The URL of the engine that listens on the unix socket (an absolute path) of the host."""
    return f"ssh://{host}{path}"


@contextmanager
def engine(url: str, stack: str) -> Iterator[docker.DockerClient]:
    """A client of the engine at `url`, of a host of `stack`. Raises DeployError when the host cannot be reached by SSH."""
    with _socket(url, stack) as path:
        client = docker.DockerClient(base_url=f"unix://{path}", timeout=TIMEOUT_S)
        try:
            yield client
        finally:
            client.close()


def answers(url: str, stack: str, address: str, port: int, path: str) -> bool:
    """Whether a server on the engine's host says anything below 500 over HTTP: one that refuses an unsigned request is ready.

    Asked from the host itself: its firewall may let nobody in but load generators.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return _answers_here(address, port, path)
    request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    *ssh_command, host = ssh.reach(stack, parts.netloc)
    try:
        said = subprocess.run(
            [*ssh_command, "-W", f"{address}:{port}", host],
            input=request.encode(),
            capture_output=True,
            timeout=_ANSWER_S,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
    status = re.match(rb"HTTP/\d(?:\.\d)? (\d{3})", said)
    return status is not None and int(status[1]) < http.HTTPStatus.INTERNAL_SERVER_ERROR


def _answers_here(address: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _socket(url: str, stack: str) -> Iterator[str]:
    """The engine's socket, or one here that leads to it."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        yield parts.path
        return
    known = state.ssh_config(stack, parts.netloc).parent
    if not known.exists():
        raise DeployError("no way to it is known here", where=f"host {parts.netloc}", next_step="cowbench down, then up again")
    # Beside the keys, not in the system's temporary directory: whoever is killed here leaves it to the stack's removal.
    with tempfile.TemporaryDirectory(dir=known, prefix="t-") as directory:
        here = Path(directory) / "s"
        with _tunnel(here, parts.path, ssh.reach(stack, parts.netloc)):
            yield str(here)


@contextmanager
def _tunnel(here: Path, there: str, reach: tuple[str, ...]) -> Iterator[None]:
    """A socket `here` that leads to the one `there`. Whom SSH's server turned away at the door asks again."""
    deadline, said = time.monotonic() + _TUNNEL_S, ""
    *ssh_command, host = reach
    # A connection of its own: a forwarding of the shared one would outlive us.
    options = ["-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes", "-N", "-L", f"{here}:{there}"]
    command = [*ssh_command, *options, host]
    while True:
        tunnel = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            told = _wait_for(here, tunnel, deadline)
            if told is None:
                yield
                return
            # The last of many may be out of time before it has said anything.
            said = told or said
        finally:
            tunnel.kill()
            tunnel.wait()
            assert tunnel.stderr is not None
            tunnel.stderr.close()
        if not said.startswith(_AT_THE_DOOR) or time.monotonic() > deadline:
            raise DeployError(
                f"no way to the engine by SSH ({said or f'nothing within {_TUNNEL_S} s'})",
                where=f"host {host}",
                next_step="look at the host's console: cowbench logs CELL; or cowbench down, then up again",
            )
        time.sleep(_AGAIN_S)


def _listens(path: Path) -> bool:
    """Whether somebody does: a socket's file is there before that, and refuses."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _wait_for(path: Path, tunnel: subprocess.Popen[str], deadline: float) -> str | None:
    """None once somebody listens there; else what `ssh` said to its end, or until the deadline."""
    while not _listens(path):
        if tunnel.poll() is not None or time.monotonic() > deadline:
            tunnel.kill()
            assert tunnel.stderr is not None
            return tunnel.stderr.read().strip()
        time.sleep(0.05)
    return None
