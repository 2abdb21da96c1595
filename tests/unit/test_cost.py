"""What a plan costs: the tables, whose figures win, what is summed, and what stops a deployment."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from bench.errors import InputError
from bench.records import GeneratorHost, Generators
from stacks import cost, plan, prices
from tests.unit import renting, small_run

if TYPE_CHECKING:
    from pathlib import Path

    from bench.records import Cell, HostCost, Target
    from stacks.matrix import Matrix
    from stacks.prices import Prices

TODAY = date(2026, 6, 1)

TABLES = """\
as_of = "2026-01-31"
source = "https://prices.example.org"
currency = "USD"
[instance_hour.north]
large = 0.10
small = 0.05
[spot_hour.north]
large = 0.03
[disk_gib_month.north]
ssd = 0.073
[iops_month.""]
ssd = {price = 0.0073, free = 3000}
[throughput_mib_month.""]
ssd = {price = 0.073, free = 100}
[address_hour]
"" = 0.004
[egress_gib]
"" = 0.09
"""


@pytest.fixture(autouse=True)
def rented(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    renting.register(monkeypatch, replace(renting.cloud("other"), default_disk="ssd-100GiB"))
    monkeypatch.setattr(prices, "FOLDER", tmp_path / "prices")
    prices.FOLDER.mkdir()
    tables("rented", TABLES)


def tables(cloud: str, text: str) -> None:
    (prices.FOLDER / f"{cloud}.toml").write_text(text, encoding="utf-8")


def planned(of: Matrix) -> plan.Plan:
    return plan.plan(of, plan.facts_of)


def estimate(of: Matrix, by: Prices | None = None) -> cost.Cost:
    return cost.estimate(of, planned(of), by or prices.read(), TODAY)


def by_what(of: Matrix) -> dict[str, float]:
    return {f"{line.count} x {line.what}": round(line.per_hour, 6) for line in estimate(of).lines}


# --- what is summed


def test_a_host_costs_its_vm_its_address_and_its_disk() -> None:
    done = estimate(renting.wanted({}))

    assert by_what(renting.wanted({})) == {"1 x large": 0.1, "1 x public address": 0.004, "1 x ssd-100GiB": 0.01}
    (total,) = done.sums
    assert (total.cloud, total.currency, total.at_least, done.unknown, done.old) == ("rented", "USD", False, {}, ())
    assert total.per_hour == pytest.approx(0.114)
    assert total.run == pytest.approx(0.114 * done.stands_s / 3600)
    assert total.to_expiry == pytest.approx(0.114 * 6)


def test_cells_of_one_host_are_paid_for_once_and_equal_hosts_make_one_line() -> None:
    of = renting.wanted({"driver": ("overlay2", "vfs"), "data_placement": ("writable_layer", "volume")})

    assert by_what(of) == {"2 x large": 0.2, "2 x public address": 0.008, "2 x ssd-100GiB": 0.02}


def test_load_generators_are_paid_for_in_every_region() -> None:
    of = renting.wanted({"region": ("north", "south")}, generators=2)

    assert by_what(of)["3 x large"] == pytest.approx(0.3)
    assert estimate(of).unknown == {"rented": ("3 x large in south", "3 x ssd-100GiB in south")}


def test_speed_costs_what_is_beyond_the_free_part() -> None:
    assert by_what(renting.wanted({"disk": ("ssd-100GiB+4000iops+120MiBps",)})) == {
        "1 x large": 0.1,
        "1 x public address": 0.004,
        "1 x ssd-100GiB": 0.01,
        "1 x 4000 IOPS of ssd": 0.01,
        "1 x 120 MiB/s of ssd": 0.002,
    }
    assert by_what(renting.wanted({"disk": ("ssd-100GiB+3000iops",)}))["1 x 3000 IOPS of ssd"] == 0


def test_a_driver_that_wants_a_whole_disk_is_given_a_second_one_and_that_costs_too() -> None:
    of = renting.wanted({"driver": ("devicemapper-direct",), "machine_image": ("debian-12",)})

    assert by_what(of)["2 x ssd-100GiB"] == pytest.approx(0.02)


def test_a_local_disk_is_free_only_where_the_table_says_so() -> None:
    of = renting.wanted({"disk": ("nvme-50GiB",)})
    assert estimate(of).unknown == {"rented": ("1 x nvme-50GiB in north",)}

    tables("rented", TABLES.replace("ssd = 0.073\n", "nvme = 0\n", 1))
    assert (estimate(of).unknown, by_what(of)["1 x nvme-50GiB"]) == ({}, 0)


def test_spot_has_a_price_of_its_own_and_no_other_is_taken_for_it() -> None:
    assert by_what(renting.wanted({}, spot=True))["1 x large spot"] == pytest.approx(0.03)
    assert estimate(renting.wanted({"instance_type": ("small",)}, spot=True)).unknown == {"rented": ("1 x small spot in north",)}


def test_what_has_no_price_is_named_and_the_sum_is_a_lower_bound() -> None:
    tables("rented", TABLES.replace("large = 0.10\n", ""))
    done = estimate(renting.wanted({}))

    assert done.unknown == {"rented": ("1 x large in north",)}
    assert done.sums[0].at_least
    assert done.sums[0].per_hour == pytest.approx(0.014)


def test_clouds_that_cost_nothing_are_not_counted() -> None:
    done = estimate(renting.wanted({"cloud": ("local",)}))

    assert (done.rented, done.lines, done.unknown, done.stands_s, done.not_counted) == (False, (), {}, 0, ())


def test_a_cloud_without_a_table_is_unknown_as_a_whole() -> None:
    done = estimate(renting.wanted({"cloud": ("other",)}))

    assert done.rented
    assert (done.lines, done.sums) == ((), ())
    assert done.unknown == {"other": ("1 x large in north", "1 x public address in north", "1 x ssd-100GiB in north")}


def test_a_table_of_more_than_a_year_ago_is_told_to_be_old() -> None:
    tables("rented", TABLES.replace("2026-01-31", "2025-05-31"))
    assert estimate(renting.wanted({})).old == ("rented of 2025-05-31",)

    tables("rented", TABLES.replace("2026-01-31", "2025-06-01"))
    assert estimate(renting.wanted({})).old == ()


def test_hours_that_have_begun_are_paid_for_where_the_table_says_so() -> None:
    tables("rented", f"billing_step_s = 3600\n{TABLES}")
    done = estimate(renting.wanted({}))

    assert 0 < done.stands_s < 3600
    assert done.sums[0].run == pytest.approx(done.sums[0].per_hour)
    assert estimate(renting.wanted({}, lifetime_s=5400)).sums[0].to_expiry == pytest.approx(2 * done.sums[0].per_hour)


# --- how long


def test_trials_follow_one_another_in_a_region_and_run_beside_those_of_other_clouds() -> None:
    one_pass = 6 * (10 + cost.OVERHEAD_S)
    placements = ("writable_layer", "volume")

    def seconds(clouds: tuple[str, ...], generators: int) -> float:
        of = renting.wanted({"cloud": clouds, "data_placement": placements}, generators=generators)
        return cost.load_s(of.load, planned(of).cells)

    assert seconds(("rented",), 1) == seconds(("rented", "other"), 1) == 2 * one_pass
    # From the operator's machine everything goes one after another.
    assert seconds(("rented", "other"), 0) == 4 * one_pass
    # VMs on this machine share it, whoever drives them.
    assert seconds(("rented", "qemu"), 1) == 2 * one_pass


def test_hosts_stand_for_as_long_as_the_load_takes_and_what_is_assumed_is_said() -> None:
    short, long = (estimate(renting.wanted({}, blocks=blocks)) for blocks in (6, 60))

    assert short.stands_s == cost.DEPLOY_S + 6 * (10 + cost.OVERHEAD_S) + cost.TAKE_DOWN_S
    assert long.stands_s - short.stands_s == 54 * (10 + cost.OVERHEAD_S)
    assert "10 min until the load begins" in short.assumed[0]


# --- the user's own file


def own(folder: Path, text: str) -> Prices:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return prices.read(path)


def test_a_figure_of_the_users_own_wins_and_the_others_stay(tmp_path: Path) -> None:
    mine = own(tmp_path, "[rented.instance_hour.north]\nlarge = 1.0\n")
    lines = {line.what: line for line in estimate(renting.wanted({}), mine).lines}

    assert lines["large"].per_hour == 1.0
    assert (lines["large"].currency, lines["large"].as_of) == ("USD", "")
    assert lines["large"].source.endswith("own.toml")
    assert lines["public address"].per_hour == pytest.approx(0.004)


def test_a_region_of_its_own_wins_over_everywhere(tmp_path: Path) -> None:
    mine = own(tmp_path, '[rented.address_hour]\nnorth = 0.5\n"" = 9\n')

    found = mine.find("rented", "address_hour", "north"), mine.find("rented", "address_hour", "south")
    assert [figure.amount for figure in found if figure] == [0.5, 9]


def test_a_figure_of_the_users_own_for_everywhere_wins_over_ours_for_a_region(tmp_path: Path) -> None:
    mine = own(tmp_path, '[rented.instance_hour.""]\nlarge = 1.0\n')

    lines = {line.what: line for line in estimate(renting.wanted({}), mine).lines}
    assert lines["large"].per_hour == 1.0


@pytest.mark.parametrize(("head", "step_s"), [("", 3600), ("billing_step_s = 60\n", 60)])
def test_a_users_figures_are_billed_in_our_steps_unless_the_file_says_others(tmp_path: Path, head: str, step_s: int) -> None:
    tables("rented", f"billing_step_s = 3600\n{TABLES}")
    mine = own(tmp_path, f"[rented]\n{head}instance_hour.north.large = 1.0\n")

    figure = mine.find("rented", "instance_hour", "north", "large")
    assert figure
    assert (figure.amount, figure.billing_step_s) == (1.0, step_s)


@pytest.mark.parametrize(
    ("text", "told", "where"),
    [
        ("[rented.instance_hour.north]\nlarge = '1'", "'1' is no price", "rented: instance_hour.north.large"),
        ("[rented.instance_hour.north]\nlarge = -1", "-1 is no price", "rented: instance_hour.north.large"),
        ("[rented.instance_hour.north]\nlarge = nan", "nan is no price", "rented: instance_hour.north.large"),
        ("[rented.instance_hour.north]\nlarge = true", "True is no price", "rented: instance_hour.north.large"),
        ("[rented.instance_hour.north]\nlarge = {amount = 1}", "no price", "rented: instance_hour.north.large"),
        ("[rented.instance_hour]\nlarge = 1", "a table by name is meant", "rented: instance_hour.large"),
        ("[rented.instance_hours.north]\nlarge = 1", "no table of prices: instance_hours", "rented"),
        ("[rentde.instance_hour.north]\nlarge = 1", "no table of a cloud: rentde", "rentde"),
        ("[rented]\nas_of = 'soon'", "as_of is 'soon'", "rented"),
        ("[rented]\ncurrency = '$'", "its currency is missing", "rented"),
        ("[other.address_hour]\n'' = 1", "its currency is missing", "other"),
        ("[rented]\nbilling_step_s = 0.5", "billing_step_s is 0.5", "rented"),
        ("[rates]\nEUR = '1'", "'1' is no price", "rates.EUR"),
        ("rates = 1", "a table of currencies is meant", "rates"),
        ("[rented", "not TOML", ""),
    ],
)
def test_a_slip_in_the_file_is_one_error_with_its_place(tmp_path: Path, text: str, told: str, where: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)) as caught:
        own(tmp_path, text)

    assert caught.value.where.startswith(str(tmp_path / "own.toml"))
    assert caught.value.where.endswith(where)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("[instance_hour.north]\nlarge = 1", "the cloud's name before each table, as in [aws.instance_hour.eu-central-1]"),
        ("currency = 'USD'\n[rented.instance_hour.north]\nlarge = 1", "as_of and the like below [aws]"),
        ("[rentde.instance_hour.north]\nlarge = 1", "did you mean rented?"),
        ("[rented.instance_hour.north]\nm7i.large = 1", 'a name with a dot in quotes, as in "m7i.large" = 0.12'),
        ("[rented", '[aws.instance_hour.eu-central-1], and below it "m7i.large" = 0.12'),
    ],
)
def test_a_file_of_another_form_is_shown_the_right_one(tmp_path: Path, text: str, step: str) -> None:
    with pytest.raises(InputError) as caught:
        own(tmp_path, text)

    assert step in caught.value.next_step


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        prices.read(tmp_path / "none.toml")


def test_the_tables_that_come_along_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each can be read, has a date and a source, and is of a cloud."""
    monkeypatch.undo()
    shipped = prices.read()

    assert {figure.as_of is not None and bool(figure.source) for figure in shipped.figures.values()} <= {True}
    assert {path.stem for path in prices.FOLDER.glob("*.toml")} == {cloud for cloud, *_ in shipped.figures}


