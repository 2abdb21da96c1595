"""What stands there for who rents VMs is so: set-up, matrices with their budgets, the file of prices, workflows, permissions."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from bench.errors import InputError
from stacks import clouds, cost, matrix, plan, prices
from tests.docs.documents import DOCUMENTS, ROOT, fences, text

if TYPE_CHECKING:
    from pathlib import Path

EXTRAS = tuple(tomllib.loads(text("pyproject.toml"))["project"]["optional-dependencies"])
TWO_CLOUDS = next(body for body in fences("README.md", "yaml") if "name: two-clouds" in body)
OWN_PRICES = next(body for body in fences("README.md", "toml") if "[rates]" in body)
SHIPPED = [pytest.param(path.read_text(encoding="utf-8"), id=path.name) for path in (ROOT / "stacks/matrices").glob("*.yaml")]
WALKED = [pytest.param(body, id=f"{cloud}.md") for cloud in EXTRAS for body in fences(f"docs/clouds/{cloud}.md", "yaml")]
WORKFLOWS = sorted((ROOT / "docs/workflows").glob("*.yml"))
BENCH, SWEEP = ROOT / "docs/workflows/cloud-bench.yml", ROOT / "docs/workflows/cloud-sweep.yml"
LEAST_OF_A_ROLE_S = 3600
"""What a role's sessions may last at most unless it says otherwise."""


def over_budget(folder: Path, whole: str, own: str = "") -> set[str]:
    """Why it may cost more than its budget: for its run, and when it is left standing. Empty where it does not."""
    (folder / "matrix.yaml").write_text(whole, encoding="utf-8")
    (folder / "own.toml").write_text(own, encoding="utf-8")
    wanted = matrix.read(folder / "matrix.yaml")
    planned, tables = plan.plan(wanted, plan.facts_of), prices.read(folder / "own.toml")
    return {cost.over_budget(wanted, planned, tables, stays=stays) for stays in (False, True)} - {""}


# --- setting up


@pytest.mark.parametrize("cloud", EXTRAS)
def test_a_walk_through_sets_up_its_own_cloud(cloud: str) -> None:
    assert f"make setup-vms setup-clouds CLOUDS={cloud}" in text(f"docs/clouds/{cloud}.md")


@pytest.mark.parametrize("cloud", EXTRAS)
def test_what_to_do_without_an_sdk_is_what_the_walk_through_does(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    what, _, step = clouds.load(cloud).problems()[0].partition(": ")
    assert (what.endswith(" is not installed"), step) == (True, f"make setup-clouds CLOUDS={cloud}")


def test_nobody_is_told_to_install_a_package_that_is_not_published() -> None:
    sources = [path for folder in ("bench", "stacks") for path in (ROOT / folder).rglob("*.py")]
    every = [*(ROOT / document for document in DOCUMENTS), *WORKFLOWS, *sources]

    assert {path.name for path in every if re.search(r"\bpip install\b|cowbench\[", path.read_text(encoding="utf-8"))} == set()


# --- matrices, budgets and prices


@pytest.mark.parametrize("whole", [*SHIPPED, *WALKED])
def test_a_matrix_that_comes_along_fits_its_own_budget(whole: str, tmp_path: Path) -> None:
    assert over_budget(tmp_path, whole) == set()


def test_every_walk_through_has_a_matrix() -> None:
    assert len(WALKED) == len(EXTRAS)


def test_the_matrix_of_two_currencies_fits_its_budget_by_the_prices_that_are_shown(tmp_path: Path) -> None:
    assert over_budget(tmp_path, TWO_CLOUDS, OWN_PRICES) == set()
    assert {why.partition("no rate of ")[2][:3] for why in over_budget(tmp_path, TWO_CLOUDS)} == {"EUR"}


def test_every_table_of_prices_is_named_and_the_file_shown_uses_most(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN_PRICES, encoding="utf-8")

    assert {table for _, table, _, _ in prices.read(path).own} >= {
        "instance_hour",
        "disk_gib_month",
        "iops_month",
        "address_hour",
    }
    for table in (*prices.BY_NAME, *prices.BY_REGION):
        assert f"`{table}`" in text("README.md")


def test_a_table_of_ours_is_not_a_file_of_ones_own() -> None:
    for table in prices.FOLDER.glob("*.toml"):
        with pytest.raises(InputError, match="no table of a cloud"):
            prices.read(table)
        assert "Prices of your own" in table.read_text(encoding="utf-8")


# --- workflows


def steps(workflow: Path) -> list[dict[str, Any]]:
    (job,) = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    return list(job["steps"])


def test_the_workflow_measures_only_what_it_signs_in_to(tmp_path: Path) -> None:
    # YAML reads the word `on` as true.
    inputs = yaml.safe_load(BENCH.read_text(encoding="utf-8"))[True]["workflow_dispatch"]["inputs"]
    path = ROOT / inputs["matrix"]["default"]
    wanted = matrix.read(path)

    assert {cell.cloud for cell in plan.expand(wanted)} == {"aws"}
    assert wanted.terms.budget
    assert over_budget(tmp_path, path.read_text(encoding="utf-8")) == set()


def test_sessions_are_no_longer_than_a_role_allows_unasked() -> None:
    with_role = [
        step["with"] for each in (BENCH, SWEEP) for step in steps(each) if "configure-aws-credentials" in step.get("uses", "")
    ]

    assert len(with_role) == 3
    assert max(int(values.get("role-duration-seconds", LEAST_OF_A_ROLE_S)) for values in with_role) <= LEAST_OF_A_ROLE_S


def test_what_is_left_is_taken_away_with_credentials_of_its_own() -> None:
    """A session that began before the load may be over."""
    always = [step for step in steps(BENCH) if step.get("if") == "${{ always() }}"]

    assert [("uses" in step, "cowbench down" in step.get("run", "")) for step in always] == [(True, False), (False, True)]


def test_the_role_trusts_the_two_workflows_and_nothing_else() -> None:
    (job,) = yaml.safe_load(BENCH.read_text(encoding="utf-8"))["jobs"].values()
    (statement,) = json.loads(text("docs/clouds/aws-trust.json"))["Statement"]
    (condition,) = statement["Condition"].values()

    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert condition["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    assert [each.split(":", 2)[2] for each in condition["token.actions.githubusercontent.com:sub"]] == [
        f"environment:{job['environment']}",
        "ref:refs/heads/main",
    ]
