"""What a run cost, as its reports tell it: totals, hosts, and the price of a TB at the rate that was measured."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from bench.records import Estimate, HostCost, HourPrice, Run, Summary
from bench.report import cost, load
from bench.report.labels import places
from tests.unit.example_run import example


def paid(**changes: object) -> tuple[Run, Summary]:
    """The example, each host rented for 0.36 USD per hour, with a load generator beside them; it stood for two hours."""
    run, summary = example()
    hosts = {cell.host: tuple(one.name for one in run.plan if one.host == cell.host) for cell in run.plan}
    plain = HostCost(
        host="load-aws-1",
        cloud="aws",
        region="eu-central-1",
        instance_type="m7i.large",
        cells=(),
        per_hour=0.36,
        currency="USD",
        unknown=(),
        as_of="2026-01-31",
    )
    costs = (*(replace(plain, host=host, cells=cells) for host, cells in hosts.items()), plain)
    stood = replace(run, costs=costs, stood_since="2026-11-22T10:00:00+00:00", ended_at="2026-11-22T12:00:00+00:00")
    return replace(stood, costs=tuple(replace(one, **changes) for one in costs)), summary  # type: ignore[arg-type] # any field


def test_a_run_that_costs_nothing_says_nothing_of_costs() -> None:
    run, summary = example()

    assert cost.facts(run, summary) == {}
    assert (cost.by_host(run), cost.at_its_rate(run, summary), list(cost.priced(run, summary))) == (None, None, [])
    for name in ("html", "markdown", "csv"):
        assert not {"What it cost", "cost_per"} & set(re.findall("What it cost|cost_per", load(name).render(run, summary)))


def test_the_whole_run_costs_what_all_hosts_cost_while_they_stood() -> None:
    run, summary = paid()
    facts = cost.facts(run, summary)
    hosts = len(run.costs)
    ops = sum(cell.ops - cell.failed_ops for cell in summary.cells)

    assert facts["they stood"] == "2 h 0 min, from deployment to the last check"
    assert facts["cost per hour"] == f"{hosts * 0.36:.2f} USD"
    assert facts["cost of the run"] == f"{hosts * 0.72:.2f} USD"
    assert facts["that is, per million ops"] == f"{hosts * 0.72 / ops * 1e6:.2f} USD"
    assert facts["prices as of"] == "2026-01-31"
    assert "without a price" not in facts


def test_time_is_billed_in_the_steps_of_each_price() -> None:
    parts = (HourPrice(what="vm", per_hour=0.3, billing_step_s=3600), HourPrice(what="address", per_hour=0.06))
    run, summary = paid(prices=parts)
    run = replace(run, costs=run.costs[-1:], ended_at="2026-11-22T10:20:00+00:00")
    facts, table = cost.facts(run, summary), cost.by_host(run)

    assert facts["cost per hour"] == "0.360 USD"
    assert facts["cost of the run"] == "0.320 USD"
    assert facts["time is billed"] == "in steps of 1 h 0 min where the price list says so"
    assert table
    assert [row[-1].text for row in table.groups[0].rows] == ["0.320 USD"]


def test_a_run_of_before_steps_were_noted_is_billed_by_the_second() -> None:
    run, summary = paid()
    run = replace(run, costs=run.costs[-1:], ended_at="2026-11-22T10:20:00+00:00")
    facts = cost.facts(run, summary)

    assert facts["cost of the run"] == "0.120 USD"
    assert "time is billed" not in facts


def test_a_cloud_that_failed_is_named_in_what_is_not_counted_also_where_nothing_else_is_paid_for() -> None:
    run, summary = paid()
    gone = replace(run, not_counted=("hosts of gcp whose cells are missing",))

    assert cost.facts(gone, summary)["not counted"].startswith("hosts of gcp whose cells are missing, egress, ")
    alone = replace(gone, costs=())
    assert cost.facts(alone, summary)["not counted"].startswith("hosts of gcp whose cells are missing, ")
    for name in ("html", "markdown"):
        assert "hosts of gcp whose cells are missing" in load(name).render(alone, summary)


def test_what_has_no_price_makes_every_sum_a_lower_bound_and_is_named() -> None:
    facts = cost.facts(*paid(unknown=("public address",)))

    assert facts["without a price"] == "public address (aws)"
    for told in ("cost per hour", "cost of the run", "that is, per TB moved", "that is, per million ops"):
        assert facts[told].startswith("at least ")


def test_a_deployment_that_was_not_noted_leaves_the_length_of_the_run() -> None:
    run, summary = paid()
    unnoted = replace(run, stood_since="", created_at="2026-11-22T11:00:00+00:00")

    assert cost.facts(unnoted, summary)["they stood"].startswith("at least 1 h 0 min, the length of the run")


def test_a_run_that_has_not_ended_has_no_cost_yet_but_one_per_hour() -> None:
    run, summary = paid()
    facts = cost.facts(replace(run, ended_at=""), summary)

    assert facts["cost of the run"] == "not known: the run has not ended"
    assert facts["cost per hour"].endswith("USD")
    table = cost.by_host(replace(run, ended_at=""))
    assert table
    assert {row[-1].text for row in table.groups[0].rows} == {"-"}


def test_each_host_is_listed_with_its_price_and_its_part() -> None:
    run, _ = paid()
    table = cost.by_host(run)

    assert table
    rows = {row[0].text: [entry.text for entry in row[1:]] for row in table.groups[0].rows}
    assert set(rows) == {one.host for one in run.costs}
    assert rows["load-aws-1"] == ["aws eu-central-1", "m7i.large", "load", "0.360 USD", "0.720 USD"]


def test_a_terabyte_costs_the_hosts_price_divided_by_its_rate_and_the_bounds_change_places() -> None:
    run, summary = paid()
    cell = next(one for one in summary.cells if one.workload == "put-256KiB")
    rate = cell.throughput_bytes_per_s
    assert isinstance(rate, Estimate)
    assert rate.low
    assert rate.high

    found = {(one.cell, one.workload, name): estimate for one, name, _, estimate in cost.priced(run, summary)}
    per_tb = found[cell.cell, cell.workload, "cost_per_tb"]

    assert per_tb.center == pytest.approx(0.36 / 3600 * 1e12 / rate.center)
    assert per_tb.low == pytest.approx(0.36 / 3600 * 1e12 / rate.high)
    assert per_tb.high == pytest.approx(0.36 / 3600 * 1e12 / rate.low)


def test_where_no_bytes_move_only_ops_have_a_price() -> None:
    run, summary = paid()
    table = cost.at_its_rate(run, summary)

    assert table
    (group,) = (group for group in table.groups if group.title.startswith("list-4KiB"))
    assert {row[1].note for row in group.rows} == {"no object bytes move"}
    assert "-" not in {row[2].text for row in group.rows}


def test_a_lower_bound_is_no_figure_to_compare_cells_by() -> None:
    run, summary = paid(unknown=("public address",))
    table = cost.at_its_rate(run, summary)

    assert table
    assert {entry.text for group in table.groups for row in group.rows for entry in row[1:]} == {"-"}
    assert {entry.note for group in table.groups for row in group.rows for entry in row[1:]} == {
        "no price known for public address"
    }
    assert list(cost.priced(run, summary)) == []


def test_the_reports_show_it() -> None:
    run, summary = paid()
    page, text = load("html").render(run, summary), load("markdown").render(run, summary)
    rows = list(csv.DictReader(io.StringIO(load("csv").render(run, summary))))

    assert "## What it cost" in text
    assert 'id="cost"' in page
    assert all(told in page and told in text for told in ("that is, per TB moved", "load-aws-1", "m7i.large"))
    units = {(row["metric"], row["unit"]) for row in rows if row["metric"].startswith("cost")}
    assert units == {("cost_per_tb", "USD/TB"), ("cost_per_million_ops", "USD/10^6 ops")}
    assert max(len(line) for line in text.splitlines() if line.startswith("|")) <= 110


def test_two_currencies_stand_beside_each_other_and_are_never_added() -> None:
    run, summary = paid()
    mixed = replace(run, costs=(replace(run.costs[0], currency="EUR"), *run.costs[1:]))

    assert cost.facts(mixed, summary)["cost of the run"].startswith("0.720 EUR and ")
    table = cost.at_its_rate(mixed, summary)
    assert table
    assert {group.title.rpartition(", ")[2] for group in table.groups} == {"EUR", "USD"}
    assert len(places(mixed, summary)) * 3 == sum(len(group.rows) for group in table.groups)
