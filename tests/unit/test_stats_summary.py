"""From Parquet parts to a summary: what counts, what is left out, and what is said about it."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest

from bench.errors import InputError
from bench.records import ClientHealth
from bench.stats import summarise
from bench.stats.metrics import OPS_WITHOUT_DATA, metrics, moves_data
from bench.stats.trial import TrialValues
from tests.unit.stats_example import KIB, MS, SECOND, WINDOW, Bench, sample, steady, target, workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.records import CellSummary, Summary

PAIR = (target("overlay2"), target("btrfs"))


def bench_of(folder: Path, *, blocks: int = 6, factor: float = 1.0, ops: int = 120) -> Bench:
    """Return a run of overlay2 and btrfs, the second `factor` times as fast."""
    bench = Bench(folder=folder, targets=PAIR, blocks=blocks)
    for block in range(blocks):
        bench.add("overlay2-layer", block, steady(block, ops + block % 3, seed=1))
        bench.add("btrfs-layer", block, steady(block, int(factor * ops) + block % 2, seed=2))
    return bench


def summary_of(bench: Bench) -> Summary:
    return summarise(bench.run(), bench.results, bench.folder)


def cell_of(summary: Summary, name: str, workload_name: str = "put-256KiB") -> CellSummary:
    (found,) = [cell for cell in summary.cells if (cell.cell, cell.workload) == (name, workload_name)]
    return found


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list | tuple):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, float):
        yield value


def test_rates_latencies_and_counts_are_those_of_the_samples(tmp_path: Path) -> None:
    cell = cell_of(summary_of(bench_of(tmp_path)), "overlay2-layer")

    assert cell.trial_ops_per_s == pytest.approx((120, 121, 122) * 2)
    assert cell.ops_per_s is not None
    assert (cell.ops_per_s.center, cell.ops_per_s.low, cell.ops_per_s.high) == pytest.approx((121, 120, 122))
    assert cell.throughput_bytes_per_s is not None
    assert cell.throughput_bytes_per_s.center == pytest.approx(121 * 256 * KIB)
    assert (cell.trials, cell.unsound_trials, cell.ops, cell.failed_ops) == (6, 0, 726, 0)
    assert cell.blocks == tuple(range(6))


def test_quantiles_equal_those_of_duckdb_over_the_same_parts(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    query = f"SELECT quantile_cont(end_ns - due_ns, [0.5, 0.9]) FROM '{tmp_path}/part-*.parquet' WHERE trial % 2 = 0"
    ((wanted,),) = duckdb.execute(query).fetchall()

    latency = cell_of(summary_of(bench), "overlay2-layer").latency_s

    assert [estimate.center for name in ("p50", "p90") if (estimate := latency[name])] == pytest.approx(
        [ns * 1e-9 for ns in wanted]
    )
    assert latency["p99"] is None, "726 samples are too few for it"


def test_a_faster_cell_is_found_and_named(tmp_path: Path) -> None:
    summary = summary_of(bench_of(tmp_path, factor=1.5))

    (rate, tail) = summary.comparisons
    assert (rate.metric, rate.cell, rate.against, rate.verdict) == (
        "throughput_bytes_per_s",
        "btrfs-layer",
        "overlay2-layer",
        "faster",
    )
    assert rate.ratio is not None
    assert rate.ratio.center == pytest.approx(1.5, rel=0.02)
    assert (tail.metric, tail.verdict) == ("latency_p90_s", "faster")
    assert summary.sound


def test_only_ops_of_the_workload_count(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path, targets=PAIR[:1])
    inside = [sample(0, WINDOW[0] + start * MS, WINDOW[0] + (start + 1) * MS) for start in range(10)]
    others = [
        replace(one, op=op, error="integrity/wrong_size/")
        for one, op in zip(inside, ("verify", "prepare", "clean_up"), strict=False)
    ]
    bench.add("overlay2-layer", 0, inside + others)

    cell = cell_of(summary_of(bench), "overlay2-layer")

    assert (cell.ops, cell.failed_ops, cell.failures) == (10, 0, {})


def test_failures_are_counted_by_class_also_those_of_unsound_trials(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path, targets=PAIR[:1])
    for block in range(6):
        samples = steady(block, 100)
        samples[10] = replace(samples[10], error="s3/throttled/SlowDown", bytes=0)
        samples[20] = replace(samples[20], error="timeout/read/", bytes=0, end_ns=WINDOW[1] + 9 * SECOND)
        bench.add("overlay2-layer", block, samples if block else samples[:15], stamps=("client_bound",) if block == 0 else ())

    cell = cell_of(summary_of(bench), "overlay2-layer")

    assert cell.failures == {"s3/throttled/SlowDown": 6, "timeout/read/": 5}
    assert (cell.ops, cell.failed_ops) == (515, 11)
    assert (cell.trials, cell.unsound_trials, cell.stamps, cell.blocks) == (6, 1, {"client_bound": 1}, (1, 2, 3, 4, 5))
    assert cell.failure_ratio is not None
    assert cell.failure_ratio.center == pytest.approx(11 / 515), "the ratio is of the ops that are counted beside it"
    assert cell.failure_ratio.n == 6


def test_a_trial_with_a_problem_is_unsound_and_never_a_zero(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.results[0] = replace(
        bench.results[0], parts=(), samples=0, problem="the server is gone", window_start_ns=0, window_end_ns=0
    )

    summary = summary_of(bench)
    cell = cell_of(summary, "overlay2-layer")

    assert (cell.trials, cell.unsound_trials, cell.stamps) == (6, 1, {"problem": 1})
    assert 0 not in cell.trial_ops_per_s
    assert {comparison.reason.split(":")[0] for comparison in summary.comparisons} == {
        "1 of 6 trials of overlay2-layer could not be measured at all"
    }
    assert not summary.sound


def test_a_trial_that_hung_throughout_refuses_the_comparison_instead_of_ending_it(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    hung = [sample(0, WINDOW[0] + 5, WINDOW[1] + 9 * SECOND, error="timeout/total/", bytes=0)]
    index = len(bench.results)
    bench.add("btrfs-layer", 5, hung)
    bench.results[-2:] = bench.results[-1:]
    assert bench.results[-1].trial.index == index

    summary = summary_of(bench)

    assert cell_of(summary, "btrfs-layer").trial_throughput_bytes_per_s[-1] == 0
    assert summary.comparisons[0].reason.startswith("btrfs-layer did nothing that succeeded in block 6")


def test_a_server_that_dies_now_and_then_is_not_judged_by_the_trials_that_it_survived(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, blocks=6, factor=1.3)
    for block in range(6, 12):
        bench.add("overlay2-layer", block, steady(block, 120))
        dead = [sample(0, WINDOW[0] + n, WINDOW[0] + n + 1, error="network/refused/ECONNREFUSED", bytes=0) for n in range(300)]
        bench.add("btrfs-layer", block, dead, stamps=("server_gone",))

    summary = summary_of(bench)
    cell = cell_of(summary, "btrfs-layer")

    assert cell.failure_ratio is not None
    assert cell.failure_ratio.center == cell.failed_ops / cell.ops > 0.5
    assert cell.failure_ratio.low is not None
    assert {comparison.reason.split(":")[0] for comparison in summary.comparisons} == {
        "the server was gone in 6 of 12 trials of btrfs-layer"
    }


@pytest.mark.parametrize(
    "error", ["s3/not_found/NoSuchKey", "http/internal/500", "timeout/read/", "integrity/wrong_digest/sha256"]
)
def test_a_trial_whose_objects_could_not_be_read_back_is_in_no_verdict(tmp_path: Path, error: str) -> None:
    bench = bench_of(tmp_path, factor=1.3)
    lost = [sample(0, WINDOW[1] + n * MS, WINDOW[1] + (n + 1) * MS, op="verify", error=error, bytes=0) for n in range(3)]
    bench.results.pop()
    bench.add("btrfs-layer", 5, [*steady(5, 150, seed=2), *lost])

    summary = summary_of(bench)
    cell = cell_of(summary, "btrfs-layer")

    assert (cell.stamps, cell.unsound_trials, cell.failed_ops) == ({"integrity": 1}, 1, 0)
    assert {comparison.verdict for comparison in summary.comparisons} == {"refused"}
    assert summary.comparisons[0].reason.startswith("objects of btrfs-layer were lost or came back wrong in 1 of 6 trials")


def test_timeouts_in_one_op_of_a_hundred_do_not_make_a_tail_faster(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path, targets=PAIR)
    for block in range(6):
        bench.add("overlay2-layer", block, steady(block, 1200, seed=1))
        hung = [sample(0, WINDOW[0] + n, WINDOW[1] + 9 * SECOND, error="timeout/total/", bytes=0) for n in range(11)]
        bench.add("btrfs-layer", block, [*steady(block, 1500, seed=2), *hung])

    rate, tail = summary_of(bench).comparisons

    assert rate.verdict == "faster"
    assert (tail.metric, tail.verdict) == ("latency_p99_s", "refused")
    assert tail.reason.startswith(
        "0.73 % of the ops of btrfs-layer failed, most often with timeout/total/: failed ops are not in"
    )


def test_the_client_s_cpu_share_is_the_median_over_sound_trials(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path, targets=PAIR[:1])
    for block, share in enumerate((0.5, 0.6, 0.7, 0.99)):
        health = ClientHealth(
            cpu_share=share, hub_lag_p99_ns=1, hub_lag_max_ns=1, start_lag_p99_ns=1, host_cpu_share=0.5, host_steal_share=0.0
        )
        stamps = ("client_bound",) if share > 0.9 else ()
        bench.add("overlay2-layer", block, steady(block, 100), health=health, stamps=stamps)

    share_of_core = cell_of(summary_of(bench), "overlay2-layer").client_cpu_share

    assert share_of_core is not None
    assert (share_of_core.center, share_of_core.n) == (0.6, 3)


def test_a_run_that_did_not_see_the_client_s_cpu_says_nothing_of_it(tmp_path: Path) -> None:
    assert cell_of(summary_of(bench_of(tmp_path)), "overlay2-layer").client_cpu_share is None


def test_a_part_of_a_trial_that_was_measured_again_is_not_counted_twice(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    before = summary_of(bench)

    (tmp_path / "part-00000-01.parquet").write_bytes((tmp_path / "part-00000-00.parquet").read_bytes())

    assert summary_of(bench) == before


def test_workloads_that_move_no_data_are_compared_by_ops(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path, targets=PAIR, workloads=(workload("delete"),))
    for block in range(6):
        for driver in ("overlay2-layer", "btrfs-layer"):
            bench.add(driver, block, [replace(one, bytes=0) for one in steady(len(bench.results), 90)])

    summary = summary_of(bench)

    assert [comparison.metric for comparison in summary.comparisons] == ["ops_per_s"]
    assert cell_of(summary, "btrfs-layer", "delete-256KiB").throughput_bytes_per_s is None


@pytest.mark.parametrize("op", ["put", "get", "mixed", "multipart", "range", "overwrite", *sorted(OPS_WITHOUT_DATA)])
def test_every_workload_but_list_and_delete_moves_data(op: str) -> None:
    assert moves_data(workload(op)) == (op not in {"list", "delete"})


@pytest.mark.parametrize(
    ("successes", "tail"), [((99,) * 6, None), ((100,) * 6, "latency_p90_s"), ((5, *(1000,) * 5), "latency_p99_s")]
)
def test_the_tail_is_compared_by_the_quantile_that_the_typical_trial_is_long_enough_for(
    successes: tuple[int, ...], tail: str | None
) -> None:
    trials = [
        TrialValues(bytes_per_s=1, ops_per_s=1, ops=count, failed_ops=0, latencies_ns=np.arange(count, dtype=np.int64))
        for count in successes
    ]

    assert [metric.name for metric in metrics(workload(), trials)] == ["throughput_bytes_per_s", *([tail] if tail else [])]


def test_each_layer_is_compared_with_its_volume(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path, targets=(target("overlay2"), target("overlay2", "volume")))
    for block in range(6):
        bench.add("overlay2-layer", block, steady(block, 60, seed=1))
        bench.add("overlay2-volume", block, steady(block, 90, seed=2))

    (made,) = summary_of(bench).comparisons

    assert (made.kind, made.cell, made.against, made.verdict) == ("control_arm", "overlay2-layer", "overlay2-volume", "slower")


def test_nothing_in_a_summary_is_nan_whatever_was_measured(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.results[1] = replace(bench.results[1], parts=(), samples=0)
    bench.results[3] = replace(bench.results[3], window_end_ns=bench.results[3].window_start_ns)
    bench.add("btrfs-layer", 6, [sample(0, WINDOW[1] + 1, WINDOW[1] + 2)])

    summary = summary_of(bench)

    assert cell_of(summary, "btrfs-layer").stamps == {"no_samples": 1, "no_window": 1}
    assert all(math.isfinite(number) for number in numbers(asdict(summary)))


def test_an_interrupted_run_gives_what_there_is(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    run = bench.run()

    summary = summarise(run, bench.results[:1], tmp_path)

    assert [(cell.cell, cell.trials) for cell in summary.cells] == [("overlay2-layer", 1), ("btrfs-layer", 0)]
    empty = cell_of(summary, "btrfs-layer")
    assert (empty.throughput_bytes_per_s, empty.ops_per_s, empty.failure_ratio) == (None, None, None)
    assert not summary.sound


def test_no_trial_at_all_is_not_sound(tmp_path: Path) -> None:
    assert not summarise(bench_of(tmp_path, blocks=1).run(), [], tmp_path).sound


def test_a_smoke_run_of_one_block_is_sound_but_compares_nothing(tmp_path: Path) -> None:
    summary = summary_of(bench_of(tmp_path, blocks=1))

    assert summary.sound
    assert {comparison.verdict for comparison in summary.comparisons} == {"refused"}


def test_a_run_of_unsound_trials_only_is_not_sound(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, blocks=1)
    bench.results = [replace(one, stamps=("client_bound",)) for one in bench.results]

    summary = summary_of(bench)

    assert not summary.sound
    assert summary.comparisons[0].reason.startswith("1 of 1 trials of btrfs-layer were client_bound")


def test_the_measured_time_is_that_of_the_windows(tmp_path: Path) -> None:
    assert summary_of(bench_of(tmp_path)).measured_s == pytest.approx(12.0)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, blocks=1)
    (tmp_path / "part-00001-00.parquet").unlink()

    with pytest.raises(InputError, match="a part of the samples is missing") as caught:
        summary_of(bench)

    assert caught.value.where == str(tmp_path / "part-00001-00.parquet")
    assert "cowbench run" in caught.value.next_step


def test_a_part_cut_short_is_named(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, blocks=1)
    part = tmp_path / "part-00001-00.parquet"
    part.write_bytes(part.read_bytes()[:-20])

    with pytest.raises(InputError, match="the samples cannot be read") as caught:
        summary_of(bench)

    assert caught.value.where == str(part)


def test_results_of_another_run_are_refused(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, blocks=1)
    run = bench.run()
    stranger = replace(bench.results[0], trial=replace(bench.results[0].trial, cell="zfs-layer"))

    with pytest.raises(InputError, match="trial 0 is of cell zfs-layer and workload put-256KiB, unknown to this run"):
        summarise(run, [stranger], tmp_path)
