from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.errors import DeployError, InputError
from stacks import debian_root, dockerfile, image, image_archive, image_parts, locked_packages

PROJECT = Path(__file__).resolve().parents[2]
SERVER = """FROM scratch
# a comment
LABEL org.opencontainers.image.version="1.0"
ENV HOME=/data

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
    monkeypatch.setattr(image_parts, "_GO", tmp_path / "go")
    monkeypatch.setenv("COWBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def compiler(workshop: Path, action: str) -> None:
    script = 'while [ "$1" != -o ]; do shift; done; out=$2; echo call >>"$(dirname "$0")/calls"; ' + action
    (workshop / "go").write_text(f"#!/bin/sh\n{script}\n")
    (workshop / "go").chmod(0o755)


def calls(workshop: Path) -> int:
    return len((workshop / "calls").read_text().split())


def test_a_definition_is_read_from_its_instructions() -> None:
    assert dockerfile.read(SERVER, "Dockerfile") == dockerfile.Definition(
        copies=(("server", "/usr/bin/server"),),
        directories=("/etc", "/data"),
        labels=(("org.opencontainers.image.version", "1.0"),),
        environment=(("HOME", "/data"),),
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
        "ADD server /usr/bin/server",
        "ADD https://example.org/root.tar /",
        "ENV PATH=$PATH:/opt",
        "ENV PATH",
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
    assert "HOME=/data" in config["config"]["Env"]
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


def test_a_tree_becomes_a_layer_with_its_links_and_permissions_and_nothing_of_this_host(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "tool").write_text("tool")
    (tree / "bin" / "tool").chmod(0o750)
    (tree / "bin" / "alias").symlink_to("/usr/bin/tool")
    os.mkfifo(tree / "pipe")
    for name in ("a", "b"):
        image_archive.write_tree(tree, "/opt/x", tmp_path / name)
        os.utime(tree / "bin" / "tool", (1, 1))

    with tarfile.open(tmp_path / "a") as layer:
        entries = {entry.name: entry for entry in layer}
    assert list(entries) == ["opt", "opt/x", "opt/x/bin", "opt/x/bin/alias", "opt/x/bin/tool"]
    assert entries["opt/x/bin/alias"].linkname == "/usr/bin/tool"
    assert entries["opt/x/bin/tool"].mode == 0o750
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in entries.values()} == {(0, 0, "", "", 0)}
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


LOCK = """version = 1
[[package]]
name = "wanted"
version = "1.2"
dependencies = [{ name = "below", extra = ["fast"] }, { name = "elsewhere", marker = "sys_platform == 'win32'" }]
wheels = [{ url = "https://example.org/a.whl", hash = "sha256:bb" }, { url = "https://example.org/b.whl", hash = "sha256:aa" }]
[[package]]
name = "below"
version = "3"
sdist = { url = "https://example.org/below.tar.gz", hash = "sha256:cc" }
[package.optional-dependencies]
fast = [{ name = "faster" }]
[[package]]
name = "elsewhere"
version = "4"
[[package]]
name = "faster"
version = "5"
dependencies = [{ name = "below", marker = "python_version < '3.12'" }]
[[package]]
name = "unrelated"
version = "6"
"""


def test_requirements_are_what_is_wanted_and_all_below_it_as_the_lock_has_them() -> None:
    assert locked_packages.requirements(LOCK, ["wanted"]).splitlines() == [
        "below==3 --hash=sha256:cc",
        "elsewhere==4 ; (sys_platform == 'win32')",
        "faster==5",
        "wanted==1.2 --hash=sha256:aa --hash=sha256:bb",
    ]
    with pytest.raises(InputError, match="no package `absent`"):
        locked_packages.requirements(LOCK, ["absent"])


LOADGEN: dict[str, Any] = tomllib.loads((PROJECT / "images" / "loadgen" / "source.toml").read_text())


def test_the_projects_own_lock_has_the_load_generators_packages_with_their_hashes() -> None:
    lines = locked_packages.requirements((PROJECT / "uv.lock").read_text(), LOADGEN["python"]["packages"]).splitlines()

    assert {"boto3", "botocore", "gevent", "greenlet", "locust", "msgpack", "pyarrow", "pyzmq"} <= {
        line.split("==")[0] for line in lines
    }
    assert all("--hash=sha256:" in line for line in lines)


def test_set_up_leaves_the_load_generator_for_later_and_it_can_still_be_asked_for() -> None:
    assert "loadgen" not in image.names()
    assert {part.name for part in image_parts.parts(PROJECT / "images" / "loadgen", LOADGEN)} == {
        "debian.tar",
        "packages",
        "code",
    }


def test_the_load_generators_image_copies_every_part_from_the_lowest_on() -> None:
    folder = PROJECT / "images" / "loadgen"
    definition = dockerfile.read((folder / "Dockerfile").read_text(), str(folder))
    environment = dict(definition.environment)
    places = dict(definition.copies)

    assert list(places) == [part.name for part in image_parts.parts(folder, LOADGEN)]
    assert environment["PYTHONPATH"].split(":") == [places["code"], places["packages"]]
    assert definition.entrypoint[-2:] == ("bench.generator.porter", definition.working_directory)


@pytest.mark.parametrize(
    "module", ["bench.generator.porter", "bench.generator.serve", "bench.generator.crew_master", "bench.generator.crew_worker"]
)
def test_the_load_generators_code_is_all_that_it_imports(tmp_path: Path, module: str) -> None:
    for named in LOADGEN["code"]["paths"]:
        source, copy = PROJECT / named, tmp_path / named
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copy(source, copy)
    patch = "from gevent import monkey; monkey.patch_all(); " if module != "bench.generator.porter" else ""
    look = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {patch}import {module}, bench; print(bench.__file__)"

    # -I: this checkout must not stand in for what is missing.
    ended = subprocess.run(
        [sys.executable, "-I", "-c", look], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )

    assert ended.stdout.strip() == str(tmp_path / "bench" / "__init__.py"), ended.stderr


LAYERED = """[root]
file = "root.tar"
suite = "stable"
packages = ["base"]
leave_out = ["doc", "**/*.old"]
[root.only]
"data" = ["kept*"]
[code]
file = "code"
paths = ["bench/__init__.py"]
"""


@pytest.fixture
def layered(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image of two layers; mmdebstrap is a script that packs a small tree, and nothing is compiled."""
    (workshop / "images" / "server" / "source.toml").write_text(LAYERED)
    (workshop / "images" / "server" / "Dockerfile").write_text(
        'FROM scratch\nADD root.tar /\nCOPY code /opt\nENTRYPOINT ["/bin/x"]\n'
    )
    for file in ("bin/x", "doc/text", "bin/x.old", "data/kept-1", "data/other"):
        (workshop / "tree" / file).parent.mkdir(parents=True, exist_ok=True)
        (workshop / "tree" / file).write_text(file)
    mmdebstrap(workshop, f'while [ "$1" != stable ]; do shift; done; tar cf "$2" -C {workshop}/tree .')
    monkeypatch.setenv("PATH", f"{workshop}/bin", prepend=os.pathsep)
    monkeypatch.setattr(debian_root, "compile_sources", lambda *_: None)
    return workshop


