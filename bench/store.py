"""The run folder: `run.json` (replaced whole), `trials.jsonl` (append only, one line per trial), `samples/*.parquet`.

A trial counts when its line, with the newline, is on the disk. So a run may be killed at any moment: what has no line is measured
again, what has one is kept. Nothing in the folder is a secret: targets name their credential.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench import jsonfile
from bench.errors import DeployError, InputError
from bench.records import RUN_SCHEMA, Finding, Run, TrialResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.records import ClockReading, Trial

_RUN = "run.json"
_TRIALS = "trials.jsonl"
_MATRIX = "matrix.yaml"
_SAMPLES = "samples"

_BYTES_PER_SAMPLE = 32
"""What a sample takes on disk; delta-encoded columns of times took 7 bytes on even data, 21 without."""
_OPS_PER_S = 2000
"""More than one core of a Python client reaches: the guess is meant to be too high."""
_BYTES_BESIDES = 16 * 2**20
"""Room for `run.json`, logs and reports."""


def create(runs: Path, run: Run) -> Path:
    """Makes the run's folder below `runs` and returns it: its name is `run.run_id`, with `-2`, `-3` if that exists.

    Everything that the run will write to is opened here. Raises InputError for a path that cannot be written, DeployError for a
    disk without room for the run.
    """
    with jsonfile.writing(runs, full=lambda: "free some space, then start the run again", other=_OTHER_FOLDER):
        runs.mkdir(parents=True, exist_ok=True)
        _insist_on_room(runs, run)
        # Built under a hidden name and then renamed: whoever sees a run folder sees a whole one.
        draft = runs / f".{run.run_id}.{os.getpid()}"
        try:
            (draft / _SAMPLES).mkdir(parents=True)
            (draft / _TRIALS).touch()
            (draft / _MATRIX).write_text(_repeatable(run), encoding="utf-8")
            return _publish(draft, runs, run)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, runs: Path, run: Run) -> Path:
    count = 1
    while True:
        run_id = run.run_id if count == 1 else f"{run.run_id}-{count}"
        folder = runs / run_id
        count += 1
        if folder.exists():
            continue
        update(draft, replace(run, run_id=run_id))
        try:
            draft.rename(folder)
        except FileExistsError:
            continue
        except OSError:
            if not folder.exists():
                raise
            continue  # Another run took the name in the meantime: the kernel says so in more than one way.
        jsonfile.sync_folder(runs)
        return folder


def _repeatable(run: Run) -> str:
    """The matrix as it was read. A seed that was drawn is told: only with it the order and the objects are the same again."""
    if re.search(r"\bseed\s*:", run.matrix_text):
        return run.matrix_text
    return f"# For the very same order and objects, write under load: seed: {run.load.seed}\n{run.matrix_text}"


def new_run_id(started_at: str, stack: str) -> str:
    """`YYYYMMDD-HHMMSS-<stack>` from an ISO 8601 time: run folders sort by their age, and the name is safe in every path."""
    date, time = re.sub(r"[-:]", "", started_at[:19]).split("T")
    return f"{date}-{time}-{re.sub(r'[^A-Za-z0-9_.]+', '-', stack).strip('-.') or 'stack'}"


def read(folder: Path) -> Run:
    """The run. Raises InputError for a folder that is missing or no run folder, and for a truncated or foreign `run.json`."""
    path = _existing(folder) / _RUN
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"no {_RUN} in it: not a run folder", where=str(folder), next_step=_advise(folder)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", where=str(path), next_step=_ANEW) from None
    return jsonfile.parse(text, Run, where=str(path), schema=RUN_SCHEMA, again=_ANEW)


def update(folder: Path, run: Run) -> None:
    """Replaces `run.json` whole or not at all. Raises DeployError for a full disk; every trial measured so far is kept."""
    path = folder / _RUN
    with jsonfile.writing(path, full=lambda: _make_room(folder), other=_OTHER_FOLDER):
        jsonfile.replace(path, json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n")


def note(
    folder: Path,
    *findings: Finding,
    clocks: Sequence[ClockReading] = (),
    state: Literal["running", "interrupted", "complete"] | None = None,
    ended_at: str = "",
) -> Run:
    """Adds findings and readings of clocks to the run on disk, where they survive a kill; sets its state and end where given.

    Returns the run.
    """
    run = read(folder)
    noted = replace(
        run,
        findings=(*run.findings, *findings),
        clocks=(*run.clocks, *clocks),
        state=state or run.state,
        ended_at=ended_at or run.ended_at,
    )
    update(folder, noted)
    return noted


def append(folder: Path, result: TrialResult) -> None:
    """Adds a trial's line and waits until it is on the disk. Raises DeployError for a full disk, InputError for a lost folder."""
    path = folder / _TRIALS
    with jsonfile.writing(path, full=lambda: _make_room(folder), other=_OTHER_FOLDER), path.open("r+b") as file:
        # A line that was torn by a kill or a full disk would swallow the one that follows it.
        file.truncate(file.seek(_end_of_last_line(path)))
        file.write(json.dumps(asdict(result), ensure_ascii=False).encode(errors="replace") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def results(folder: Path) -> tuple[TrialResult, ...]:
    """What became of the trials so far. A torn last line is left out (`unfinished` says so).

    Raises InputError for a file that is missing, damaged before its last line, or tells of one trial twice.
    """
    path = _existing(folder) / _TRIALS
    try:
        whole = path.read_bytes()[: _end_of_last_line(path)]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), next_step=_ANEW) from None
    found = tuple(_result(line, f"{path} line {number}") for number, line in enumerate(whole.splitlines(), start=1))
    indexes = [result.trial.index for result in found]
    twice = sorted({index for index in indexes if indexes.count(index) > 1})
    if twice:
        raise InputError(f"tells of trial {twice[0]} twice", where=str(path), next_step=_ANEW)
    return found