# --- the budget


def test_a_plan_within_its_budget_goes_on() -> None:
    of = renting.wanted({}, budget=1.0, currency="USD")

    cost.insist_on_budget(of, planned(of), prices.read())


def test_a_plan_over_its_budget_is_stopped_with_the_figures() -> None:
    of = renting.wanted({}, budget=0.02, currency="USD")
    with pytest.raises(InputError, match=r"the planned run costs 0\.0312 USD, its budget is 0\.0200 USD") as caught:
        cost.insist_on_budget(of, planned(of), prices.read(), stays=False)

    assert "--prices FILE" in caught.value.next_step
    assert "deploy.expires" not in caught.value.next_step


def test_a_stack_that_is_left_standing_is_held_to_its_budget_until_its_hosts_end() -> None:
    of = renting.wanted({}, budget=0.1, currency="USD", lifetime_s=336 * 3600)
    cost.insist_on_budget(of, planned(of), prices.read(), stays=False)

    told = r"left standing until its hosts end after 336 h, costs 38\.30 USD, its budget is 0\.100 USD"
    with pytest.raises(InputError, match=told) as caught:
        cost.insist_on_budget(of, planned(of), prices.read(), stays=True)
    assert "(deploy.budget)" in caught.value.next_step
    assert "(deploy.expires)" in caught.value.next_step

    sooner = renting.wanted({}, budget=0.1, currency="USD", lifetime_s=45 * 60)
    cost.insist_on_budget(sooner, planned(sooner), prices.read(), stays=True)


