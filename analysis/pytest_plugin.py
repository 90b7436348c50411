"""Scenario files as tests: ``pytest scenarios/`` with no code to write.

A YAML file with ``producers:`` and ``expect:`` at its left margin is a scenario and one test; other YAML is left alone.
The test holds if all expectations hold over the file's seeds (``--korder-seeds`` for others); its failure shows each
reason with the first witness and the line that replays it. Undecided fails, as in ``korder check``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from analysis.cli.check import Outcome

__all__ = ["ScenarioFile", "ScenarioTest"]

SUFFIXES = (".yaml", ".yml")
MOST_BYTES = 1 << 20
_PRODUCERS, _EXPECT = (re.compile(rf"^{key}\s*:", re.MULTILINE) for key in ("producers", "expect"))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("korder", "scenarios of korder")
    group.addoption("--korder-seeds", metavar="A..B", default=None, help="seeds of scenarios, instead of their own")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    if file_path.suffix not in SUFFIXES or not _is_scenario(file_path):
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


def _is_scenario(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return False
    return _PRODUCERS.search(text) is not None and _EXPECT.search(text) is not None


class ScenarioFile(pytest.File):
    def collect(self) -> Iterator[ScenarioTest]:
        yield ScenarioTest.from_parent(self, name="expectations")


class NotHeld(Exception):
    """Some expectation does not hold."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class ScenarioTest(pytest.Item):
    def runtest(self) -> None:
        from analysis.cli.arguments import seeds_of
        from analysis.cli.check import Wish, judged_here

        asked = self.config.getoption("--korder-seeds")
        seeds = None if asked is None else list(seeds_of(asked))
        outcome = judged_here(_shown(self.path), Wish(seeds=asked), seeds)
        if outcome.verdict != "holds":
            raise NotHeld(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from sim.errors import InputError, LawBroken

        if isinstance(excinfo.value, NotHeld):
            return "\n".join(_reasons(excinfo.value.outcome))
        if isinstance(excinfo.value, InputError | LawBroken):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{_shown(self.path)}: expectations"


def _reasons(outcome: Outcome) -> Iterator[str]:
    if outcome.scenario.title:
        yield outcome.scenario.title
    for one, words, again in outcome.failures():
        yield f"{one.name} is expected {one.expected}: {one.why}"
        if words:
            yield f"  {words}"
        yield f"  again: {again}"


def _shown(path: Path) -> str:
    """As a person would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
