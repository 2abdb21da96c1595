"""What stands beside the numbers so that nobody reads more into them than they hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench.report import load
from bench.report.driving import client_cpu
from bench.report.reading import driven, limits, multiplicity, server_notes
from tests.unit.example_run import example, only

if TYPE_CHECKING:
    from bench.records import Run


def served(run: Run, **facts: Any) -> Run:
    return replace(run, targets=tuple(replace(one, server=replace(one.server, **facts)) for one in run.targets))


def test_a_server_s_quirks_are_told_once() -> None:
    run, _ = example()

    assert server_notes(run) == {"versitygw": run.targets[0].server.quirks[0]}


def test_a_server_that_appends_to_large_files_is_said_to_hide_the_driver() -> None:
    run = served(example()[0], name="seaweedfs", feels_driver=False, quirks=("It compacts.",))
    said = server_notes(run)["seaweedfs"]

    assert said.startswith("It compacts. Objects of this server are appended to large files, so most storage drivers hardly show")


def test_a_server_without_anything_to_say_is_not_mentioned() -> None:
    assert server_notes(served(example()[0], quirks=())) == {}


@pytest.mark.parametrize("name", ["html", "markdown"])
def test_the_notes_on_servers_stand_above_the_verdicts(name: str) -> None:
    run, summary = example()
    text = load(name).render(run, summary)

    assert 0 < text.index("An error answer closes the connection") < text.index("overlay2 on xfs 1.05")


@pytest.mark.parametrize("name", ["html", "markdown"])
def test_the_limits_and_the_number_of_tables_are_told_in_both_reports(name: str) -> None:
    run, summary = example()
    text = load(name).render(run, summary)

    assert [
        word for word in ("not durable", "tails are understated", "ratios towards 1", "control arm") if word not in text
    ] == []
    assert multiplicity(summary) in text


@pytest.mark.parametrize(
    ("endpoint", "shared"),
    [
        ("http://127.77.0.1:80", True),
        ("http://[::1]:80", True),
        ("http://10.0.0.7:80", False),
        ("http://minio.example:80", False),
    ],
)
def test_cores_are_said_to_be_shared_where_a_server_is_on_the_generator_s_host(endpoint: str, shared: bool) -> None:  # noqa: FBT001 - a case
    run, _ = example()
    moved = replace(run, targets=tuple(replace(one, endpoint=endpoint) for one in run.targets))

    assert any("generator's own host" in limit for limit in limits(moved)) == shared


def test_the_tables_are_counted_by_workload_metric_and_kind() -> None:
    _, summary = example()

    assert multiplicity(summary) == (
        "This run has 6 tables of comparisons. Each alone keeps 95 %, so up to 30 % of such reports carry a false verdict "
        "(an upper bound: 6 \u00d7 5 %)."
    )
    assert multiplicity(replace(summary, comparisons=())) == ""


def test_more_than_every_report_cannot_be_wrong() -> None:
    _, summary = example()
    many = tuple(replace(one, workload=f"{one.workload}-{n}") for n in range(9) for one in summary.comparisons)

    assert "54 tables" in multiplicity(replace(summary, comparisons=many))
    assert "up to 100 % of such reports" in multiplicity(replace(summary, comparisons=many))


def test_a_workload_is_described_with_what_a_trial_moved() -> None:
    run, summary = only(*example(), cells=1)
    rates = (2 * 2**20, 30 * 2**20, 4 * 2**20)
    cells = tuple(replace(cell, trial_throughput_bytes_per_s=rates) for cell in summary.cells)

    assert driven(run, replace(summary, cells=cells), "put-256KiB") == (
        "put, objects of 256 KiB, 4 users in a closed loop, 5 s per trial after 1 s of warm-up. MiB moved per trial (median): 20."
    )


def test_a_workload_that_moves_no_data_says_nothing_of_it() -> None:
    run, summary = example()

    assert driven(run, summary, "list-4KiB").endswith("of warm-up.")
    assert driven(run, summary, "gone") == "This workload is not in the plan."


def test_the_client_s_cpu_is_shown_for_each_cell_and_workload() -> None:
    run, summary = example()
    table = client_cpu(run, summary)

    assert table is not None
    assert [head.text for head in table.heads] == ["cell", *(workload.name for workload in run.load.workloads)]
    first, *_ = table.groups[0].rows
    assert [entry.text for entry in first] == ["overlay2 on ext4, writable layer", "31.0", "64.0", "8.8"]
    unmeasured = next(row for row in table.groups[0].rows if row[0].text == "overlay2 on xfs, volume")
    assert unmeasured[2].text == "-"


def test_a_run_that_did_not_see_the_client_s_cpu_has_no_such_table() -> None:
    run, summary = example()

    assert client_cpu(run, replace(summary, cells=tuple(replace(cell, client_cpu_share=None) for cell in summary.cells))) is None
