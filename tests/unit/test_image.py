from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import re
import stat
import tarfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.errors import DeployError, InputError
from stacks import dockerfile, image, image_archive

PROJECT = Path(__file__).resolve().parents[2]
SERVER = """FROM scratch
# a comment
LABEL org.opencontainers.image.version="1.0"

COPY server /usr/bin/server
WORKDIR /etc
WORKDIR /data
ENTRYPOINT ["/usr/bin/server"]
"""
SOURCE = '[go]\npackage = "example.org/server"\nfile = "server"\nldflags = "-s"\n'


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def contents(tar: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: stream.read() for name, stream in members.items() if stream}


def blob(files: dict[str, bytes], name: str) -> bytes:
    content = files[f"blobs/{name.replace(':', '/')}"]
    assert digest(content) == name
    return content


def write(tmp_path: Path, program: bytes, name: str = "image.tar") -> tuple[bytes, str, str]:
    server = tmp_path / f"{name}.server"
    server.write_bytes(program)
    tar = tmp_path / name
    image_id, content = image_archive.write(
        dockerfile.read(SERVER, "Dockerfile"), {"server": server}, architecture="amd64", reference="cowbench/x:1", tar=tar
    )
    return tar.read_bytes(), image_id, content


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one image whose Go compiler is a script that counts its calls."""
    folder = tmp_path / "images" / "server"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(SERVER)
    (folder / "source.toml").write_text(SOURCE)
    compiler(tmp_path, r"""printf '\177ELFprogram' >"$out" """)
    monkeypatch.setattr(image, "_FOLDERS", tmp_path / "images")
    monkeypatch.setattr(image, "_GO", tmp_path / "go")
    monkeypatch.setenv("COWBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def compiler(workshop: Path, action: str) -> None:
    script = 'while [ "$1" != -o ]; do shift; done; out=$2; echo call >>"$(dirname "$0")/calls"; ' + action
    (workshop / "go").write_text(f"#!/bin/sh\n{script}\n")
    (workshop / "go").chmod(0o755)


def calls(workshop: Path) -> int:
    return len((workshop / "calls").read_text().split())


def test_a_definition_is_read_from_the_five_instructions() -> None:
    assert dockerfile.read(SERVER, "Dockerfile") == dockerfile.Definition(
        copies=(("server", "/usr/bin/server"),),
        directories=("/etc", "/data"),
        labels=(("org.opencontainers.image.version", "1.0"),),
        entrypoint=("/usr/bin/server",),
    )


@pytest.mark.parametrize(
    "line",
    [
        "RUN make",
        "FROM debian",
        "COPY server usr/bin/server",
        "COPY --chmod=0755 server /usr/bin/server",
        "COPY a b /usr/bin/",
        "COPY /etc/passwd /etc/passwd",
        "WORKDIR data",
        "WORKDIR /data/../etc",
        "WORKDIR",
        "ENTRYPOINT /usr/bin/server",
        "ENTRYPOINT []",
        'LABEL a="1" b="2"',
        'LABEL a="1',
        "LABEL",
        "COPY server \\",
        "entrypoint nothing",
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(InputError) as refused:
        dockerfile.read(f"FROM scratch\n\n{line}\n", "images/x/Dockerfile")
    assert refused.value.where == "images/x/Dockerfile, line 3"
    assert refused.value.next_step


@pytest.mark.parametrize("text", ["", "# nothing\n", "FROM debian\n", "COPY a /a\nFROM scratch\n"])
def test_every_image_starts_from_scratch(text: str) -> None:
    with pytest.raises(InputError, match="FROM scratch"):
        dockerfile.read(text, "Dockerfile")


def test_the_same_content_gives_the_same_bytes_whatever_the_file_on_disk_looks_like(tmp_path: Path) -> None:
    first = write(tmp_path, b"program", "a.tar")
    server = tmp_path / "a.tar.server"
    server.chmod(0o600)
    os.utime(server, (1, 1))
    assert write(tmp_path, b"program", "b.tar") == first
    assert first[1:] != write(tmp_path, b"another", "c.tar")[1:]


def test_a_stranger_finds_every_blob_by_its_digest(tmp_path: Path) -> None:
    tar, image_id, content = write(tmp_path, b"program")
    files = contents(tar)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == "docker.io/cowbench/x:1"
    manifest = json.loads(blob(files, entry["digest"]))
    config = json.loads(blob(files, manifest["config"]["digest"]))
    layer = blob(files, manifest["layers"][0]["digest"])
    assert len(layer) == manifest["layers"][0]["size"]
    assert manifest["config"]["digest"] == image_id
    assert config["rootfs"]["diff_ids"] == [digest(layer)]
    assert config["config"]["Entrypoint"] == ["/usr/bin/server"]
    assert config["config"]["WorkingDir"] == "/data"
    assert content == image_archive.content_digest(config["rootfs"]["diff_ids"])


def test_engines_before_docker_25_find_the_same_image(tmp_path: Path) -> None:
    tar, image_id, _ = write(tmp_path, b"program")
    files = contents(tar)
    (old,) = json.loads(files["manifest.json"])
    assert old["RepoTags"] == ["cowbench/x:1"]
    assert digest(files[old["Config"]]) == image_id
    assert [digest(files[layer]) for layer in old["Layers"]] == json.loads(files[old["Config"]])["rootfs"]["diff_ids"]


def test_nothing_of_the_building_host_is_in_a_layer(tmp_path: Path) -> None:
    files = contents(write(tmp_path, b"program")[0])
    (old,) = json.loads(files["manifest.json"])
    with tarfile.open(fileobj=io.BytesIO(files[old["Layers"][0]])) as layer:
        entries = list(layer)
    assert [entry.name for entry in entries] == ["data", "etc", "usr", "usr/bin", "usr/bin/server"]
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in entries} == {(0, 0, "", "", 0)}
    assert {stat.S_IMODE(entry.mode) for entry in entries} == {0o755}


def test_the_second_call_takes_the_first_ones_image(workshop: Path) -> None:
    first = image.ensure("server")
    assert image.ensure("server") == first
    assert calls(workshop) == 1
    assert first.reference == f"cowbench/server:{first.tar.stem.removeprefix('server-')}"


@pytest.mark.usefixtures("workshop")
def test_a_record_says_what_is_in_the_tar() -> None:
    made = image.ensure("server")
    (old,) = json.loads(contents(made.tar.read_bytes())["manifest.json"])
    assert old["RepoTags"] == [made.reference]
    assert old["Config"] == f"blobs/{made.image_id.replace(':', '/')}"


def test_many_callers_at_once_make_it_once(workshop: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(image.ensure, ["server"] * 8))
    assert len(made) == 1
    assert calls(workshop) == 1


@pytest.mark.parametrize("file", ["Dockerfile", "source.toml", "go.sum"])
def test_another_definition_is_another_image(workshop: Path, file: str) -> None:
    first = image.ensure("server")
    with (workshop / "images" / "server" / file).open("a") as stream:
        stream.write("# changed\n")
    second = image.ensure("server")
    assert second.tar != first.tar
    assert second.reference != first.reference
    assert second.content_digest == first.content_digest, "a comment changes nothing of the content"


def test_what_a_killed_maker_left_is_not_taken_for_an_image(workshop: Path) -> None:
    made = image.ensure("server")
    left_behind = made.tar.parent / ".server-killed"
    left_behind.mkdir()
    made.tar.write_bytes(b"half")
    assert image.ensure("server") == made
    made.tar.with_suffix(".json").unlink()
    assert image.ensure("server") == made
    assert calls(workshop) == 3
    assert not left_behind.exists()
    assert sorted(path.name for path in made.tar.parent.iterdir()) == sorted(
        [made.tar.name, made.tar.with_suffix(".json").name, "server.lock"]
    )


def test_a_failed_build_shows_its_last_words_and_leaves_nothing(workshop: Path) -> None:
    compiler(workshop, "echo no such module >&2; exit 1")
    with pytest.raises(DeployError, match="no such module") as failed:
        image.ensure("server")
    assert "GOPROXY" in failed.value.next_step
    assert [path.name for path in (workshop / "cache" / "images").iterdir()] == ["server.lock"]


def test_another_compiler_is_another_image(workshop: Path) -> None:
    first = image.ensure("server")
    with (workshop / "go").open("a") as script:
        script.write("# a newer version\n")
    assert image.ensure("server").reference != first.reference


def test_without_the_projects_own_go_it_says_what_to_do(workshop: Path) -> None:
    (workshop / "go").unlink()
    with pytest.raises(DeployError, match="cannot be read") as failed:
        image.ensure("server")
    assert "checkout" in failed.value.next_step


def test_a_program_of_another_system_is_refused(workshop: Path) -> None:
    compiler(workshop, r"""printf '\317\372\355\376' >"$out" """)
    with pytest.raises(DeployError, match="not a Linux program"):
        image.ensure("server")


def test_a_wheel_that_is_not_installed_is_named(workshop: Path) -> None:
    (workshop / "images" / "server" / "source.toml").write_text('[wheel]\ndistribution = "no-such-server"\nfile = "server"\n')
    with pytest.raises(DeployError, match="no-such-server") as failed:
        image.ensure("server")
    assert "make setup" in failed.value.next_step


@pytest.mark.usefixtures("workshop")
@pytest.mark.parametrize("name", ["other", "", "../images/server"])
def test_an_unknown_image_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InputError) as refused:
        image.ensure(name)
    assert "server" in refused.value.next_step


@pytest.mark.parametrize("name", image.names())
def test_every_image_of_the_project_copies_what_its_source_gives(name: str) -> None:
    folder = PROJECT / "images" / name
    source: dict[str, Any] = tomllib.loads((folder / "source.toml").read_text())
    definition = dockerfile.read((folder / "Dockerfile").read_text(), str(folder))
    (kind,) = source
    assert [copied for copied, _ in definition.copies] == [source[kind]["file"]]
    assert {"/etc", "/tmp", "/data"} <= set(definition.directories)
    assert definition.entrypoint == (definition.copies[0][1],)


@pytest.mark.parametrize("name", image.names())
def test_the_version_in_the_label_is_the_pinned_one(name: str) -> None:
    folder = PROJECT / "images" / name
    source = tomllib.loads((folder / "source.toml").read_text())
    labels = dict(dockerfile.read((folder / "Dockerfile").read_text(), str(folder)).labels)
    version = labels["org.opencontainers.image.version"]
    if "wheel" in source:
        assert importlib.metadata.version(source["wheel"]["distribution"]) == version
    else:
        module = source["go"]["package"].split("/cmd/")[0]
        assert re.search(rf"^require {re.escape(module)} v{re.escape(version)}$", (folder / "go.mod").read_text(), re.MULTILINE)
        assert f"v{version}" in source["go"]["ldflags"]
