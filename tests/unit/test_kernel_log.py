"""The kernel's own words explain failures: of other hosts only, of the run's time only, and never where nobody answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bench import checks
from bench.check import Evidence
from bench.records import Trial
from tests.unit.small_run import generator_host, result, target

if TYPE_CHECKING:
    from bench.records import Finding

FULL = "device-mapper: thin: 254:2: switching pool to out-of-data-space (queue IO) mode"
HARMLESS = "rcu: INFO: rcu_sched self-detected stall on CPU"


def looked(reach: tuple[str, ...]) -> tuple[Finding, ...]:
    trial = Trial(index=0, block=0, position=0, cell="btrfs", workload="put", seed=1)
    now = datetime.now(UTC).isoformat()
    evidence = Evidence(targets=(replace(target("btrfs"), reach=reach),), results=(result(trial, started_at=now),))
    return checks.load("kernel_log").look(evidence)


def says(*lines: str) -> tuple[str, ...]:
    """A reach to a host that has been up for 1000 s, and whose kernel said these lines."""
    return ("sh", "-c", "printf '%s\\n' '1000.00 1.0' " + " ".join(f"'{line}'" for line in lines))


def test_a_known_line_of_the_runs_time_is_told_with_cause_and_cure() -> None:
    (finding,) = looked(says(f"[  999.500000] {FULL}"))

    assert FULL in finding.text
    assert "the thin pool is full" in finding.text
    assert "disk_size" in finding.fix


@pytest.mark.parametrize("line", [f"[  900.000000] {FULL}", f"[  999.500000] {HARMLESS}", "[  999.500000] all is well"])
def test_what_is_older_or_harmless_or_means_nothing_is_left_out(line: str) -> None:
    assert looked(says(line)) == ()


def test_a_host_that_load_came_from_is_asked_too() -> None:
    trial = Trial(index=0, block=0, position=0, cell="btrfs", workload="put", seed=1)
    load = replace(generator_host("load"), reach=says(f"[  999.500000] {FULL}"))
    seen = Evidence(targets=(), generators=(load,), results=(result(trial, started_at=datetime.now(UTC).isoformat()),))
    (finding,) = checks.load("kernel_log").look(seen)

    assert finding.cell == ""
    assert finding.text.startswith("the kernel of host load said")


def test_the_operators_own_kernel_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.reach.call", lambda *_: pytest.fail("asked"))

    assert looked(("sh", "-c")) == ()


@pytest.mark.parametrize(
    "reach", [("sh", "-c", "exit 255"), ("sh", "-c", "exit 1"), ("sh", "-c", "echo nonsense"), ("no-such-program",)]
)
def test_a_host_that_gives_no_answer_is_left_to_the_other_checks(reach: tuple[str, ...]) -> None:
    assert looked(reach) == ()