def _result(line: bytes, where: str) -> TrialResult:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise InputError("not text in UTF-8: the file is damaged", where=where, next_step=_ANEW) from None
    return jsonfile.parse(text, TrialResult, where=where, schema=None, again=_ANEW)


def samples(folder: Path, found: Sequence[TrialResult]) -> tuple[Path, ...]:
    """The Parquet files that hold the samples of these trials, each once.

    Raises InputError where there is no sample at all, too few or too many, and, with its name, for a file that is missing or
    unreadable.
    """
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - slow to import, and a plan or a deployment never needs it

    names = {Path(part).name: None for result in found for part in result.parts}
    if not names:
        raise InputError("no samples: no trial was measured", where=str(folder), next_step=_say_why(found))
    rows = 0
    for name in names:
        path = folder / _SAMPLES / name
        if not path.is_file():
            raise InputError("a part of the samples is missing", where=str(path), next_step=_ANEW)
        try:
            rows += parquet.read_metadata(path).num_rows
        except (OSError, ArrowException) as error:
            raise InputError(f"a part of the samples is unreadable ({error})", where=str(path), next_step=_ANEW) from None
    promised = sum(result.samples for result in found)
    if rows != promised:
        wrong = f"{promised - rows} of {promised} samples are missing" if rows < promised else _surplus(rows, promised)
        raise InputError(wrong, where=str(folder / _SAMPLES), next_step=_ANEW)
    return tuple(folder / _SAMPLES / name for name in names)


def _surplus(rows: int, promised: int) -> str:
    return f"{rows - promised} samples more than the {promised} that the trials tell of: a file is of another run or trial"


def failed_samples(folder: Path, result: TrialResult) -> int:
    """How many samples of this one trial tell of a failure, warm-up included."""
    from pyarrow import compute, parquet  # noqa: PLC0415 - as above

    errors = [parquet.read_table(folder / _SAMPLES / Path(part).name, columns=["error"])["error"] for part in result.parts]
    return sum(int(compute.sum(compute.not_equal(error.cast("string"), "")).as_py() or 0) for error in errors)


def unfinished(folder: Path) -> tuple[Finding, ...]:
    """What a reader must know about a run that did not end: how far it came, and what of it does not count. Changes nothing."""
    run, found = read(folder), results(folder)
    if run.state == "complete":
        return ()
    text = f"the run is {run.state}: {len(found)} of {len(run.schedule)} trials are measured"
    resume = f"while its stack stands, measure the rest: cowbench run --resume {folder}; else start a new run"
    return (Finding(check="store", level="warning", cell="", text=text, fix=resume), *_leftovers(folder, found))


