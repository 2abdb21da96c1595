"""What goes wrong on a real machine: each time one clear error, the right exit code, and nothing left half made."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench import store
from bench.errors import DeployError
from stacks import connection, image, servers, state
from stacks.resources import container
from stacks.resources.container import ContainerProvider
from stacks.resources.engine_host import EngineHostProvider
from tests.live.place import COWBENCH, FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.place import Ended, Place

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]


def _bench(place: Place, fault: str = "", **more: str) -> Ended:
    spoiled = {"PYTHONPATH": FAULTS, "COWBENCH_TEST_FAULT": fault} if fault else {}
    return place.cowbench("bench", place.matrix(), "--runs", place.runs, **spoiled, **more)


def _assert_refused(ended: Ended, place: Place, *words: str) -> None:
    """Exit 3, one error with these words and a next step, no traceback, no run folder, and nothing left."""
    assert ended.code == 3, ended.said
    assert "Traceback" not in ended.said
    assert ended.said.count("\nerror: ") == 1
    error = ended.said.partition("\nerror: ")[2]
    assert [word for word in words if word not in error] == [], error
    assert error.count("  next: ") == 1
    assert not place.runs.exists()
    place.assert_nothing_left()


def test_an_engine_that_refuses_its_options_shows_why(place: Place) -> None:
    ended = _bench(place, "engine refuses an option")

    words = ("host overlay2-ext4", "the engine ended while it started", "unknown option overlay2.no_such_option", "means: ")
    _assert_refused(ended, place, *words)


@pytest.mark.slow
def test_overlay2_on_a_filesystem_without_file_types_shows_why_and_what_to_do(place: Place) -> None:
    ended = _bench(place, "filesystem without file types")

    _assert_refused(ended, place, "without d_type support", "means: ", "mkfs.ext4 -O filetype")


def test_an_engine_that_takes_another_driver_than_it_was_told_is_an_error(place: Place) -> None:
    fake = place.root / "bin" / "dockerd"
    fake.parent.mkdir()
    # It alters its configuration just before it becomes the real engine.
    other = 's/"storage-driver": "overlay2"/"storage-driver": "vfs"/'
    fake.write_text(f"""#!/bin/sh\n[ "$1" != --config-file ] || sed -i '{other}' "$2"\nexec {shutil.which("dockerd")} "$@"\n""")
    fake.chmod(0o755)

    ended = _bench(place, PATH=f"{fake.parent}:{place.environment()['PATH']}")

    _assert_refused(ended, place, "was told to use overlay2 and took vfs")


def test_a_server_that_ends_by_itself_shows_its_log(place: Place) -> None:
    ended = _bench(place, "server ends by itself")

    words = (
        "cell local-overlay2-ext4-versitygw-layer",
        "versitygw ended by itself",
        "flag provided but not defined: -no-such-flag",
    )
    _assert_refused(ended, place, *words)


def test_without_a_free_port_the_error_says_which_and_how_to_find_who_has_it(place: Place) -> None:
    # In a network of its own: to take a port on all addresses would disturb every other stack of this machine.
    listen = (
        "import socket,time; s=socket.socket(); s.bind(('0.0.0.0',7070)); s.listen(); print('taken', flush=True); time.sleep(90)"
    )
    command = (
        f'ip link set lo up; python3 -c "{listen}" >{place.root}/taken & until [ -s {place.root}/taken ]; do sleep 0.05; done; '
        f"{COWBENCH} bench {place.matrix()} --runs {place.runs}; code=$?; kill $!; exit $code"
    )
    ended = place.launch(["unshare", "--net", "sh", "-c", command]).end()

    _assert_refused(ended, place, "no free port", "7070", "ss -ltnp")


def test_a_state_directory_too_deep_for_unix_sockets_is_refused(place: Place) -> None:
    deep = replace(place, root=place.root / ("deep" * 20))
    (deep.root / "tmp").mkdir(parents=True)

    ended = _bench(deep)

    _assert_refused(ended, deep, "too long for a unix socket", "COWBENCH_STATE")


