from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from bench import store
from bench.errors import CowbenchError, InputError
from bench.records import Finding
from tests.unit.small_run import KEYS, result, run, write_part

if TYPE_CHECKING:
    from pathlib import Path

RUN = run()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return store.create(tmp_path / "runs", RUN)


def measured(folder: Path, count: int) -> None:
    """Trials with a part each."""
    for trial in RUN.schedule[:count]:
        write_part(folder / "samples" / f"part-{trial.index:05d}-00.parquet", trial.index, [{}, {}])
        store.append(folder, result(trial, parts=(f"part-{trial.index:05d}-00.parquet",), samples=2))


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def refusal(what: Any, *arguments: Any) -> CowbenchError:
    with pytest.raises(CowbenchError) as caught:
        what(*arguments)
    assert caught.value.next_step
    assert caught.value.where
    return caught.value


def test_a_run_is_read_back_as_it_was_created(folder: Path) -> None:
    assert store.read(folder) == RUN
    assert store.results(folder) == ()
    assert folder.name == RUN.run_id
    assert sorted(path.name for path in folder.iterdir()) == ["matrix.yaml", "run.json", "samples", "trials.jsonl"]


def test_a_second_run_in_the_same_second_gets_a_name_of_its_own(folder: Path) -> None:
    second, third = store.create(folder.parent, RUN), store.create(folder.parent, RUN)

    assert [second.name, third.name] == [f"{RUN.run_id}-2", f"{RUN.run_id}-3"]
    assert store.read(second).run_id == second.name
    assert not list(folder.parent.glob(".*"))


@pytest.mark.parametrize(
    ("stack", "run_id"),
    [("small", "20260102-030405-small"), ("org/s3 bench", "20260102-030405-org-s3-bench"), ("../..", "20260102-030405-stack")],
)
def test_a_run_id_is_time_and_stack_and_safe_in_a_path(stack: str, run_id: str) -> None:
    assert store.new_run_id("2026-01-02T03:04:05+00:00", stack) == run_id


def test_a_path_that_cannot_be_written_fails_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()

    assert refusal(store.create, tmp_path / "runs", RUN).exit_code == 2


def test_a_disk_without_room_fails_before_the_run_and_says_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free=2**20))
    error = refusal(store.create, tmp_path / "runs", RUN)

    assert error.exit_code == 3
    assert "1 MiB are free" in error.what
    assert "free 16 MiB" in error.next_step
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_disk_that_fills_while_the_folder_is_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full_disk)

    assert refusal(store.create, tmp_path / "runs", RUN).exit_code == 3
    assert list((tmp_path / "runs").iterdir()) == []


def test_results_come_back_in_the_order_of_measurement(folder: Path) -> None:
    measured(folder, 3)

    assert [each.trial for each in store.results(folder)] == list(RUN.schedule[:3])


def test_an_update_replaces_the_run_and_a_note_adds_to_it(folder: Path) -> None:
    finding = Finding(check="run", level="info", cell="", text="seen", fix="nothing")
    store.update(folder, replace(RUN, state="interrupted"))
    noted = store.note(folder, finding, state="complete")

    assert noted == replace(RUN, state="complete", findings=(finding,))
    assert store.read(folder) == noted


def test_an_update_on_a_full_disk_keeps_the_old_run_and_says_what_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(folder, 3)
    monkeypatch.setattr(os, "fsync", full_disk)
    error = refusal(store.update, folder, replace(RUN, state="complete"))

    assert store.read(folder) == RUN
    assert error.exit_code == 3
    assert "3 of 8 trials are kept; free at least 17 MiB" in error.next_step


def test_a_line_that_cannot_be_written_for_want_of_space_says_what_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(folder, 1)
    monkeypatch.setattr(os, "fsync", full_disk)
    error = refusal(store.append, folder, result(RUN.schedule[1]))

    assert error.exit_code == 3
    assert "trials are kept" in error.next_step


def test_a_run_killed_while_it_writes_loses_only_the_trial_it_was_writing(folder: Path) -> None:
    measured(folder, 2)
    path = folder / "trials.jsonl"
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1

    for cut in range(second, len(whole)):
        path.write_bytes(whole[:cut])
        assert [each.trial.index for each in store.results(folder)] == [0], cut
        store.append(folder, result(RUN.schedule[1]))
        assert [each.trial.index for each in store.results(folder)] == [0, 1], cut


def test_a_killed_run_is_cleared_of_the_trial_that_did_not_end(folder: Path) -> None:
    measured(folder, 2)
    path = folder / "trials.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    (folder / "samples" / "part-00002-00.parquet.partial").touch()
    said = store.discard_partial(folder)

    assert path.read_bytes() == whole[: whole.index(b"\n") + 1]
    assert [part.name for part in (folder / "samples").iterdir()] == ["part-00000-00.parquet"]
    assert "torn" in said[0].text
    assert "part-00001-00.parquet, part-00002-00.parquet.partial" in said[1].text
    assert store.discard_partial(folder) == ()


