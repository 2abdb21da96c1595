from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench.report.axes import shared_axes
from bench.report.labels import places
from bench.report.phrases import more_blocks, sentence
from bench.report.words import headline, title
from tests.unit.example_run import example, example_summary, only, partial_runs

if TYPE_CHECKING:
    from bench.records import Run, Summary


def labels(run: Run, summary: Summary) -> list[tuple[str, str]]:
    return [(place.group, place.label) for place in places(run, summary).values()]


def test_a_row_is_named_by_what_differs_and_a_group_by_what_its_rows_share() -> None:
    rows = ["overlay2 on ext4", "overlay2 on xfs", "overlay", "btrfs", "vfs", "fuse-overlayfs"]

    assert labels(*example()) == [(group, row) for group in ("writable layer", "volume") for row in rows]


def test_the_reference_leads_its_group_wherever_it_stands_in_the_plan() -> None:
    run, _ = example()
    turned = replace(run, plan=tuple(reversed(run.plan)))

    assert labels(turned, example_summary(turned))[0] == ("writable layer", "overlay2 on ext4")


def test_axes_that_are_not_compared_stand_above_the_rows() -> None:
    run, summary = example()
    other = tuple(replace(cell, name=f"{cell.name}-13", host=f"{cell.host}-13", machine_image="debian-13") for cell in run.plan)

    found = labels(replace(run, plan=(*run.plan, *other)), summary)

    assert len(found) == len(set(found)) == 24
    assert found[0] == ("6.18 (this-host), writable layer", "overlay2 on ext4")
    assert found[-1] == ("debian-13, volume", "fuse-overlayfs")


def test_a_compared_machine_image_names_the_row() -> None:
    run, summary = only(*example(), cells=1)
    newer = replace(run.plan[0], name="newer", machine_image="debian-13")
    compared = replace(run, plan=(run.plan[0], newer), reference=replace(run.reference, axes={"machine_image": "this-host"}))

    assert labels(compared, summary) == [("", "6.18 (this-host)"), ("", "debian-13")]


def test_twins_are_told_apart_by_their_full_names() -> None:
    run, summary = only(*example(), cells=1)
    twin = replace(run.plan[0], name="twin")

    names = [label for _, label in labels(replace(run, plan=(run.plan[0], twin)), summary)]

    assert names == [f"overlay2 ({run.plan[0].name})", "overlay2 (twin)"]


def test_what_all_cells_share_is_said_once_without_empty_axes() -> None:
    run, _ = example()

    assert shared_axes(run.plan) == {
        "cloud": "local",
        "disk": "loop",
        "machine image": "this-host",
        "engine": "distribution",
        "server": "versitygw",
    }


def test_the_title_counts_what_was_compared() -> None:
    assert title(example()[0]) == "6 storage driver configurations \u00d7 2 data placements \u00d7 3 workloads"


def test_the_headline_gives_ratio_interval_and_verdict_for_each_workload_and_group() -> None:
    sentences = headline(*example())

    assert len(sentences) == 10
    assert sentences[0].startswith("Under put-256KiB, writable layer, throughput: ")
    assert "fuse-overlayfs 0.43\u00d7 (0.41\u20130.45) are slower" in sentences[0]
    assert "no difference was shown for overlay and vfs" in sentences[0]
    assert "all 6 are slower than the same on a volume, from fuse-overlayfs 0.41\u00d7" in sentences[2]


def test_what_was_refused_is_told_in_one_sentence_per_workload() -> None:
    told = [sentence for sentence in headline(*example()) if "no comparison" in sentence]

    reason = "8 of 8 trials of overlay2 on xfs, volume were client_bound: lower the concurrency"
    assert told == [f"Under get-256KiB: no comparison was possible for 2 of 16 (overlay2 on xfs): {reason}."]