def mmdebstrap(workshop: Path, action: str) -> None:
    script = workshop / "bin" / "mmdebstrap"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!/bin/sh\necho call >>{workshop}/calls; {action}\n")
    script.chmod(0o755)


def layers(made: image.Image) -> list[list[str]]:
    files = contents(made.tar.read_bytes())
    (old,) = json.loads(files["manifest.json"])
    config = json.loads(files[old["Config"]])
    assert [digest(files[layer]) for layer in old["Layers"]] == config["rootfs"]["diff_ids"]
    assert len(config["history"]) == len(old["Layers"])
    found = []
    for layer in old["Layers"]:
        with tarfile.open(fileobj=io.BytesIO(files[layer])) as archive:
            found.append([entry.name for entry in archive if entry.isfile()])
    return found


@pytest.mark.usefixtures("layered")
def test_each_folder_is_a_layer_without_what_is_left_out() -> None:
    base, code, rest = layers(image.ensure("server"))

    assert base == ["bin/x", "data/kept-1", "etc/ssl/certs/ca-certificates.crt"]
    assert code == ["opt/bench/__init__.py"]
    assert rest == []


def test_a_changed_upper_part_takes_the_lower_layers_from_the_cache(layered: Path) -> None:
    first = image.ensure("server")
    source = layered / "images" / "server" / "source.toml"
    source.write_text(LAYERED.replace('"bench/__init__.py"', '"bench/__init__.py", "bench/errors.py"'))

    second = image.ensure("server")

    assert calls(layered) == 1
    assert layers(second)[0] == layers(first)[0]
    assert layers(second)[1] == ["opt/bench/__init__.py", "opt/bench/errors.py"]
    source.write_text(LAYERED.replace("**/*.old", "**/*.older"))
    image.ensure("server")
    assert calls(layered) == 2, "another root is another layer"


def test_old_tars_of_an_image_leave_the_cache(layered: Path) -> None:
    source = layered / "images" / "server" / "source.toml"
    made = []
    for number in range(5):
        source.write_text(f"{LAYERED}# {number}\n")
        made.append(image.ensure("server").tar)
        os.utime(made[-1], (number, number))

    assert [tar.exists() for tar in made] == [False, False, True, True, True]
    assert len(list(made[-1].parent.glob("*.json"))) == 3
    assert image.ensure("server").tar == made[-1]


def test_without_mmdebstrap_it_says_how_to_get_it(layered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (layered / "bin" / "mmdebstrap").unlink()
    monkeypatch.setenv("PATH", str(layered / "bin"))
    with pytest.raises(DeployError, match="mmdebstrap") as failed:
        image.ensure("server")
    assert "make setup-vms" in failed.value.next_step


def test_an_archive_that_cannot_be_reached_is_named_with_the_last_words(layered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_DEBIAN_MIRROR", "http://archive.example.org/debian")
    mmdebstrap(layered, "echo E: no route to host >&2; exit 100")
    with pytest.raises(DeployError, match="no route to host") as failed:
        image.ensure("server")
    assert failed.value.where == "http://archive.example.org/debian"
    assert "COWBENCH_DEBIAN_MIRROR" in failed.value.next_step
    assert sorted(path.name for path in (layered / "cache" / "images").iterdir()) == ["layers", "server.lock"]


def test_a_part_that_nobody_copies_and_a_kind_that_is_not_known_are_refused(layered: Path) -> None:
    folder = layered / "images" / "server"
    (folder / "Dockerfile").write_text('FROM scratch\nADD root.tar /\nENTRYPOINT ["/bin/x"]\n')
    with pytest.raises(InputError, match="`code` is made but not copied"):
        image.ensure("server")
    (folder / "source.toml").write_text('[rpm]\nfile = "x"\n')
    with pytest.raises(InputError, match=r"\[rpm\] is not known"):
        image.ensure("server")


def test_a_missing_uv_is_said_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeployError, match="uv is not there") as failed:
        locked_packages.uv_at_hand(tmp_path)
    assert "make setup" in failed.value.next_step