def test_a_run_that_did_not_end_says_how_far_it_came(folder: Path) -> None:
    measured(folder, 2)
    os.truncate(folder / "trials.jsonl", (folder / "trials.jsonl").stat().st_size - 1)
    said = store.unfinished(folder)

    assert "1 of 8 trials" in said[0].text
    assert f"--resume {folder}" in said[0].fix
    assert "torn" in said[1].text
    store.update(folder, replace(RUN, state="complete"))
    assert store.unfinished(folder) == ()


def test_a_missing_folder_suggests_the_newest_run_beside_it(folder: Path) -> None:
    newer = store.create(folder.parent, replace(RUN, run_id="20270102-030405-small"))

    for ask in (store.read, store.results):
        assert str(newer) in refusal(ask, folder.parent / "20250101").next_step
    assert str(newer) in refusal(store.read, folder.parent).next_step


def test_without_any_run_the_next_step_is_to_measure(tmp_path: Path) -> None:
    assert "cowbench bench" in refusal(store.read, tmp_path / "nothing").next_step


@pytest.mark.parametrize("cut", [0, 1, 100, 2000, -3])
def test_a_truncated_run_is_refused_with_file_and_line(folder: Path, cut: int) -> None:
    path = folder / "run.json"
    path.write_text(path.read_text()[:cut])

    assert refusal(store.read, folder).where.startswith(f"{path}:")


@pytest.mark.parametrize(("schema", "word"), [(2, "newer"), (0, "older")])
def test_a_run_of_another_schema_is_refused(folder: Path, schema: int, word: str) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": schema}))

    assert word in refusal(store.read, folder).what


def test_a_run_with_an_unknown_key_is_refused_with_its_place(folder: Path) -> None:
    path = folder / "run.json"
    whole = json.loads(path.read_text())
    whole["schedule"][3]["blok"] = 1
    path.write_text(json.dumps(whole))

    assert "schedule[3].blok" in refusal(store.read, folder).what


def test_a_damaged_line_in_the_middle_is_an_error_with_its_number(folder: Path) -> None:
    measured(folder, 3)
    path = folder / "trials.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)

    for damaged in (lines[1][:30] + b"\n", b"\xff\xfe\n", b"\n"):
        path.write_bytes(lines[0] + damaged + lines[2])
        assert f"{path} line 2" in refusal(store.results, folder).where


def test_a_trial_that_is_told_twice_is_an_error(folder: Path) -> None:
    measured(folder, 1)
    store.append(folder, result(RUN.schedule[0]))

    assert "trial 0 twice" in refusal(store.results, folder).what


def test_a_missing_file_of_trials_is_an_error(folder: Path) -> None:
    (folder / "trials.jsonl").unlink()

    assert refusal(store.results, folder).exit_code == 2
    assert refusal(store.append, folder, result(RUN.schedule[0])).exit_code == 2


def test_the_parts_of_all_trials_are_given_once(folder: Path) -> None:
    measured(folder, 2)

    assert [part.name for part in store.samples(folder, store.results(folder))] == [
        f"part-{index:05d}-00.parquet" for index in (0, 1)
    ]


def test_a_run_without_samples_says_why(folder: Path) -> None:
    assert "cowbench run" in refusal(store.samples, folder, ()).next_step
    failed = (result(RUN.schedule[0], problem="nobody answers"),)
    assert "nobody answers" in refusal(store.samples, folder, failed).next_step


def test_a_part_that_is_missing_unreadable_or_too_short_is_named(folder: Path) -> None:
    measured(folder, 2)
    results = store.results(folder)
    part = folder / "samples" / "part-00001-00.parquet"
    whole = part.read_bytes()

    part.write_bytes(whole[: len(whole) // 2])
    assert refusal(store.samples, folder, results).where == str(part)
    part.unlink()
    assert refusal(store.samples, folder, results).where == str(part)
    write_part(part, 1, [{}])
    assert "1 of 4 samples are missing" in refusal(store.samples, folder, results).what


def test_samples_that_no_trial_tells_of_are_an_error(folder: Path) -> None:
    measured(folder, 2)
    write_part(folder / "samples" / "part-00001-00.parquet", 1, [{}, {}, {}])

    assert "1 samples more than the 4" in refusal(store.samples, folder, store.results(folder)).what


def test_only_one_process_measures_into_a_folder(folder: Path) -> None:
    with store.claimed(folder), pytest.raises(InputError, match="another cowbench"), store.claimed(folder):
        pass
    with store.claimed(folder):
        pass


def test_the_newest_run_is_the_last_by_name_and_hidden_folders_are_none(folder: Path) -> None:
    assert store.newest(folder.parent) == folder
    (folder.parent / "99990101-000000-small").mkdir()
    folder.rename(folder.with_name(f".{folder.name}"))
    assert store.newest(folder.parent) is None


def test_no_secret_reaches_the_folder(folder: Path) -> None:
    measured(folder, 1)
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())

    assert not any(secret.encode() in written for _, secret in KEYS.values())


def test_the_space_a_run_needs_grows_with_its_trials() -> None:
    few, all_of = (store.space_needed_bytes(RUN, trials) for trials in (RUN.schedule[:1], RUN.schedule))

    assert all_of - few == 7 * (few - store.space_needed_bytes(RUN, ()))
