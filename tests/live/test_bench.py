"""The whole path on one small matrix: from the file to the report, and nothing of it left."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped] # ships no types
import pytest
from pyarrow import parquet

from bench import stats, store

if TYPE_CHECKING:
    from tests.live.place import Ended, Place

pytestmark = [pytest.mark.live, pytest.mark.timeout(150)]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A finished bench, and what was seen of it while it ran."""

    ended: Ended
    command_lines: frozenset[str]
    keys: tuple[str, ...]
    files: dict[str, str]
    traces: tuple[str, ...]
    """At its height; shows that what finds traces finds them."""


@pytest.fixture(scope="module")
def watched(shared_place: Place) -> Watched:
    matrix = shared_place.matrix(axes={"data_placement": ["writable_layer", "volume"]}, load={"verify_share": 1})
    seen: set[str] = set()
    over = threading.Event()
    watcher = threading.Thread(target=_watch_command_lines, args=(seen, over))
    watcher.start()
    try:
        started = shared_place.start("bench", matrix, "--stack", "whole", "--runs", shared_place.runs)
        started.until("trial 0/2")
        (keys_file,) = shared_place.state.glob("stacks/whole/credential.json")
        mode, keys = keys_file.stat().st_mode & 0o777, tuple(json.loads(keys_file.read_text()).values())
        files = {
            str(path): path.read_text(errors="replace")
            for directory in ("stacks", "pulumi")
            for path in (shared_place.state / directory).rglob("*")
            if path.is_file() and path != keys_file
        }
        traces = tuple(shared_place.traces())
        ended = started.end()
    finally:
        over.set()
        watcher.join()
    assert mode == 0o600
    return Watched(ended=ended, command_lines=frozenset(seen), keys=keys, files=files, traces=traces)


def _watch_command_lines(seen: set[str], over: threading.Event) -> None:
    while not over.wait(0.2):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes().decode(errors="replace").replace("\0", " "))
            except OSError:
                continue


def test_one_command_measures_and_leaves_nothing(watched: Watched, shared_place: Place) -> None:
    assert watched.ended.code in {0, 4}, watched.ended.said  # 4: a busy machine may spoil a measurement, never the run
    shared_place.assert_nothing_left()


def test_while_a_stack_stands_its_traces_are_found(watched: Watched) -> None:
    kinds = {trace.split()[0] for trace in watched.traces}
    assert kinds >= {"mount", "loop", "cgroup", "process", "file"}
    for name in ("dockerd", "containerd-shim", "versitygw", "generator.child"):
        assert any(name in trace for trace in watched.traces if trace.startswith("process")), name


@pytest.mark.usefixtures("watched")
def test_the_run_folder_is_complete(shared_place: Place) -> None:
    folder = shared_place.run_folder
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "run.json",
        "trials.jsonl",
        "samples",
        "summary.json",
        "report.html",
        "report.md",
        "junit.xml",
        "summary.csv",
    }
    assert store.read(folder).state == "complete"
    results = store.results(folder)
    assert [result.problem for result in results] == ["", ""]
    rows = sum(parquet.read_metadata(part).num_rows for part in store.samples(folder, results))
    assert rows == sum(result.samples for result in results) > 0


@pytest.mark.usefixtures("watched")
def test_the_summary_keeps_to_its_schema(shared_place: Place) -> None:
    schema = json.loads((Path(stats.__file__).parent / "summary.schema.json").read_text())
    jsonschema.validate(json.loads((shared_place.run_folder / "summary.json").read_text()), schema)


@pytest.mark.usefixtures("watched")
def test_facts_are_read_back_from_what_really_ran(shared_place: Place) -> None:
    targets = store.read(shared_place.run_folder).targets
    assert {target.host.storage_driver for target in targets} == {"overlay2"}
    assert {target.host.backing_filesystem for target in targets} == {"ext4"}
    assert all("noatime" in target.host.mount_options for target in targets)
    assert {target.cell.data_placement for target in targets} == {"writable_layer", "volume"}
    assert len({target.endpoint for target in targets}) == 2
    assert all(target.server.image_id.startswith("sha256:") for target in targets)


def test_no_key_shows_in_a_file_of_the_run_or_of_the_stack(watched: Watched, shared_place: Place) -> None:
    written = {str(path): path.read_bytes() for path in shared_place.run_folder.rglob("*") if path.is_file()}
    written |= {name: text.encode() for name, text in watched.files.items()}
    assert any(name.endswith("targets.json") for name in written)
    assert any(name.endswith("whole.json") for name in written)
    assert [name for name, content in written.items() for key in watched.keys if key.encode() in content] == []
    assert not any(key in watched.ended.said for key in watched.keys)


def test_no_key_shows_in_a_command_line(watched: Watched) -> None:
    assert any("versitygw" in line for line in watched.command_lines)
    assert not [line for line in watched.command_lines for key in watched.keys if key in line]
