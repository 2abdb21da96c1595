"""summary.json and its schema. `COWBENCH_REFRESH_GOLDEN=1 pytest tests/unit/test_stats_document.py` writes the schema anew."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped] # ships no types
import pytest

import bench.stats
from bench.errors import InputError
from bench.stats import document, read, summarise, write
from tests.unit.stats_example import Bench, steady, target

if TYPE_CHECKING:
    from bench.records import Summary

COMMITTED = Path(bench.stats.__file__).with_name("summary.schema.json")


@pytest.fixture
def summary(tmp_path: Path) -> Summary:
    """Six blocks of three cells, one of them failing now and then, one trial unsound."""
    bench = Bench(folder=tmp_path, targets=(target("overlay2"), target("overlay2", "volume"), target("btrfs")))
    for block in range(6):
        bench.add("overlay2-layer", block, steady(block, 120, seed=1))
        bench.add("overlay2-volume", block, steady(block, 130, seed=2), stamps=("client_bound",) if block == 3 else ())
        samples = steady(block, 110, seed=3)
        samples[5] = replace(samples[5], error="s3/throttled/SlowDown", bytes=0)
        bench.add("btrfs-layer", block, samples)
    return summarise(bench.run(), bench.results, tmp_path)


def test_the_committed_schema_is_the_one_the_records_give() -> None:
    made = json.dumps(document.schema(), indent=1, sort_keys=True) + "\n"
    if os.environ.get("COWBENCH_REFRESH_GOLDEN"):
        COMMITTED.write_text(made, encoding="utf-8")

    assert COMMITTED.read_text(encoding="utf-8") == made


def test_a_real_summary_fits_the_schema_and_a_changed_one_does_not(summary: Summary, tmp_path: Path) -> None:
    write(tmp_path / "summary.json", summary)
    schema = json.loads(COMMITTED.read_text(encoding="utf-8"))
    written: dict[str, Any] = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(written, schema)
    for fault in ({"schema": 2}, {"cells": None}, {"unknown": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(written | fault, schema)


def test_what_was_written_is_what_is_read(summary: Summary, tmp_path: Path) -> None:
    write(tmp_path / "summary.json", summary)

    assert read(tmp_path / "summary.json") == summary


def test_the_same_samples_give_the_same_file(summary: Summary, tmp_path: Path) -> None:
    write(tmp_path / "one.json", summary)
    write(tmp_path / "two.json", read(tmp_path / "one.json"))

    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_nan_is_never_written_and_the_old_file_stays(summary: Summary, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write(path, summary)

    with pytest.raises(ValueError, match="not JSON compliant"):
        write(path, replace(summary, measured_s=float("nan")))

    assert read(path) == summary


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a whole JSON file"),
        ('{"schema": 1, "run_id"', "not a whole JSON file"),
        ('{"schema": 1, "measured_s": NaN}', "NaN is not JSON"),
        ("[]", 'no whole number under "schema"'),
        ('{"schema": 2}', "schema 2; this Cowbench reads schema 1"),
        ('{"schema": 0}', "schema 0; this Cowbench reads schema 1"),
        ('{"schema": true}', 'no whole number under "schema"'),
        ('{"schema": 1}', "not a summary: run_id: Field required"),
    ],
)
def test_what_is_no_summary_of_this_version_is_refused_with_a_next_step(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=said) as caught:
        read(path)

    assert caught.value.where == str(path)
    assert caught.value.next_step == f"make it anew from the samples: cowbench report {tmp_path}"


def test_an_unknown_key_is_refused(summary: Summary, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write(path, summary)
    whole = path.read_text(encoding="utf-8")

    for place in ('"run_id"', '"cell"', '"center"'):
        path.write_text(whole.replace(place, f'"colour": 1, {place}', 1), encoding="utf-8")
        with pytest.raises(InputError, match="colour: Unexpected keyword argument"):
            read(path)


def test_a_missing_summary_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "summary.json")


def test_binary_content_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InputError, match="not a whole JSON file"):
        read(tmp_path / "summary.json")


def test_a_folder_that_cannot_be_written_is_one_clear_error(summary: Summary, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "missing" / "summary.json", summary)
