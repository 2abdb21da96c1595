"""What happens to a host while it is measured: each is a failure with its class and its cause, and the run goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.vms.standing import Stack

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

CUT_S = 8.0
"""Longer than an op may take."""

INTO_TRIAL_S = 10.0
"""After a trial's end, until the next is surely being measured: what prepares it is tried again, and would sit out the cut."""


def test_a_clock_that_jumps_by_an_hour_is_told_as_what_it_is(trixie: Stack) -> None:
    measurement = trixie.start_run(blocks=4)
    measurement.until_results(1)
    try:
        assert trixie.shell("date -s '+1 hour'").returncode == 0
        measurement.assert_told("RequestTimeTooSkewed", "more than 15 minutes apart", "`date -u` on both hosts")
    finally:
        trixie.shell(f"date -s @{time.time():.0f}")
        # gRPC inside SeaweedFS tells by the wall clock whether a connection is alive: up to 80 s later it gives up its own.
        trixie.restart_servers()

    problems = " ".join(result.problem for result in measurement.results)
    assert "s3/denied/RequestTimeTooSkewed" in {*measurement.errors(), *problems.split()}
    assert measurement.results[0].problem == ""
    again = trixie.start_run(blocks=1)
    again.assert_told()
    assert again.errors() == {}, "with the clock set right nothing fails any more"


def test_a_network_that_is_cut_for_seconds_is_counted_as_failures_and_the_run_goes_on(trixie: Stack) -> None:
    measurement = trixie.start_run(blocks=2, duration="20s")
    measurement.until_results(1)
    time.sleep(INTO_TRIAL_S)
    trixie.monitor("set_link", name="n0", up=False)
    time.sleep(CUT_S)
    trixie.monitor("set_link", name="n0", up=True)

    measurement.assert_told("failed")

    layers = {error.split("/")[0] for error in measurement.errors()}
    problems = [result.problem for result in measurement.results if result.problem]
    assert layers | {word.split("/")[0] for problem in problems for word in problem.split() if "/" in word}
    assert layers <= {"timeout", "network"}, [finding.text for finding in measurement.run.findings]
    last = measurement.results[-2:]
    assert [result.problem for result in last] == ["", ""], "after the cut both servers are measured again"
    assert all(result.samples for result in last)
