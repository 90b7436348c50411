"""Notebooks run from top to bottom in a clean namespace, are stored without output, and say what they show.

Their code is plain Python (a test holds that), so that it runs here as it does in a kernel, cell by cell.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from sim.wording import one_line
from tests.cli.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FIRST, SECOND = "01_first_run", "02_idempotence_and_in_flight"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def sources(path: Path, kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in read(path)["cells"] if cell["cell_type"] == kind]


@cache
def ran(stem: str) -> dict[str, Any]:
    """The namespace after the last cell."""
    matplotlib.use("Agg")
    namespace: dict[str, Any] = {"__name__": "notebook"}
    for number, source in enumerate(sources(ROOT / "notebooks" / f"{stem}.ipynb", "code")):
        exec(compile(source, f"{stem}, code cell {number}", "exec"), namespace)
    return namespace


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path) -> None:
    assert len(ran(path.stem)) > 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_without_output_and_needs_no_kernel_of_its_own(path: Path) -> None:
    told = read(path)
    assert told["nbformat"] == 4 and told["metadata"]["kernelspec"]["name"] == "python3"
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in told["cells"] if "outputs" in cell)
    for source in sources(path, "code"):
        ast.parse(source)  # no magic, no shell


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_opens_with_a_question_and_ends_with_its_answer(path: Path) -> None:
    cells = read(path)["cells"]
    words = ["".join(cell["source"]) for cell in cells]
    assert cells[0]["cell_type"] == cells[-1]["cell_type"] == "markdown"
    assert re.match(r"# \d\. .+\n\n\*\*Question\.\*\* .*\?", words[0], re.DOTALL)
    assert words[-1].startswith("**Answer.** ")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_defines_next_to_nothing(path: Path) -> None:
    defined = [node for source in sources(path, "code") for node in ast.walk(ast.parse(source)) if is_definition(node)]
    assert len(defined) <= 1


def is_definition(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef)


def commands(text: str) -> Iterator[str]:
    return (one_line(found) for found in re.findall(r"`(korder [^`]+)`", text.replace("\n", " ")))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_commands_it_names_exist(path: Path) -> None:
    from analysis.cli.app import app

    known = {command.callback.__name__ for command in app.registered_commands if command.callback}
    named = [command.split()[1] for text in sources(path, "markdown") for command in commands(text)]
    assert named and set(named) <= known


# --- what the answers say ---------------------------------------------------------------------------------------------
def test_the_first_answer_is_the_log_of_the_run() -> None:
    namespace = ran(FIRST)
    answer = sources(ROOT / "notebooks" / f"{FIRST}.ipynb", "markdown")[-1]
    (log,) = re.findall(r"^\*\*Answer\.\*\* `([T\d ]+)`", answer)

    assert " ".join(namespace["log_of"](namespace["verdict"])) == log
    assert namespace["log_of"](namespace["safe"]) == [f"T{n}" for n in range(1, 11)]
    assert namespace["late"].count == 4 and len(set(log.split())) == 10
    assert (namespace["stream"]["max_extent"], namespace["stream"]["reordered_count"]) == (4, 4)


def test_the_second_answer_is_what_the_sweep_shows() -> None:
    """Zero where it says zero, and something where it says something."""
    namespace = ran(SECOND)
    frame, window = namespace["frame"], namespace["WINDOW"]
    plain, java = ~frame["enable.idempotence"], frame["producers.shop.client"] == "java"

    assert frame.loc[~plain, ["late", "doubled"]].to_numpy().sum() == 0
    assert frame.loc[plain & ~java, "late"].sum() == 0 and frame.loc[plain & (frame[window] == 1), "late"].sum() == 0
    some = frame[plain].groupby(["producers.shop.client", window])[["late", "doubled", "counted"]].sum()
    share = some[["late", "doubled"]].div(some["counted"], axis=0)
    assert share.loc["java", "late"].drop(1).between(0.001, 0.02).all()
    assert share["doubled"].between(0.003, 0.03).all()
    assert frame["lost"].sum() == 0 and frame["settled"].all()
    pair = namespace["pair"]
    assert abs(pair.of("acked_per_s").difference.estimate) < 0.02 * pair.of("acked_per_s").a.estimate
    assert pair.of("ack_p99_us").difference.low > 0
    assert round(100 * found_bound(frame)) == 39


def found_bound(frame: Any) -> float:
    from analysis.statistics import rule_of_three

    return rule_of_three(frame["seed"].nunique())
