"""summary.json: written whole and without NaN, read strictly, described by the JSON Schema beside this file."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench import jsonfile
from bench.errors import InputError
from bench.records import SUMMARY_SCHEMA, Summary

if TYPE_CHECKING:
    from pathlib import Path

_AGAIN = "make it anew from the samples: cowbench report {folder}"
_FREE = "free some space and ask again for the report: the samples are kept"
_OTHER = "make the run folder writable, or copy it to where you may write"


@cache
def _adapter() -> TypeAdapter[tuple[Summary]]:
    """Return the reader, of a tuple: pydantic takes "refuse unknown keys" for a plain dataclass only from what encloses it."""
    return TypeAdapter(tuple[Summary], config=ConfigDict(extra="forbid"))


def write(path: Path, summary: Summary) -> None:
    """Write `summary` to `path`, whole or not at all. Raises ValueError for a NaN or an infinity, InputError for a bad path."""
    text = json.dumps(asdict(summary), indent=1, allow_nan=False)
    with jsonfile.writing(path, full=lambda: _FREE, other=_OTHER):
        jsonfile.replace(path, text + "\n")


def read(path: Path) -> Summary:
    """Return the summary at `path`; raises InputError for a file that is missing, cut short, of another version or kind."""
    again = _AGAIN.format(folder=path.parent)
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text, parse_constant=_refuse)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), next_step=again) from None
    except ValueError as error:
        raise InputError(f"not a whole JSON file ({error})", where=str(path), next_step=again) from None
    _insist_on_version(document, path, again)
    try:
        return _adapter().validate_json(f"[{text}]", strict=True)[0]
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in fault["loc"][1:])
        raise InputError(f"not a summary: {place}: {fault['msg']}", where=str(path), next_step=again) from None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of summary.json, made from the records themselves."""
    made = _adapter().json_schema()
    definitions = made["$defs"]
    for definition in definitions.values():
        definition["additionalProperties"] = False
    definitions["Summary"]["properties"]["schema"] = {"const": SUMMARY_SCHEMA, "title": "Schema"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "summary.json of Cowbench",
        "$ref": "#/$defs/Summary",
        "$defs": definitions,
    }


def _insist_on_version(document: object, path: Path, again: str) -> None:
    found = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise InputError('no whole number under "schema": not a summary', where=str(path), next_step=again)
    if found != SUMMARY_SCHEMA:
        raise InputError(f"schema {found}; this Cowbench reads schema {SUMMARY_SCHEMA}", where=str(path), next_step=again)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