def discard_partial(folder: Path) -> tuple[Finding, ...]:
    """Removes what a killed run left of trials that have no line: a torn line and parts of samples. Says what it removed."""
    found = results(folder)
    said = _leftovers(folder, found)
    path = folder / _TRIALS
    with jsonfile.writing(path, full=lambda: _make_room(folder), other=_OTHER_FOLDER):
        os.truncate(path, _end_of_last_line(path))
        for part in _unlisted(folder, found):
            part.unlink(missing_ok=True)
    return said


def _leftovers(folder: Path, found: Sequence[TrialResult]) -> tuple[Finding, ...]:
    path = folder / _TRIALS
    torn = path.stat().st_size - _end_of_last_line(path)
    told = [f"the last line of {_TRIALS} was torn ({torn} bytes)"] if torn else []
    parts = [part.name for part in _unlisted(folder, found)]
    told += [f"samples of a trial that did not end: {', '.join(sorted(parts))}"] if parts else []
    fix = "nothing: that trial is measured again when the run is resumed"
    return tuple(Finding(check="store", level="info", cell="", text=f"{text}; left out", fix=fix) for text in told)


def _unlisted(folder: Path, found: Sequence[TrialResult]) -> list[Path]:
    listed = {Path(part).name for result in found for part in result.parts}
    return [path for path in (folder / _SAMPLES).glob("*") if path.is_file() and path.name not in listed]


def _end_of_last_line(path: Path) -> int:
    """The length of the file up to and with its last newline, in bytes."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        if end == 0 or (file.seek(end - 1) and file.read(1) == b"\n"):
            return end
        file.seek(0)
        return file.read().rfind(b"\n") + 1


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Only one process measures into a folder at a time; a killed one releases it. Raises InputError where another one does."""
    path = _existing(folder) / _TRIALS
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), next_step=_ANEW) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait = "wait for it, or stop it with Ctrl-C: what it measured is kept"
            raise InputError("another cowbench is measuring into this folder", where=str(folder), next_step=wait) from None
        yield


def newest(runs: Path) -> Path | None:
    """The youngest run folder in `runs`, by name; None where there is none."""
    return max((path.parent for path in runs.glob(f"[!.]*/{_RUN}")), default=None, key=lambda folder: folder.name)


def space_needed_bytes(run: Run, trials: Sequence[Trial]) -> int:
    """What the samples of these trials may take on disk: a guess on the high side, since the rate of ops is not known before."""
    seconds = {workload.name: workload.warm_up_s + workload.duration_s for workload in run.load.workloads}
    return _BYTES_BESIDES + int(sum(seconds[trial.workload] for trial in trials) * _OPS_PER_S * _BYTES_PER_SAMPLE)


def _insist_on_room(runs: Path, run: Run) -> None:
    free, needed = shutil.disk_usage(runs).free, space_needed_bytes(run, run.schedule)
    if free < needed:
        full = f"{_mib(free)} are free, the samples of {len(run.schedule)} trials may take {_mib(needed)}"
        step = f"free {_mib(needed - free)}, choose another folder for runs, or measure fewer blocks"
        raise DeployError(full, where=str(runs), next_step=step)


def _make_room(folder: Path) -> str:
    try:
        run, done = read(folder), {result.trial.index for result in results(folder)}
    except (InputError, OSError):
        return f"free at least {_mib(_BYTES_BESIDES)}, then: cowbench run --resume {folder}"
    rest = [trial for trial in run.schedule if trial.index not in done]
    room = _mib(space_needed_bytes(run, rest))
    return f"{len(done)} of {len(run.schedule)} trials are kept; free at least {room}, then: cowbench run --resume {folder}"


def _mib(size_bytes: int) -> str:
    return f"{-(-size_bytes // 2**20)} MiB"


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError("no such run folder", where=str(folder), next_step=_advise(folder))
    return folder


def _advise(folder: Path) -> str:
    near = newest(folder) or newest(folder.parent)
    return f"the newest run is {near}" if near else "measure first: cowbench bench MATRIX"


def _say_why(found: Sequence[TrialResult]) -> str:
    problems = [result.problem for result in found if result.problem]
    return f"remove the cause, then run again: {problems[0]}" if problems else "measure first: cowbench run"


_ANEW = "take the file from a copy of the run folder, or measure again: cowbench run"
_OTHER_FOLDER = "choose a folder that exists and that you may write to"
