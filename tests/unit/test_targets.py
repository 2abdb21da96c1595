from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench import targets
from bench.errors import DeployError, InputError
from bench.targets import Deployment
from tests.unit.small_run import generator_host, target

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = (target("btrfs"), target("vfs", storage_driver="vfs", planned_driver="vfs"))
SMALL = Deployment(stack="small", targets=TARGETS)


def document(**changed: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(targets.render(SMALL))
    return whole | changed


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        targets.parse(text, where="targets.json")
    assert caught.value.next_step
    return caught.value


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    targets.write(tmp_path / "targets.json", SMALL)

    assert targets.read(tmp_path / "targets.json") == SMALL
    assert [path.name for path in tmp_path.iterdir()] == ["targets.json"]


def test_load_generators_are_read_back_too() -> None:
    deployment = replace(SMALL, generators=(generator_host("a"), generator_host("b")))

    assert targets.parse(targets.render(deployment)) == deployment


def test_a_file_from_before_there_were_load_generators_is_read() -> None:
    old = document()
    del old["generators"]
    for each in old["targets"]:
        for key in ("private_endpoint", "reach", "machine"):
            del each[key]
        for key in ("virtualization", "machine_image_digest"):
            del each["host"][key]

    assert targets.parse(json.dumps(old)) == SMALL


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cowbench up") as caught:
        targets.read(tmp_path / "targets.json")

    assert str(tmp_path / "targets.json") in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "targets.json").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InputError, match="not text"):
        targets.read(tmp_path / "targets.json")


def test_every_proper_prefix_of_the_file_is_refused_with_its_line() -> None:
    whole = targets.render(SMALL).rstrip()

    for cut in range(0, len(whole), 7):
        error = refusal(whole[:cut])
        assert error.where.startswith("targets.json:")
        assert "truncated" in error.what or "not JSON" in error.what


def test_text_that_is_not_json_is_refused_with_line_and_column() -> None:
    assert refusal('{"schema": 1,\n stack: 2}').where == "targets.json:2:2"


def test_endless_nesting_is_refused_and_does_not_crash() -> None:
    assert "nested" in refusal("[" * 200_000).what


@pytest.mark.parametrize(
    ("schema", "word"), [(2, "newer"), (0, "older"), ("1", "not a file of ours"), (True, "not a file of ours")]
)
def test_another_schema_is_refused(schema: object, word: str) -> None:
    assert word in refusal(json.dumps(document(schema=schema))).what


def test_a_file_of_something_else_is_refused() -> None:
    assert "not a file of ours" in refusal("[1, 2]").what


def test_an_unknown_key_is_refused_with_its_place() -> None:
    changed = document()
    changed["targets"][1]["host"]["kernal"] = "6.1"

    assert "targets[1].host.kernal" in refusal(json.dumps(changed)).what


def test_a_missing_key_is_refused_with_its_place() -> None:
    changed = document()
    del changed["targets"][0]["cell"]["driver"]

    assert "targets[0].cell.driver" in refusal(json.dumps(changed)).what


def test_a_number_in_quotes_is_no_number() -> None:
    changed = document()
    changed["targets"][0]["host"]["cpus"] = "2"

    assert "targets[0].host.cpus" in refusal(json.dumps(changed)).what


@pytest.mark.parametrize("key", ["secret_key", "password", "AWS_ACCESS_KEY_ID", "private_key", "session_token"])
def test_a_key_that_looks_like_a_secret_is_refused_and_not_repeated(key: str) -> None:
    changed = document()
    changed["targets"][0]["server"][key] = "hunter2"
    error = refusal(json.dumps(changed))

    assert f"targets[0].server.{key}" in error.what
    assert "hunter2" not in str(error)


def test_an_address_with_a_password_is_refused_and_not_repeated() -> None:
    changed = document()
    changed["targets"][0]["endpoint"] = "http://root:hunter2@127.0.0.1:7101"
    error = refusal(json.dumps(changed))

    assert "targets[0].endpoint" in error.what
    assert "hunter2" not in str(error)


def test_no_targets_and_two_for_one_cell_are_refused() -> None:
    assert "no targets" in refusal(json.dumps(document(targets=[]))).what
    assert "btrfs" in refusal(targets.render(replace(SMALL, targets=(TARGETS[0], TARGETS[0])))).what


def test_a_path_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="cannot be written"):
        targets.write(tmp_path / "file" / "targets.json", SMALL)


def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "targets.json"
    targets.write(path, SMALL)
    monkeypatch.setattr(os, "fsync", _full)

    with pytest.raises(DeployError, match="full"):
        targets.write(path, replace(SMALL, stack="other"))
    assert targets.read(path) == SMALL


def _full(_handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
