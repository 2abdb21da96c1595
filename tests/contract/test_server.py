"""Every S3 server passes this, unchanged."""

from __future__ import annotations

import pytest

from stacks import image, servers
from stacks.server import Credential, Server
from tests.registry import files_of, folder, modules

KEYS = Credential(access_key="ACCESS0KEY", secret_key="s3cr3t0value")


@pytest.fixture(params=servers.SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    return servers.load(request.param)


def test_every_file_is_registered_and_every_name_has_its_file() -> None:
    assert files_of(folder(servers.__file__)) == modules(servers.SERVERS)


def test_it_is_called_what_it_is_registered_as() -> None:
    assert tuple(servers.load(name).name for name in servers.SERVERS) == servers.SERVERS


def test_its_image_has_a_folder(server: Server) -> None:
    assert server.image in image.names()


def test_it_binds_to_the_given_address_only(server: Server) -> None:
    command = " ".join(server.command("127.77.3.4", 0))
    assert "127.77.3.4" in command
    assert "0.0.0.0" not in command


def test_no_key_is_on_its_command_line(server: Server) -> None:
    command = " ".join(server.command("127.77.3.4", 0))
    assert KEYS.access_key not in command
    assert KEYS.secret_key not in command


def test_the_secret_reaches_it_by_environment_or_file(server: Server) -> None:
    carried = [*server.environment(KEYS).values(), *server.files(KEYS).values()]
    assert [text for text in carried if KEYS.secret_key in text]


def test_the_secret_does_not_show_in_a_repr(server: Server) -> None:
    assert KEYS.secret_key not in repr(KEYS)
    assert KEYS.secret_key not in repr(server)


def test_its_ports_are_its_own_and_differ(server: Server) -> None:
    ports = (server.port, *server.other_ports)
    assert len(set(ports)) == len(ports)
    assert all(1024 < port < 65536 for port in ports)


def test_it_says_how_objects_lie_on_disk(server: Server) -> None:
    assert len(server.layout.split()) >= 3


def test_its_objects_lie_in_one_absolute_directory(server: Server) -> None:
    assert server.data_path.startswith("/")
    assert server.data_path in " ".join(server.command("127.77.3.4", 0))
