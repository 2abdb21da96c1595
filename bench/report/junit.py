"""The report as JUnit XML for a CI server: a test case per finding and per comparison, and one for the soundness of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from bench.report import Report, numbers, phrases, words
from bench.report.characters import printable
from bench.report.circumstances import whose
from bench.report.labels import EMULATED, places, shortened
from bench.report.metrics import metric

if TYPE_CHECKING:
    from bench.records import Comparison, Finding, Run, Summary
    from bench.report.labels import Place


def render(run: Run, summary: Summary) -> str:
    """Return the document. An error finding fails, a refused comparison is skipped; being slower is a result, not a failure."""
    where = places(run, summary)
    root = ET.Element("testsuites", name="cowbench")
    suites = {
        "cowbench.run": [_sound(run, summary)],
        "cowbench.checks": [_finding(finding, where) for finding in run.findings],
        "cowbench.comparisons": [_comparison(comparison, where) for comparison in summary.comparisons],
    }
    for name, cases in suites.items():
        time = f"{summary.measured_s:.3f}" if name == "cowbench.run" else "0"
        suite = ET.SubElement(
            root, "testsuite", {"name": name, "timestamp": printable(run.created_at), "time": time} | _counts(cases)
        )
        suite.append(_properties(_facts(run)))
        suite.extend(cases)
    for attribute, value in _counts(list(root.iter("testcase"))).items():
        root.set(attribute, value)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


REPORT = Report(name="junit", file="junit.xml", render=render)


def _sound(run: Run, summary: Summary) -> ET.Element:
    case = _case("cowbench.run", f"run {run.run_id} is sound", "\n".join(words.headline(run, summary)))
    if not summary.sound:
        _child(case, "failure", "measured, but not sound: no verdict", "See the findings for what to change, then run again.")
    return case


def _finding(finding: Finding, where: dict[str, Place]) -> ET.Element:
    told, fix = shortened(finding.text, where), shortened(finding.fix, where)
    case = _case(f"cowbench.checks.{finding.check}", whose(finding.cell, where), f"{finding.level}: {told}\n{fix}")
    if finding.level == "error":
        _child(case, "failure", told, fix)
    return case


def _comparison(one: Comparison, where: dict[str, Place]) -> ET.Element:
    against = where[one.against].full if one.against in where else "the reference"
    name = f"{metric(one.metric).words} of {where[one.cell].full} against {against}"
    ratio = " ".join(numbers.ratio(one.ratio)) if one.ratio else ""
    reason = shortened(phrases.clean_reason(one.reason), where)
    told = "; ".join(filter(None, (f"{phrases.VERDICT_WORDS[one.verdict]} {ratio}".strip(), reason, phrases.more_blocks(one))))
    case = _case(f"cowbench.comparisons.{one.kind}.{one.workload}", name, told)
    if one.emulated:
        case.insert(0, _properties({EMULATED: "true"}))
    if one.verdict == "refused":
        _child(case, "skipped", f"{phrases.VERDICT_WORDS['refused']}: {reason}", "")
    return case


def _case(classname: str, name: str, output: str) -> ET.Element:
    case = ET.Element("testcase", classname=printable(classname), name=printable(name), time="0")
    ET.SubElement(case, "system-out").text = printable(output)
    return case


def _child(case: ET.Element, tag: str, message: str, body: str) -> None:
    child = ET.Element(tag, message=printable(message))
    child.text = printable(body) or None
    # The schema of Jenkins and others wants properties first, then the outcome, then the output.
    case.insert(0 if case.find("properties") is None else 1, child)


def _facts(run: Run) -> dict[str, str]:
    """Return what a dashboard may filter by: kernels and engines as read back, and whether any number is emulated."""
    hosts = [target.host for target in run.targets]
    return {
        "run": run.run_id,
        "kernels": ", ".join(dict.fromkeys(host.kernel for host in hosts)),
        "engines": ", ".join(dict.fromkeys(host.engine_version for host in hosts)),
        EMULATED: "true" if any(host.emulated for host in hosts) else "false",
    }


def _properties(values: dict[str, str]) -> ET.Element:
    element = ET.Element("properties")
    for name, value in values.items():
        ET.SubElement(element, "property", name=name, value=printable(value))
    return element


def _counts(cases: list[ET.Element]) -> dict[str, str]:
    failed = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {"tests": str(len(cases)), "failures": str(failed), "errors": "0", "skipped": str(skipped)}
