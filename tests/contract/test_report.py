"""What every report keeps: it is registered, pure, complete, and says so where a value is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bench.report
from bench.report import REPORTS, Report, load
from tests.unit.example_run import example, partial_runs

PARTIAL = partial_runs()


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> Report:
    return load(request.param)


def test_every_file_with_a_report_is_registered() -> None:
    folder = Path(bench.report.__file__).parent
    members = {
        path.stem for path in folder.glob("*.py") if re.search(r"^REPORT = ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert members == set(REPORTS)


def test_an_unknown_report_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(KeyError, match="html, markdown, junit, csv"):
        load("pdf")


def test_each_report_writes_a_file_of_its_own() -> None:
    assert len({load(name).file for name in REPORTS}) == len(REPORTS)


def test_it_is_named_as_it_is_registered(report: Report) -> None:
    assert report is load(report.name)


def test_it_names_the_run_every_workload_and_every_driver(report: Report) -> None:
    run, summary = example()

    text = report.render(run, summary)

    wanted = {run.run_id, *(workload.name for workload in run.load.workloads), *(cell.driver for cell in run.plan)}
    assert {word for word in wanted if word not in text} == set()


def test_it_gives_the_same_text_for_the_same_records_and_prints_nothing(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    run, summary = example()

    assert report.render(run, summary) == report.render(run, summary)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("case", PARTIAL)
def test_a_partial_run_is_reported_without_inventing_a_number(report: Report, case: str) -> None:
    run, summary = PARTIAL[case]

    text = report.render(run, summary)

    assert run.run_id in text or summary.cells == ()  # a table without a row has no run to name
    assert re.findall(r"\b(?:nan|None|inf|undefined)\b", text) == []
