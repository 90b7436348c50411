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

from sim.protocol.rows import Kind
from sim.wording import one_line
from tests.cli.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FIRST, SECOND, THIRD = "01_first_run", "02_idempotence_and_in_flight", "03_reading_a_failover"
FOURTH, FIFTH, SIXTH = "04_groups_and_processing", "05_your_own_configuration", "06_your_own_analysis"


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
    assert pair.of("ack_p99_us").difference.low < 0 < pair.of("ack_p99_us").difference.high
    assert round(100 * found_bound(frame)) == 39


def found_bound(frame: Any) -> float:
    from analysis.statistics import rule_of_three

    return rule_of_three(frame["seed"].nunique())


def test_the_third_answer_is_in_the_rows() -> None:
    """Ten seconds without an append, a batch of 77 in front, 22 late, two stored twice, none of it with idempotence."""
    namespace = ran(THIRD)
    answer = sources(ROOT / "notebooks" / f"{THIRD}.ipynb", "markdown")[-1]
    counts, safe = namespace["verdict"].counts, namespace["safe"].counts
    for said in ("ten seconds", "batch of 77 records", "22 records are\nlate", "the two that the dead leader"):
        assert said in answer
    assert 10 < namespace["first"] - namespace["at"]["CRASH"] < 10.5
    assert 9.5 < namespace["at"]["LEADER"] - namespace["at"]["CRASH"] < 10
    assert (counts["append-reorder"], counts["duplicate-append"], counts["lost-acked"]) == (22, 2, 0)
    assert (safe["append-reorder"], safe["duplicate-append"], safe["lost-acked"]) == (0, 0, 0)

    flight = namespace["flight"]
    tries = [flight[(flight["kind"] == "ATTEMPT") & (flight["n"] == n)]["lo"].tolist() for n in (1, 2, 3)]
    old = tries[1][:4]
    assert old == sorted(old, reverse=True) and old[::-1] == tries[2][:4]  # back in reverse, and turned round again
    appended = flight[(flight["kind"] == "APPEND") & (flight["host"] == "broker-2")]
    assert appended["lo"].tolist()[1:5] == tries[2][:4] and (appended["hi"] - appended["lo"]).iloc[0] == 77
    assert namespace["story"].mechanism == "retry after a refused batch"
    assert namespace["story"].proof.holds and "enable.idempotence=true" in namespace["story"].prevented_by


def test_the_fourth_answer_is_what_the_groups_did() -> None:
    namespace = ran(FOURTH)
    counts, runs = namespace["verdict"].counts, namespace["runs"]
    owners = namespace["mine"]["host"].tolist()
    assert counts["duplicate-processing"] > 0 and counts["append-reorder"] == 0 and counts["unseen"] == 0
    assert owners == ["ledger-1", "ledger-2", "ledger-2", "ledger-1"] and namespace["mine"]["s"].iloc[-1] >= 35
    twice = {name: one.counts["duplicate-delivery"] for name, one in runs.items()}
    eager, cooperative, committed = (twice[f"group_rebalance_{what}"] for what in ("reread", "cooperative", "commit"))
    assert eager > cooperative > committed == 0
    after, before = namespace["crashes"].values()
    assert 0 < after.counts["duplicate-delivery"] <= 4 * 50 and after.counts["lost-processing"] == 0
    assert before.counts["duplicate-delivery"] == 0 and before.counts["lost-processing"] > 0


def test_the_fifth_answer_is_what_the_sweep_shows() -> None:
    namespace = ran(FIFTH)
    frame, late, doubled = namespace["frame"], *(namespace["pair"].of(name) for name in ("late", "doubled"))
    assert namespace["in_force"].options["enable.idempotence"] == "false"
    assert any("acks=1 switched idempotence off" in note for note in namespace["in_force"].notes)
    assert (round(1000 * late.a.low, 1), round(1000 * late.a.high)) == (0.7, 3)
    assert (round(1000 * doubled.a.low), round(1000 * doubled.a.high)) == (4, 9)
    assert frame["lost"].sum() == 0 and frame["settled"].all()
    assert frame.loc[frame["acks"] == "all", ["late", "doubled"]].to_numpy().sum() == 0
    alone = frame[(frame["acks"] != "all") & (frame[namespace["WINDOW"]] == 1)]
    assert alone["late"].sum() == 0 < alone["doubled"].sum()
    assert 1_000 < namespace["pair"].of("ack_p50_us").difference.estimate < 3_000
    assert round(100 * found_bound(frame)) == 22


def test_the_sixth_answer_is_in_the_table() -> None:
    found = ran(SIXTH)["found"]
    plain, safe = found.loc[False], found.loc[True]
    keys = plain["keys that showed an old value"]
    assert (keys.min(), keys.max()) == (1, 47) and safe["keys that showed an old value"].sum() == 0
    assert round(plain["longest, ms"].max()) == 408 and plain["longest, ms"].min() == 0
    assert plain["keys that keep one"].sum() == 0


def test_the_sixth_table_is_what_a_plain_loop_gives() -> None:
    """The last value wins, record by record, on the run that the notebook shows."""
    namespace = ran(SIXTH)
    trace, shown = namespace["trace"], namespace["read_by_key"](namespace["trace"])
    lanes = {
        (int(trace.sends["prod"][n]), int(trace.sends["partition"][n]), int(trace.sends["lane"][n])): n
        for n in range(trace.send_count)
    }
    newest: dict[int, int] = {}
    fell_back = 0
    for row in trace.rows(Kind.POLL):
        for place in range(row["lo"], row["hi"]):
            send = lanes[row["prod"], row["partition"], place]
            key, number = int(trace.sends["key"][send]), int(trace.sends["i"][send])
            fell_back += number < newest.get(key, -1)
            newest[key] = max(number, newest.get(key, -1))
    assert fell_back == int(shown["old"].sum()) > 0