def test_the_budget_is_held_against_the_dearest_type_that_a_host_may_become() -> None:
    of = renting.wanted({"instance_type": ("small",)}, budget=0.02, currency="USD")
    cost.insist_on_budget(of, planned(of), prices.read(), stays=False)

    moved = renting.wanted({"instance_type": ("small",)}, budget=0.02, currency="USD", instead_of={"small": ("large",)})
    with pytest.raises(InputError, match=r"run \(with the dearest types of deploy\.instead_of\) costs 0\.0312 USD"):
        cost.insist_on_budget(moved, planned(moved), prices.read(), stays=False)
    # What is planned, and shown, is what was asked for.
    assert by_what(moved)["1 x small"] == pytest.approx(0.05)

    cheaper = renting.wanted({}, budget=0.04, currency="USD", instead_of={"large": ("small",)})
    cost.insist_on_budget(cheaper, planned(cheaper), prices.read(), stays=False)


def test_a_type_without_a_price_that_a_host_may_become_is_unknown_to_the_budget() -> None:
    of = renting.wanted({"region": ("north",)}, budget=1000.0, currency="USD", spot=True, instead_of={"large": ("small",)})

    with pytest.raises(InputError, match="nobody knows: rented has no price of 1 x small spot in north"):
        cost.insist_on_budget(of, planned(of), prices.read())


