"""How a host is reached by SSH: only it, only with its own key, and nothing readable by others."""

from __future__ import annotations

import shutil
import socket
import stat
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from stacks import reach, ssh, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh on this machine; make setup-vms brings it")

HOST_KEY = "ssh-ed25519 " + "A" * 68


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "state"))


@pytest.fixture
def greeting() -> Iterator[socket.socket]:
    """A listening socket on the loopback; what it says is the test's business."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def introduced(tmp_path: Path) -> Path:
    private, _ = ssh.make_key("s")
    ssh.introduce(
        stack="s",
        host="vm1",
        address="127.77.1.2",
        port=7722,
        private_key=private,
        host_key=HOST_KEY,
        shared_connection=tmp_path / "ssh.sock",
    )
    return state.ssh_config("s", "vm1")


def test_every_key_is_new() -> None:
    (first, public), (second, _) = ssh.make_key("s"), ssh.make_key("s")

    assert first != second
    assert public.startswith("ssh-ed25519 ")
    assert "PRIVATE KEY" in first


def test_what_leads_to_a_host_goes_with_it_and_the_key_with_the_last_one(tmp_path: Path) -> None:
    folder = introduced(tmp_path).parent
    (folder / "vm2.config").touch()

    ssh.forget("s", "vm1")
    assert sorted(path.name for path in folder.iterdir()) == ["key", "vm2.config"]

    ssh.forget("s", "vm2")
    assert not folder.exists()


def test_the_private_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    key = introduced(tmp_path).parent / "key"

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_ssh_itself_reads_the_configuration_and_pins_the_host(tmp_path: Path) -> None:
    config = introduced(tmp_path)

    said = subprocess.run(["ssh", "-G", "-F", str(config), "vm1"], capture_output=True, text=True, check=True, timeout=30).stdout

    settings = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    assert settings["hostname"] == "127.77.1.2"
    assert settings["port"] == "7722"
    assert settings["stricthostkeychecking"] == "true"
    assert settings["userknownhostsfile"] == str(config.with_suffix(".known_hosts"))
    assert settings["batchmode"] == "yes"


def test_another_host_has_no_entry_to_be_taken_for(tmp_path: Path) -> None:
    config = introduced(tmp_path)

    known = config.with_suffix(".known_hosts")
    found = subprocess.run(["ssh-keygen", "-F", "[127.77.1.3]:7722", "-f", str(known)], capture_output=True, check=False)
    assert found.returncode != 0


def test_a_port_that_is_forwarded_to_nobody_is_no_ssh_server(greeting: socket.socket) -> None:
    assert not ssh.answers("127.0.0.1", greeting.getsockname()[1])


def test_a_server_that_greets_is_one(greeting: socket.socket) -> None:
    def greet() -> None:
        connection, _ = greeting.accept()
        with connection:
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    thread = threading.Thread(target=greet)
    thread.start()
    try:
        assert ssh.answers("127.0.0.1", greeting.getsockname()[1])
    finally:
        thread.join(30)


def test_a_command_here_gives_its_status_and_its_words() -> None:
    done = reach.run(reach.HERE, "cat; echo problem >&2; exit 3", timeout_s=30, stdin="said")

    assert (done.returncode, done.stdout, done.stderr) == (3, "said", "problem\n")


def test_a_host_that_does_not_answer_is_given_up() -> None:
    done = reach.run(reach.HERE, "sleep 60", timeout_s=0.2)

    assert done.returncode == 255
    assert "no answer" in done.stderr
