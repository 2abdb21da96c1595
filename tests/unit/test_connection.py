"""Connections to an engine: what is said when there is no way to it, and when a server counts as ready."""

from __future__ import annotations

import socket
import stat
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from bench.errors import DeployError
from stacks import connection, state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "state"))


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the `ssh` command; the test writes what it does."""
    path = tmp_path / "bin" / "ssh"
    path.parent.mkdir()
    state.ssh_config("s", "vm1").parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    return path


def test_a_host_that_cannot_be_reached_is_named_with_what_ssh_said(ssh: Path) -> None:
    ssh.write_text("#!/bin/sh\necho 'connect to host vm1 port 7722: Connection refused' >&2\nexit 255\n")

    with (
        pytest.raises(DeployError, match="Connection refused") as caught,
        connection.engine(connection.ssh_url("vm1", "/x/docker.sock"), "s"),
    ):
        pytest.fail("there is no engine")

    assert caught.value.where == "host vm1"
    assert "cowbench logs" in caught.value.next_step


def listening(pause_s: float = 0.0) -> str:
    """What an `ssh` does that gets through: it binds, listens after `pause_s` seconds, and answers for the engine."""
    return f"""
import socket, sys, time
way = socket.socket(socket.AF_UNIX)
way.bind(sys.argv[sys.argv.index("-L") + 1].partition(":")[0])
time.sleep({pause_s})
way.listen()
while True:
    client, _ = way.accept()
    if client.recv(65536):
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 21\\r\\n\\r\\n" + b'{{"ApiVersion":"1.41"}}')
    client.close()
"""


def test_a_way_is_there_when_somebody_listens_not_when_its_socket_can_be_seen(ssh: Path) -> None:
    # OpenSSH binds first and listens afterwards; on a busy machine a client came in between, and was refused.
    ssh.write_text(f"#!{sys.executable}{listening(pause_s=0.5)}")

    with connection.engine(connection.ssh_url("vm1", "/x/docker.sock"), "s") as engine:
        assert engine.api.api_version == "1.41"


def test_a_server_that_turns_us_away_at_the_door_is_asked_again(
    ssh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_AGAIN_S", 0.01)
    ssh.write_text(
        f"""#!{sys.executable}
import pathlib, sys
tries = pathlib.Path("{tmp_path}/tries")
with tries.open("a") as file:
    file.write("x")
if len(tries.read_text()) < 3:
    sys.exit("kex_exchange_identification: Connection closed by remote host")
{listening()}"""
    )

    with connection.engine(connection.ssh_url("vm1", "/x/docker.sock"), "s") as engine:
        assert engine.api.api_version == "1.41"
    assert (tmp_path / "tries").read_text() == "xxx"


def test_one_that_turns_us_away_for_ever_is_named_when_the_time_is_over(ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_AGAIN_S", 0.01)
    monkeypatch.setattr(connection, "_TUNNEL_S", 0.5)
    ssh.write_text("#!/bin/sh\necho 'kex_exchange_identification: Connection closed by remote host' >&2\nexit 255\n")

    with (
        pytest.raises(DeployError, match="kex_exchange_identification: Connection closed"),
        connection.engine(connection.ssh_url("vm1", "/x/docker.sock"), "s"),
    ):
        pytest.fail("there is no engine")


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        ("HTTP/1.1 200 OK", True),
        ("HTTP/1.1 403 Forbidden", True),
        ("HTTP/1.0 404 Not Found", True),
        ("HTTP/1.1 500 Internal Server Error", False),
        ("HTTP/1.1 503 Service Unavailable", False),
        ("SSH-2.0-OpenSSH", False),
        ("", False),
    ],
)
def test_a_server_that_is_asked_through_ssh_is_ready_when_it_says_anything_below_500(
    ssh: Path, answer: str, *, ready: bool
) -> None:
    ssh.write_text(f"#!/bin/sh\ncat >/dev/null\nprintf '{answer}\\r\\n\\r\\n'\n")

    assert connection.answers("ssh://vm1/x/docker.sock", "s", "10.77.1.2", 7070, "/") is ready


def test_what_ssh_is_asked_for_is_the_server_and_nothing_else(ssh: Path, tmp_path: Path) -> None:
    ssh.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/asked\ncat >>{tmp_path}/asked\n")

    connection.answers("ssh://vm1/x/docker.sock", "s", "10.77.1.2", 7070, "/health")

    *command, request = (tmp_path / "asked").read_text().partition("vm1\n")[0].splitlines(), (tmp_path / "asked").read_text()
    assert command[0][:4] == ["-F", str(state.ssh_config("s", "vm1")), "-W", "10.77.1.2:7070"]
    assert "GET /health HTTP/1.1" in request


def test_a_server_of_this_machine_is_asked_directly() -> None:
    def serve(server: socket.socket) -> None:
        link, _ = server.accept()
        with link:
            link.recv(1024)
            link.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            assert connection.answers("unix:///x", "s", "127.0.0.1", server.getsockname()[1], "/")
        finally:
            thread.join(30)