def test_load_generators_may_become_a_dearer_type_too() -> None:
    of = renting.wanted(
        {"instance_type": ("small",)}, generators=1, budget=1000.0, currency="USD", instead_of={"large": ("huge",)}
    )

    with pytest.raises(InputError, match="rented has no price of 1 x huge in north"):
        cost.insist_on_budget(of, plan.Plan(cells=plan.expand(of), left_out=(), warnings=(), facts={}), prices.read())


def test_a_plan_with_an_unknown_part_is_stopped_since_nobody_knows() -> None:
    of = renting.wanted({"region": ("south",)}, budget=1000.0, currency="USD")
    with pytest.raises(InputError, match=r"costs at least .* nobody knows: rented has no price of 1 x large in south") as raised:
        cost.insist_on_budget(of, planned(of), prices.read())
    assert raised.value.next_step.startswith("is each name right?")


def test_another_currency_is_unknown_until_its_rate_is_given(tmp_path: Path) -> None:
    of = renting.wanted({}, budget=1.0, currency="EUR")
    with pytest.raises(InputError, match=r"no rate of USD for 0\.0312 USD of rented \(.*\[rates\].*: USD = what one is in EUR"):
        cost.insist_on_budget(of, planned(of), prices.read(), stays=False)
    with pytest.raises(InputError, match=r"no rate of USD for 0\.684 USD of rented"):
        cost.insist_on_budget(of, planned(of), prices.read())

    cost.insist_on_budget(of, planned(of), own(tmp_path, "[rates]\nUSD = 0.92\n"))
    with pytest.raises(InputError, match=r"costs 31\.16 EUR, its budget is 1\.00 EUR"):
        cost.insist_on_budget(of, planned(of), own(tmp_path, "[rates]\nUSD = 1000\n"), stays=False)


