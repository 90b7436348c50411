"""JUnit's XML: well-formed whatever names say, a case an expectation or name, and no file where it cannot be whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analysis.cli.junit import Case, Suite, write_junit
from tests.cli.conftest import DUPLICATED, QUIET, Said
from tests.cli.test_analyze import HEADER, SWAPPED

Korder = Callable[..., Said]


def cases(path: Path) -> dict[str, tuple[str, str, str]]:
    """By name of the case: what it is (``passed``, ``failure``, ...), its message and its text."""
    told = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        why = case[0] if len(case) else None
        told[case.attrib["name"]] = (
            ("passed", "", "") if why is None else (why.tag, why.attrib["message"], why.text or "")
        )
    return told


@pytest.fixture
def swapped(tmp_path: Path) -> Path:
    path = tmp_path / "swapped.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [HEADER, *SWAPPED]))
    return path


def test_of_a_history_every_name_is_a_case(korder: Korder, swapped: Path, tmp_path: Path) -> None:
    out = tmp_path / "junit.xml"
    said = korder("analyze", swapped, "--junit", out)
    told = cases(out)

    assert said.status == 0  # nothing was expected
    assert told["append-reorder"] == (
        "failure", "found 1", "a (orders-0 at 1) stands behind b (orders-0 at 0), which was sent after it",
    )  # fmt: skip
    assert told["lost-acked"] == ("passed", "", "")
    assert told["committed-truncation"][:2] == ("skipped", "the history has no high watermarks")


def test_of_a_history_with_expectations_each_of_them_is_a_case(korder: Korder, swapped: Path, tmp_path: Path) -> None:
    out = tmp_path / "junit.xml"
    asked = ("append-reorder=never", "lost-acked=never", "torn-transaction=never")
    said = korder("analyze", swapped, *(word for one in asked for word in ("--expect", one)), "--junit", out)
    told = cases(out)

    assert said.status == 1
    assert {name: one[0] for name, one in told.items()} == {
        "append-reorder": "failure", "lost-acked": "passed", "torn-transaction": "error",
    }  # fmt: skip
    totals = ElementTree.parse(out).getroot().attrib
    assert totals == {"name": "korder", "tests": "3", "failures": "1", "errors": "1", "skipped": "0"}


def test_of_scenarios_each_is_a_suite_and_a_failure_says_how_to_see_it_again(korder: Korder, tmp_path: Path) -> None:
    quiet, doubled, mute = (tmp_path / f"{name}.yaml" for name in ("quiet", "doubled", "mute"))
    quiet.write_text(QUIET)
    doubled.write_text(DUPLICATED)
    mute.write_text(DUPLICATED.split("expect:")[0])
    out = tmp_path / "new" / "junit.xml"
    out.parent.mkdir()

    said = korder("check", quiet, doubled, mute, "--seeds", "0..1", "--jobs", 1, "--junit", out)

    assert said.status == 1
    suites = {suite.attrib["name"]: suite.attrib for suite in ElementTree.parse(out).getroot()}
    assert [suites[str(path)]["failures"] for path in (quiet, doubled, mute)] == ["0", "1", "0"]
    assert [suites[str(path)]["tests"] for path in (quiet, doubled, mute)] == ["3", "2", "1"]
    what, message, text = cases(out)["duplicate-append"]
    assert what == "failure" and message.startswith("expected never: ")
    assert f"again: korder run {doubled} --seed 0" in text


def test_every_text_is_escaped_and_what_xml_cannot_hold_is_made_visible(tmp_path: Path) -> None:
    nasty = "<a b=\"c\">&amp; ]]> \x00 \x1b[31m \ufffe ü 😀 \ud800"
    out = tmp_path / "junit.xml"
    write_junit(out, [Suite(nasty, [Case(nasty, "failure", nasty, nasty)])])

    name, (what, message, text) = next(iter(cases(out).items()))
    expected = "<a b=\"c\">&amp; ]]> \\x00 \\x1b[31m \\ufffe ü 😀 \\ud800"
    assert (name, what, message, text) == (expected, "failure", expected, expected)


def test_the_same_results_are_the_same_bytes(korder: Korder, swapped: Path, tmp_path: Path) -> None:
    korder("analyze", swapped, "--junit", tmp_path / "a.xml")
    korder("analyze", swapped, "--junit", tmp_path / "b.xml")

    assert (tmp_path / "a.xml").read_bytes() == (tmp_path / "b.xml").read_bytes()


def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(korder: Korder, swapped: Path) -> None:
    said = korder("analyze", swapped, "--junit", swapped / "junit.xml")

    assert said.status == 2 and "is not a folder" in said.err
    folder = korder("analyze", swapped, "--junit", swapped.parent)
    assert folder.status == 2 and "cannot write" in folder.err
