from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bench.report.html import render
from tests.unit.example_run import example, only, partial_runs, renamed

VOID = {"meta", "br", "hr", "img", "link", "input"}
HOSTILE = "a</title><script>alert(1)</script>\"'\x00"


class Page(HTMLParser):
    """What a browser would make of a page: its elements, their attributes, its words. Fails on a tag that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


@pytest.fixture(scope="module")
def text() -> str:
    return render(*example())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_it_loads_nothing_and_runs_nothing(page: Page, text: str) -> None:
    assert {"script", "link", "iframe", "object", "img"} & set(page.tags()) == set()
    assert [value for name in ("src", "href", "xlink:href") for value in page.attributes(name) if not value.startswith("#")] == []
    assert re.findall(r"url\((?!#)|@import|\bon\w+=", text) == []


def test_links_within_the_page_lead_somewhere_and_ids_are_unique(page: Page) -> None:
    ids = page.attributes("id")

    assert {link.removeprefix("#") for link in page.attributes("href")} <= set(ids)
    assert len(ids) == len(set(ids))


def test_every_picture_is_described_and_every_table_has_a_caption_and_heads(page: Page) -> None:
    described = [attributes for _, attributes in page.elements if attributes.get("role") == "img"]

    assert len(described) == page.tags().count("svg") == 12
    assert all(attributes["aria-label"] for attributes in described)
    assert page.tags().count("table") == page.tags().count("caption") > 9
    assert all(attributes.get("scope") for tag, attributes in page.elements if tag == "th")


def test_every_cell_and_workload_is_shown_with_its_groups(page: Page) -> None:
    run, _ = example()
    labels = ("overlay2 on ext4", "overlay2 on xfs", "overlay", "btrfs", "vfs", "fuse-overlayfs", "writable layer", "volume")

    assert {word for word in (*labels, *(one.name for one in run.load.workloads)) if page.words.count(word) < 3} == set()


def test_the_sections_come_in_reading_order(text: str) -> None:
    wanted = [
        "What was found",
        "At a glance",
        "put-256KiB</h2>",
        "What was really running",
        "Cells left out",
        "Findings</h2>",
        "How to",
    ]
    places = [text.rindex(heading) if heading == "How to" else text.index(f">{heading}") for heading in wanted]

    assert places == sorted(places)


def test_it_is_small_enough_to_mail(text: str) -> None:
    assert len(text.encode()) < 600_000


def test_a_hostile_name_stays_text_in_tables_and_pictures() -> None:
    page = Page(render(*renamed(HOSTILE)))

    assert "script" not in page.tags()
    assert "<script>alert(1)</script>" in page.words
    assert "\x00" not in page.words


@pytest.mark.parametrize("case", partial_runs())
def test_a_partial_run_makes_a_whole_page(case: str) -> None:
    run, summary = partial_runs()[case]

    page = Page(render(run, summary))

    assert page.words.count("What was found") == 1


def test_error_findings_unsound_runs_and_emulated_hosts_stand_in_a_banner() -> None:
    run, summary = only(*example(), cells=1)
    emulated = replace(run.targets[0], host=replace(run.targets[0].host, emulated=True))
    bad = replace(example()[0].findings[0], level="error", check="kernel_in_use", cell=run.plan[0].name)

    text = render(replace(run, targets=(emulated,), findings=(bad,)), replace(summary, sound=False))

    banner = text[text.index('role="alert"') : text.index("What was found")]
    assert "not sound" in banner
    assert "emulated" in banner
    assert "kernel_in_use (overlay2, emulated)" in banner


def test_a_good_run_has_no_banner(text: str) -> None:
    assert 'role="alert"' not in text


def test_a_missing_value_is_a_dash_with_its_reason(page: Page) -> None:
    assert "too few successes stand behind p99.9" in page.words
    assert "no sound trial: 8 of 8 unsound (client_bound \u00d78)" in page.words