def test_without_a_budget_or_without_rented_hosts_nothing_stops() -> None:
    for of in (renting.wanted({"region": ("south",)}), renting.wanted({"cloud": ("local",)}, budget=0.01, currency="USD")):
        cost.insist_on_budget(of, planned(of), prices.read())


# --- what run.json is told


def target(cell: Cell, virtualization: str = "rented large, kvm") -> Target:
    plain = small_run.target()
    return replace(plain, cell=cell, host=replace(plain.host, virtualization=virtualization))


def generator(virtualization: str = "rented large, kvm") -> GeneratorHost:
    return GeneratorHost(
        name="load-rented-1",
        cloud="rented",
        region="north",
        address="10.0.0.2",
        engine_url="ssh://load",
        reach=("sh", "-c"),
        folder="/load",
        host=replace(small_run.target().host, virtualization=virtualization),
        image_id="sha256:1",
    )


def costs(of: Matrix, *virtualization: str) -> tuple[HostCost, ...]:
    """Of all that the matrix plans, as it stands."""
    return cost.of_hosts([target(cell, *virtualization) for cell in planned(of).cells], (), None, prices.read())


def test_a_run_is_told_what_each_host_costs_with_the_cells_on_it() -> None:
    of = renting.wanted({"data_placement": ("writable_layer", "volume")}, generators=1)
    cells = planned(of).cells

    host, load = cost.of_hosts([target(cell) for cell in cells], [generator()], of.load.generators, prices.read())

    assert (host.host, host.cells) == (cells[0].host, tuple(cell.name for cell in cells))
    assert host.per_hour == pytest.approx(0.114)
    assert (host.currency, host.unknown, host.as_of) == ("USD", (), "2026-01-31")
    assert (load.host, load.cells) == ("load-rented-1", ())


def test_a_run_is_told_in_which_steps_each_part_of_a_host_is_billed(tmp_path: Path) -> None:
    tables("rented", f"billing_step_s = 3600\n{TABLES}")
    mine = own(tmp_path, "[rented]\nbilling_step_s = 60\naddress_hour.north = 0.5\n")

    (host,) = cost.of_hosts([target(cell) for cell in planned(renting.wanted({})).cells], (), None, mine)

    assert {price.what: (round(price.per_hour, 6), price.billing_step_s) for price in host.prices} == {
        "large": (0.1, 3600),
        "public address": (0.5, 60),
        "ssd-100GiB": (0.01, 3600),
    }
    assert host.per_hour == pytest.approx(0.61)


@pytest.mark.parametrize(
    ("under", "kind", "per_hour"),
    [
        ("rented small, kvm", "small", 0.064),
        ("rented large spot, kvm", "large", 0.044),
        # A host that was deployed before that was noted.
        ("", "large", 0.114),
    ],
)
def test_a_host_costs_what_it_was_read_back_to_be(under: str, kind: str, per_hour: float) -> None:
    (host,) = costs(renting.wanted({}), under)

    assert (host.instance_type, round(host.per_hour, 6)) == (kind, per_hour)


def test_a_load_generator_costs_what_stands_and_not_what_a_matrix_says_now() -> None:
    of = renting.wanted({"instance_type": ("small",)}, generators=1)
    now = Generators(count=1, instance_type="huge", machine_image="")

    cells = [target(cell, "rented small, kvm") for cell in planned(of).cells]
    _, load = cost.of_hosts(cells, [generator("rented large spot, kvm")], now, prices.read())

    assert (load.instance_type, round(load.per_hour, 6), load.unknown) == ("large", 0.044, ())


def test_a_run_is_told_what_is_not_known_of_a_host() -> None:
    (host,) = costs(renting.wanted({"cloud": ("other",)}), "other large, kvm")

    assert (host.per_hour, host.currency, host.as_of) == (0, "", "")
    assert host.unknown == ("large", "public address", "ssd-100GiB")


def test_hosts_that_end_before_their_load_is_over_are_not_made() -> None:
    of = renting.wanted({})
    (cell,) = planned(of).cells
    needed_s = cost.load_s(of.load, [cell])

    cost.insist_on_time(of, [cell], needed_s)
    with pytest.raises(InputError, match="the load takes about 2 min, and the hosts end in 1 min") as raised:
        cost.insist_on_time(of, [cell], 60)
    assert "raise deploy.expires" in raised.value.next_step
    cost.insist_on_time(of, [replace(cell, cloud="local")], 0)
