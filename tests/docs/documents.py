"""The project's documents as tests see them: fences, commands, tables, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "stacks/README.md",
    "bench/README.md",
    "images/README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_COMMANDS = ("cowbench", "make", "tools/bench")


def text(document: str) -> str:
    """The whole document."""
    return (ROOT / document).read_text(encoding="utf-8")


def prose(document: str) -> str:
    """The document without what stands in fences."""
    return _FENCE.sub("", text(document))


def fences(document: str, language: str) -> list[str]:
    """What stands in the fences of that language, in order."""
    return [body for found, body in _FENCE.findall(text(document)) if found == language]


def code(document: str) -> set[str]:
    """What the prose says in code spans."""
    return set(_CODE.findall(prose(document)))


def links(document: str) -> list[str]:
    """Where links and pictures lead that stay inside the project."""
    return [link for link in _LINK.findall(prose(document)) if not link.startswith(("http:", "https:"))]


def anchors(document: str) -> set[str]:
    """Where links into the document may lead: its headings, spelled as code hosts do."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(document: str, first: str) -> list[list[str]]:
    """The rows of the table whose header begins with the cell `first`, without the header."""
    lines = iter(prose(document).splitlines())
    for line in lines:
        if _cells(line)[:1] == [first]:
            next(lines)
            return [_cells(row) for row in iter(lambda: next(lines, ""), "")]
    raise LookupError(first)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []


def commands(document: str) -> list[list[str]]:
    """Every command that the document shows, in `sh` fences and in code spans, as words; what `eval` evaluates stands alone."""
    lines = [line for body in fences(document, "sh") for line in body.replace("\\\n", " ").splitlines()]
    lines += [span for span in sorted(code(document)) if span.split()[0] in _COMMANDS and "…" not in span]
    found = [shlex.split(line, comments=True) for line in lines]
    return [_evaluated(words) for words in found if words]


def _evaluated(words: list[str]) -> list[str]:
    if words[0] == "eval":
        return shlex.split(words[1].removeprefix("$(").removesuffix(")"))
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words
