"""Results as JUnit's XML, which every CI server shows: a suite a scenario or history, a case an expectation or name.

*failure*: broken; *error*: undecided; *skipped*: it could not be checked, or undecided is permitted. There is no time
in it, so that the same results are the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from analysis.cli.files import write_text
from analysis.cli.wording import witness_words

if TYPE_CHECKING:
    from analysis.expectations import Judged
    from analysis.finding import Finding
    from analysis.verdict import Verdict

__all__ = ["Case", "Suite", "cases_of_verdict", "outcome_of", "write_junit"]

ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # characters that XML 1.0 cannot hold
FAILURE, ERROR, SKIPPED = "failure", "error", "skipped"


@dataclass(frozen=True)
class Case:
    """*outcome*: empty where it passed, else the name of the element that says why not."""

    name: str
    outcome: str = ""
    message: str = ""
    text: str = ""


@dataclass(frozen=True)
class Suite:
    name: str
    cases: Sequence[Case]

    def count(self, outcome: str) -> int:
        return sum(case.outcome == outcome for case in self.cases)


def outcome_of(verdict: str, allow_undecided: bool = False) -> str:
    """Of an expectation's verdict; one seed that cannot tell is neither a failure nor a success."""
    if verdict == "undecided":
        return SKIPPED if allow_undecided else ERROR
    return {"holds": "", "broken": FAILURE}.get(verdict, SKIPPED)


def cases_of_verdict(verdict: Verdict) -> list[Case]:
    """A case an expectation; where nothing is expected, a case a name, which fails as the verdict on it does."""
    if verdict.expectations:
        return [_expected(one, verdict.findings) for one in verdict.expectations.values()]
    return [_found(finding) for finding in verdict.findings.values()]


def _expected(one: Judged, findings: Mapping[str, Finding]) -> Case:
    outcome = outcome_of(one.verdict)
    message = f"expected {one.expected}: {one.why}" if outcome else ""
    return Case(one.name, outcome, message, _witnesses(findings[one.name]) if outcome == FAILURE else "")


def _found(finding: Finding) -> Case:
    if not finding.checked:
        return Case(finding.name, SKIPPED, str(finding.why))
    if finding.kind != "violation" or not finding.count or finding.allowed is True:
        return Case(finding.name)
    return Case(finding.name, FAILURE, f"found {finding.count:,}", _witnesses(finding))


def _witnesses(finding: Finding, most: int = 5) -> str:
    return "\n".join(witness_words(finding.name, witness) for witness in finding.witnesses[:most])


def write_junit(path: Path, suites: Iterable[Suite]) -> None:
    """Whole or not at all; :class:`sim.errors.InputError` where it cannot be written."""
    suites = list(suites)
    root = ElementTree.Element("testsuites", _totals("korder", suites))
    for suite in suites:
        element = ElementTree.SubElement(root, "testsuite", _totals(suite.name, [suite]))
        for case in suite.cases:
            _add(element, suite, case)
    ElementTree.indent(root)
    write_text(path, '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n")


def _totals(name: str, suites: Sequence[Suite]) -> dict[str, str]:
    counts = {"tests": sum(len(suite.cases) for suite in suites)}
    for attribute, outcome in (("failures", FAILURE), ("errors", ERROR), ("skipped", SKIPPED)):
        counts[attribute] = sum(suite.count(outcome) for suite in suites)
    return {"name": _legal(name)} | {attribute: str(count) for attribute, count in counts.items()}


def _add(element: ElementTree.Element, suite: Suite, case: Case) -> None:
    told = ElementTree.SubElement(element, "testcase", {"classname": _legal(suite.name), "name": _legal(case.name)})
    if case.outcome:
        why = ElementTree.SubElement(told, case.outcome, {"message": _legal(case.message)})
        why.text = _legal(case.text) or None


def _legal(text: str) -> str:
    """What XML cannot hold becomes visible: ``\\x00``."""
    return ILLEGAL.sub(lambda found: ascii(found[0])[1:-1], text)
