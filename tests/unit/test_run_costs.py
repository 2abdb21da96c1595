"""What a run keeps of its costs: what its hosts cost, since when they stood, and when it ended."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from bench import run, store
from bench.records import HostCost, HourPrice
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator

if TYPE_CHECKING:
    from pathlib import Path

RUN = small_run.run()
COST = HostCost(
    host="btrfs-btrfs",
    cloud="aws",
    region="eu-central-1",
    instance_type="m7i.large",
    cells=("btrfs",),
    per_hour=0.12,
    currency="USD",
    unknown=("public address",),
    as_of="2026-01-31",
    prices=(HourPrice(what="m7i.large", per_hour=0.12, billing_step_s=3600),),
)


def begin(runs: Path, **costs: object) -> Path:
    return run.start(
        stack="small",
        matrix_text=RUN.matrix_text,
        plan=RUN.plan,
        left_out=(),
        targets=RUN.targets,
        load=RUN.load,
        reference=RUN.reference,
        runs=runs,
        versions={},
        operator={},
        check_first=False,
        **costs,  # type: ignore[arg-type] # the two that are tried here
    )


def test_costs_and_times_are_in_the_run_folder_and_read_back(tmp_path: Path) -> None:
    gone = ("hosts of gcp whose cells are missing",)
    folder = begin(tmp_path, costs=(COST,), stood_since="2026-01-31T10:00:00+00:00", not_counted=gone)
    begun = store.read(folder)
    assert (begun.costs, begun.stood_since, begun.ended_at) == ((COST,), "2026-01-31T10:00:00+00:00", "")
    assert begun.not_counted == gone

    run.perform(folder, KEYS, lambda _: None, partial(FakeGenerator))

    done = store.read(folder)
    assert (done.state, done.costs, done.stood_since) == ("complete", (COST,), "2026-01-31T10:00:00+00:00")
    assert datetime.fromisoformat(done.ended_at) >= datetime.fromisoformat(done.created_at)


def test_a_run_folder_of_before_billing_steps_were_noted_is_read(tmp_path: Path) -> None:
    folder = begin(tmp_path, costs=(COST,))
    path = folder / "run.json"
    older = json.loads(path.read_text())
    del older["costs"][0]["prices"], older["not_counted"]
    path.write_text(json.dumps(older))

    assert (store.read(folder).costs[0].prices, store.read(folder).not_counted) == ((), ())


def test_a_run_without_costs_is_as_before(tmp_path: Path) -> None:
    begun = store.read(begin(tmp_path))

    assert (begun.costs, begun.stood_since) == ((), "")