@pytest.mark.parametrize(("first", "told"), [("the kernels differ", "15 times as here"), ("9 of 8 were ran_out", "all as here")])
def test_of_several_reasons_for_refusals_one_of_the_most_frequent_kind_is_told(first: str, told: str) -> None:
    run, summary = example()
    mine = [one for one in summary.comparisons if one.workload == "put-256KiB"]
    reasons = [first, *(f"{n} of 8{run.plan[n % 5].name} were ran_out" for n in range(1, len(mine)))]
    refused = [replace(one, verdict="refused", reason=reason) for one, reason in zip(mine, reasons, strict=True)]

    sentences = headline(run, replace(summary, comparisons=(*refused, *summary.comparisons[-1:])))

    assert len(sentences) == 2
    assert sentences[0].startswith(f"Under put-256KiB: no comparison was possible, {told}: ")
    assert sentences[0].endswith(" were ran_out.")


def test_a_difference_that_hardly_matters_is_no_headline() -> None:
    run, summary = example()
    told = headline(run, summary)[3]

    assert told.startswith(
        "Under get-256KiB, writable layer, throughput: fuse-overlayfs 0.84\u00d7 (0.83\u20130.86) is slower than"
    )
    assert "no practical difference was shown for overlay 1.028\u00d7 (1.003\u20131.053)" in told
    assert "faster" not in told


def test_a_name_at_the_start_of_a_sentence_keeps_its_letters() -> None:
    assert sentence("s3/internal/InternalError in vfs") == "S3/internal/InternalError in vfs."


@pytest.mark.parametrize(
    ("case", "beginning"),
    [
        ("one cell only", "Nothing to compare with one cell; add a second value"),
        ("a single block", "Measured, but not sound: no verdict. The findings say"),
        ("no sound trial", "Measured, but not sound: no verdict. The findings say"),
        ("interrupted before the first trial", "The run is interrupted: 0 of 288 planned trials"),
        ("no comparisons", "Nothing was compared"),
    ],
)
def test_the_headline_of_a_partial_run_says_what_is_wrong_and_what_to_do(case: str, beginning: str) -> None:
    assert headline(*partial_runs()[case])[0].startswith(beginning)


def test_one_reason_for_everything_is_said_once() -> None:
    sentences = headline(*partial_runs()["a single block"])

    assert sentences[-1] == "No comparison was possible, under any workload: need >= 6 sound blocks, have 1: raise blocks."
    assert len(sentences) == 2


def test_a_driver_that_is_not_felt_is_said_so() -> None:
    run, summary = example()
    unfelt = tuple(replace(one, verdict="no difference shown") for one in summary.comparisons if one.kind == "control_arm")

    assert headline(run, replace(summary, comparisons=unfelt))[0] == (
        "Under put-256KiB, writable layer against the control arm, throughput: "
        "no difference was shown against the same on a volume for any of the 6."
    )


def test_tail_latency_is_mentioned_where_a_difference_was_shown() -> None:
    run, summary = example()
    slow = next(one for one in summary.comparisons if one.verdict == "slower" and one.kind == "reference")
    tail = replace(slow, metric="latency_p99_s")
    unclear = replace(tail, verdict="no difference shown", workload="get-256KiB")

    sentences = headline(run, replace(summary, comparisons=(*summary.comparisons, tail, unclear)))

    assert [sentence for sentence in sentences if "p99 latency" in sentence] == [
        "Under put-256KiB, writable layer, p99 latency: btrfs 0.88\u00d7 (0.84\u20130.91) is slower than overlay2 on ext4."
    ]


def test_more_blocks_are_asked_for_as_a_new_run() -> None:
    _, summary = example()
    unclear = next(one for one in summary.comparisons if one.verdict == "no difference shown")

    assert more_blocks(unclear) == "14 more blocks would tell, as a new run of 22 blocks"
    assert more_blocks(replace(unclear, more_blocks=1, blocks=6)) == "1 more block would tell, as a new run of 7 blocks"
