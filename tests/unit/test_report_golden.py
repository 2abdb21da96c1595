"""The text reports, word for word. After a wanted change: `COWBENCH_REFRESH_GOLDEN=1 pytest tests/unit/test_report_golden.py`."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.records import Estimate
from bench.report import load
from tests.unit.example_run import example, partial_runs, renamed
from tests.unit.kernel_run import kernel_example

GOLDEN = Path(__file__).parents[1] / "golden" / "report"
HOSTILE = "a|b</testcase><script>\"'\x00\n\x1b[31m=1+1"


@pytest.mark.parametrize("name", ["markdown", "junit", "csv"])
@pytest.mark.parametrize("case", ["complete", "a single block", "kernels"])
def test_the_text_is_as_reviewed(name: str, case: str) -> None:
    report = load(name)
    cases = partial_runs() | {"complete": example(), "kernels": kernel_example(generators=2)}
    run, summary = cases[case]
    golden = GOLDEN / case.replace(" ", "_") / report.file

    text = report.render(run, summary)
    if os.environ.get("COWBENCH_REFRESH_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")

    assert text == golden.read_text(encoding="utf-8")


def test_markdown_tables_fit_a_terminal_of_110_columns_and_have_even_rows() -> None:
    text = load("markdown").render(*example())
    tables = [[line for line in part.splitlines() if line.startswith("|")] for part in text.split("\n\n") if part.startswith("|")]

    assert len(tables) > 8
    assert max(len(line) for table in tables for line in table) <= 110
    assert [table[0] for table in tables if len({len(line) for line in table}) != 1] == []


def test_markdown_keeps_a_hostile_name_in_its_table_cell() -> None:
    text = load("markdown").render(*renamed(HOSTILE))

    assert "<" not in text.replace("\\<", "")
    assert "\x1b" not in text
    tables = [[line for line in part.splitlines() if line.startswith("|")] for part in text.split("\n\n") if part.startswith("|")]
    assert [table[0] for table in tables if len({line.replace("\\|", "").count("|") for line in table}) != 1] == []


def test_junit_is_xml_that_counts_its_cases_also_with_a_hostile_name() -> None:
    root = ET.fromstring(load("junit").render(*renamed(HOSTILE)))

    assert len(list(root.iter("testcase"))) == int(root.get("tests", "0"))
    assert len(list(root.iter("failure"))) == int(root.get("failures", "0")) == 1
    assert len(list(root.iter("skipped"))) == int(root.get("skipped", "0")) == 2


def test_junit_fails_for_error_findings_and_unsound_runs_but_not_for_being_slower() -> None:
    run, summary = example()
    render = load("junit").render
    error = replace(run.findings[0], level="error")

    assert 'failures="0"' in render(run, summary).splitlines()[1]
    assert 'failures="1"' in render(replace(run, findings=(error,)), summary).splitlines()[1]
    assert 'failures="1"' in render(run, replace(summary, sound=False)).splitlines()[1]


def test_csv_is_tidy_and_keeps_values_that_other_reports_round() -> None:
    run, summary = example()
    rows = list(csv.DictReader(io.StringIO(load("csv").render(run, summary))))
    keys = [(row["cell"], row["workload"], row["metric"], row["against"]) for row in rows]

    assert len(keys) == len(set(keys))
    first = summary.cells[0].throughput_bytes_per_s
    assert isinstance(first, Estimate)
    assert next(float(row["estimate"]) for row in rows if row["metric"] == "throughput") == first.center


def test_csv_leaves_a_missing_value_empty_and_keeps_hostile_names_in_their_field() -> None:
    rows = list(csv.DictReader(io.StringIO(load("csv").render(*renamed(HOSTILE)))))

    assert {row["estimate"] for row in rows if row["metric"] == "latency_p99.9" and row["workload"] == "list-4KiB"} == {""}
    assert HOSTILE in {row["cell"] for row in rows}
    assert {None, "="} & {key for row in rows for key in row} == set()
