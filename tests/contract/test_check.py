"""What every check keeps to. A new one joins with a line in `bench.checks` and a fault below that it finds."""

from __future__ import annotations

import pkgutil
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from bench import checks
from bench.check import Check, Evidence, Gone
from bench.records import ClockReading, Trial
from tests.unit.small_run import SECOND_NS, result, target, workload, write_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.records import TrialResult

BLOCKS = 6


class _Refuses(BaseHTTPRequestHandler):
    """As an S3 server does with a request that nobody signed."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refuses) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def sound(endpoint: str, tmp_path: Path) -> Evidence:
    """Two cells that are what was planned, and six steady trials of twelve seconds on each."""
    results = [_steady_trial(tmp_path, index, cell) for index, cell in enumerate(["btrfs", "vfs"] * BLOCKS)]
    return Evidence(
        targets=(target("btrfs", endpoint=endpoint), target("vfs", endpoint=endpoint)),
        workloads=(workload("put", duration_s=12.0),),
        results=tuple(results),
        parts=tuple(sorted(tmp_path.glob("*.parquet"))),
    )


def _steady_trial(folder: Path, index: int, cell: str) -> TrialResult:
    # One op each 50 ms, and a little unevenness from trial to trial.
    write_part(
        folder / f"part-{index:05d}-00.parquet", index, [{"start_ns": SECOND_NS + n * 50_000_000} for n in range(240 + index % 3)]
    )
    trial = Trial(index=index, block=index // 2, position=index % 2, cell=cell, workload="put", seed=1)
    return result(trial, parts=(f"part-{index:05d}-00.parquet",), samples=240, window_s=12.0)


def _planned(evidence: Evidence, **changed: Any) -> Evidence:
    first, *others = evidence.targets
    return replace(evidence, targets=(replace(first, cell=replace(first.cell, **changed)), *others))


def _rewritten(evidence: Evidence, **op: object) -> Evidence:
    """The first trial with another op in place of each of its own."""
    write_part(evidence.parts[0], 0, [{"start_ns": SECOND_NS + n * 50_000_000, **op} for n in range(240)])
    return evidence


def _ramped(evidence: Evidence) -> Evidence:
    for part, trial in zip(evidence.parts, evidence.results, strict=True):
        times = [SECOND_NS + int(12e9 * (n / 480) ** 0.5) for n in range(480)]
        write_part(part, trial.trial.index, [{"start_ns": start} for start in times])
    return evidence


def _stamped(evidence: Evidence, stamp: str) -> Evidence:
    return replace(evidence, results=tuple(replace(each, stamps=(stamp,)) for each in evidence.results))


def _other_image(evidence: Evidence) -> Evidence:
    *others, last = evidence.targets
    return replace(evidence, targets=(*others, replace(last, server=replace(last.server, content_digest="sha256:0ther"))))


def _nobody_there(evidence: Evidence) -> Evidence:
    first, *others = evidence.targets
    return replace(evidence, targets=(replace(first, endpoint="http://127.0.0.1:1"), *others))


def _dead_engine(evidence: Evidence) -> Evidence:
    first, *_ = evidence.targets
    return replace(evidence, now={first.cell.host: "the engine does not answer"})


def _skewed(evidence: Evidence) -> Evidence:
    host = evidence.targets[0].cell.host
    return replace(evidence, clocks=(ClockReading(host=host, offset_s=400.0, uncertainty_s=0.1, read_at="2026-01-02T03:04:05Z"),))


def _full_pool(evidence: Evidence) -> Evidence:
    """The first host is elsewhere, and its kernel says what kernels say of a full pool; long before the run it said worse."""
    full = "[9999999999.25] device-mapper: thin: 254:2: switching pool to out-of-data-space (queue IO) mode"
    said = f"9999999999.50 1.0\\n[1.5] Kernel panic - not syncing\\n{full}\\n"
    first, *others = evidence.targets
    return replace(evidence, targets=(replace(first, reach=("sh", "-c", f"printf '{said}'")), *others))


def _reconnected(evidence: Evidence) -> Evidence:
    return replace(evidence, results=tuple(replace(each, reconnects=each.trial.index % 2) for each in evidence.results))


def _reclaimed(evidence: Evidence) -> Evidence:
    """The first host is a spot VM that went after two thirds of the run, and does not answer."""
    first, *others = evidence.targets
    spot = replace(first, host=replace(first.host, virtualization="aws m7i.large spot, kvm"))
    cell = first.cell.name
    results = tuple(
        replace(each, samples=0, parts=(), problem="prepare failed: no route to host")
        if each.trial.cell == cell and each.trial.block > 3
        else each
        for each in evidence.results
    )
    parts = {name for each in results for name in each.parts}
    return replace(
        evidence,
        targets=(spot, *others),
        results=results,
        parts=tuple(part for part in evidence.parts if part.name in parts),
        now={first.cell.host: Gone("the host does not answer")},
    )


FAULTS: dict[str, tuple[Callable[[Evidence], Evidence], str]] = {
    "server_answers": (_nobody_there, "does not answer"),
    "driver_in_use": (lambda evidence: _planned(evidence, driver="overlay2"), "planned storage driver overlay2, in use is btrfs"),
    "kernel_in_use": (
        lambda evidence: _planned(evidence, machine_image="debian-12-linux-6.12"),
        "states kernel 6.12, running is 6.1.0",
    ),
    "engine_in_use": (
        lambda evidence: _planned(evidence, engine="docker_ce-29.1"),
        "planned engine docker_ce-29.1, running is 20.10.24",
    ),
    "filesystem_in_use": (lambda evidence: _planned(evidence, backing_filesystem="xfs"), "planned backing filesystem xfs"),
    "same_image": (_other_image, "sha256:0ther"),
    "failures": (
        lambda evidence: _rewritten(evidence, error="s3/full/InsufficientStorage", bytes=0),
        "s3/full/InsufficientStorage",
    ),
    "integrity": (lambda evidence: _rewritten(evidence, error="integrity/wrong_digest/sha256"), "other content than was stored"),
    "client_bound": (lambda evidence: _stamped(evidence, "client_bound"), "6 of 6 trials of put (100%)"),
    "ran_out": (lambda evidence: _stamped(evidence, "ran_out"), "6 of 6 trials of put (100%)"),
    "held_up": (lambda evidence: _stamped(evidence, "held_up"), "6 of 6 trials of put (100%)"),
    "stolen": (lambda evidence: _stamped(evidence, "stolen"), "6 of 6 trials of put (100%)"),
    "unsettled": (lambda evidence: _stamped(evidence, "unsettled"), "6 of 6 trials of put (100%)"),
    "worker_lost": (lambda evidence: _stamped(evidence, "worker_lost"), "6 of 6 trials of put (100%)"),
    "window_short": (lambda evidence: _stamped(evidence, "window_short"), "6 of 6 trials of put (100%)"),
    "steady": (_ramped, "were not steady"),
    "clock": (_skewed, "400 s from that of the operator's machine"),
    "engine_survived": (_dead_engine, "could not be asked"),
    "kernel_log": (_full_pool, "the thin pool is full"),
    "spot_reclaimed": (_reclaimed, "the last 2 of 6 trials were not measured (prepare failed: no route to host)"),
    "reconnected": (_reconnected, "6 connections to load generators were lost and made again, in 6 of 12 trials"),
}
"""For each check what makes sound evidence unsound, and words that it then says."""


@pytest.fixture(params=checks.CHECKS)
def check(request: pytest.FixtureRequest) -> Check:
    return checks.load(request.param)


def test_every_file_is_registered_and_every_name_has_its_file() -> None:
    assert sorted(module.name for module in pkgutil.iter_modules(checks.__path__)) == sorted(checks.CHECKS)


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert sorted(FAULTS) == sorted(checks.CHECKS)


def test_a_check_is_called_as_its_file(check: Check) -> None:
    assert check.name in checks.CHECKS
    assert checks.load(check.name) is check
    assert check.when in {"before", "after"}


def test_sound_evidence_gives_no_finding(check: Check, sound: Evidence) -> None:
    assert check.look(sound) == ()


def test_no_evidence_gives_no_finding(check: Check) -> None:
    assert check.look(Evidence(targets=())) == ()


def test_its_fault_is_found_and_told_with_cause_and_next_step(check: Check, sound: Evidence) -> None:
    fault, words = FAULTS[check.name]
    findings = check.look(fault(sound))

    assert any(words in finding.text for finding in findings), findings
    for finding in findings:
        assert finding.check == check.name
        assert finding.cell in {"", "btrfs", "vfs"}
        assert finding.fix
        assert "\n" not in finding.text + finding.fix
        assert set(finding.trials) <= {each.trial.index for each in sound.results}


def test_looking_twice_finds_the_same(check: Check, sound: Evidence) -> None:
    unsound = FAULTS[check.name][0](sound)

    assert check.look(unsound) == check.look(unsound)


def test_a_fault_of_one_kind_is_found_by_no_other_check_of_that_moment(check: Check, sound: Evidence) -> None:
    unsound = FAULTS[check.name][0](sound)
    found = checks.look(check.when, unsound)

    assert {finding.check for finding in found} == {check.name}


def test_a_check_before_the_load_needs_no_results(check: Check, sound: Evidence) -> None:
    unsound = FAULTS[check.name][0](sound)
    found = check.look(replace(unsound, workloads=(), results=(), parts=(), clocks=(), now={}))

    assert bool(found) == (check.when == "before")


def test_a_check_that_breaks_becomes_a_finding_and_the_others_still_look(
    sound: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_evidence: Evidence) -> tuple[()]:
        raise ZeroDivisionError("by nobody's wish")

    broken = Check(name="broken", when="after", look=breaks)
    load = checks.load
    monkeypatch.setattr(checks, "load", lambda name: broken if name == "failures" else load(name))
    found = checks.look("after", FAULTS["client_bound"][0](sound))

    assert {finding.check for finding in found} == {"broken", "client_bound"}
    assert "ZeroDivisionError: by nobody's wish" in found[0].text