def test_a_disk_without_room_is_refused_before_anything_is_made(place: Place) -> None:
    place.state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "cowbench-test", place.state], check=True, timeout=10)
    try:
        ended = _bench(place)
        assert not (place.state / "h").exists()
    finally:
        subprocess.run(["umount", place.state], check=True, timeout=10)

    _assert_refused(ended, place, "MiB free", str(place.state))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("server", "told"),
    [("versitygw", "the server's disk, or its inodes, ran out"), ("seaweedfs", "the server failed inside, and its log says")],
)
def test_a_disk_that_fills_up_under_load_is_measured_as_failures_and_the_run_goes_on(
    place: Place, server: str, told: str
) -> None:
    put = {"op": "put", "object_size": "1MiB", "concurrency": 2, "duration": "300ms", "warm_up": "50ms"}
    matrix = place.matrix("full", axes={"server": [server]}, load={"blocks": 2, "workloads": [put]})
    assert place.cowbench("up", matrix).code == 0
    disk = place.host("full") / "m"
    free_bytes = shutil.disk_usage(disk).free
    subprocess.run(["fallocate", "-l", str(free_bytes - (8 << 20)), disk / "ballast"], check=True, timeout=10)

    ended = place.cowbench("run", matrix, "--runs", place.runs)

    assert "Traceback" not in ended.said
    run, results = store.read(place.run_folder), store.results(place.run_folder)
    assert run.state == "complete"
    assert [result.problem for result in results] == ["", ""], ended.said
    summary = json.loads((place.run_folder / "summary.json").read_text())
    (cell,) = summary["cells"]
    assert cell["failed_ops"] > 0
    assert cell["failures"]
    texts = [finding.text for finding in run.findings if finding.check == "failures"]
    assert any(told in text for text in texts), texts
    assert server == "versitygw" or any("no space left on device" in text for text in texts), texts
    assert place.cowbench("down", "--stack", "full").code == 0


def test_taking_away_what_never_was_is_fine_and_said(place: Place) -> None:
    ended = place.cowbench("down", "--stack", "never")

    assert ended.code == 0
    assert "there is no stack never" in ended.said


@pytest.fixture
def inputs(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the container provider is given, on an engine that its own provider made here: quicker than a whole stack."""
    monkeypatch.setenv("COWBENCH_STATE", str(place.state))
    setup = {"stack": "one", "host": "overlay2-ext4", "engine": "distribution", "driver": "overlay2"}
    made = EngineHostProvider().create({**setup, "backing_filesystem": "ext4", "disk_bytes": 1 << 30})
    assert made.outs is not None
    yield {
        **{key: made.outs[key] for key in ("stack", "host", "engine_url", "incarnation")},
        "cell": "cell",
        "server": "versitygw",
        "image": image.ensure("versitygw").content_digest,
        "addresses": {},
        "data_placement": "volume",
        "access_key": "test",
        "secret_key": "test-secret",
    }
    EngineHostProvider().delete("one/overlay2-ext4", made.outs)
    assert not state.stack_dir("one").exists()
    assert not (state.hosts() / "one").exists()


def test_a_server_that_never_answers_shows_its_log_and_goes(inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    versitygw = servers.load("versitygw")
    monkeypatch.setattr(servers, "load", lambda _: replace(versitygw, port=versitygw.port + 1))  # it listens on another one
    monkeypatch.setattr(container, "_READY_TIMEOUT_S", 2)

    with pytest.raises(DeployError, match=r"did not answer within 2 s; its log:\n") as caught:
        ContainerProvider().create(inputs)

    assert caught.value.next_step
    with connection.engine(inputs["engine_url"], inputs["stack"]) as engine:
        assert engine.containers.list(all=True) == []
        assert engine.volumes.list() == []


def test_a_container_that_a_killed_create_left_is_made_anew(inputs: dict[str, Any]) -> None:
    killed = ContainerProvider().create(inputs)

    again = ContainerProvider().create(inputs)

    assert killed.outs is not None
    assert again.outs is not None
    assert again.outs["facts"]["container_id"] != killed.outs["facts"]["container_id"]
    assert again.outs["endpoint"] == killed.outs["endpoint"]
