"""``korder sweep`` and ``korder compare`` as a user meets them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.cli.rates import rate_words
from analysis.statistics import Interval, wilson
from analysis.sweep import sweep
from tests.cli.conftest import Said, korder  # noqa: F401
from tests.sweep.conftest import VARY

Korder = Callable[..., Said]
GRID = tuple(word for one in VARY for word in ("--vary", one))


def test_a_sweep_says_cells_rates_and_where_the_table_is(korder: Korder, small: Path, tmp_path: Path) -> None:  # noqa: F811
    said = korder("sweep", small, *GRID, "--seeds", "0..5", "--jobs", "1", "--out", tmp_path / "out")

    lines = said.out.splitlines()
    assert said.status == 0
    assert lines[1] == f"{small}, 4 cells, 6 seeds each: 24 runs"
    assert lines[3:5] == ["A  max.in.flight.requests.per.connection", "B  enable.idempotence"]
    told = json.loads((tmp_path / "out" / "summary.json").read_text())["rows"]
    late = [row for row in told if row["measure"] == "late" and row["cell"] == 2][0]
    interval = Interval(late["estimate"], late["low"], late["high"])
    assert lines[9].startswith(f"5  false  {rate_words(interval)}  ")
    assert lines[-1] == f"wrote {tmp_path / 'out' / 'report.html'}"
    assert "sweeping: 24 runs" in said.err and "sweeping: 24 of 24" in said.err and " s left" in said.err


def test_the_report_is_one_file_with_figures_and_the_line_that_repeats_it(
    korder: Korder, small: Path, tmp_path: Path,  # noqa: F811
) -> None:  # fmt: skip
    out = tmp_path / "out"
    small.write_text(small.read_text().replace("title: Lost", 'title: "<b>&amp; lost').replace("random", 'random"', 1))
    korder("sweep", small, *GRID, "--seeds", "0..3", "--jobs", "1", "--out", out, "--warm-up", "100ms")

    page = (out / "report.html").read_text()

    assert "&lt;b&gt;&amp;amp; lost" in page and "<b>&" not in page
    assert page.count("<img ") >= 3 and "src='data:image/png;base64," in page and "http" not in page
    line = re.findall(r"<pre>(korder sweep [^<]+)</pre>", page)[0]
    again = korder(*shlex.split(line)[1:-1], tmp_path / "again", "--jobs", "1")
    assert again.status == 0
    assert (out / "sweep.parquet").read_bytes() == (tmp_path / "again" / "sweep.parquet").read_bytes()
    assert (out / "report.html").read_text() == (tmp_path / "again" / "report.html").read_text()


def test_a_violation_of_readers_is_told_in_how_many_seeds(korder: Korder, tmp_path: Path) -> None:  # noqa: F811
    """Each seed of this scenario loses processing to a commit before the work, and none loses or reorders a record."""
    grid = ("--vary", "linger.ms=0,5", "--seeds", "0..1", "--jobs", "1")
    said = korder("sweep", "application_commit_before", *grid, "--out", tmp_path / "out")

    assert said.status == 0
    assert "in no seed: append-reorder, duplicate-append, lost-acked\n" in said.out
    both = rate_words(wilson(2, 2))
    header = "A  lost-processing, of seeds  premature-commit, of seeds\n"
    first = f"0  {both:25}  {both}\n"
    assert f"{header}{first}5{first[1:]}" in said.out
    one_run = korder("run", "application_commit_before", "--seed", "0").out
    assert "hangs on consumers and their application" in one_run and "must not happen" not in one_run
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<th>lost-processing, of seeds</th><th>premature-commit, of seeds</th>" in page
    assert f"<td>0</td><td>{both}</td><td>{both}</td>" in page


def test_json_is_the_summary_and_nothing_else(korder: Korder, small: Path) -> None:  # noqa: F811
    said = korder("sweep", small, "--seeds", "0..1", "--jobs", "1", "--json")

    told = json.loads(said.out)
    assert told["runs"] == 2 and {row["cell"] for row in told["rows"]} == {0}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--vary", "acks"], "KEY=V1,V2"),
        (["--vary", "ackss=1,2"], "did you mean acks"),
        (["--vary", "acks=1,5"], "--vary acks=5"),
        (["--executor", "proces", "--jobs", "2"], "did you mean process"),
        (["--scheduler", "tcp://localhost:1"], "add --executor dask"),
        (["--warm-up", "5"], "a number with its unit"),
        (["--warm-up", "2s"], "leaves nothing"),
        (["--until-width", "2"], "is not a width"),
        (["--until-width", "0.1", "--until-measure", "latte"], "did you mean late"),
        (["--until-measure", "late"], "add --until-width"),
        (["--seeds", "5..1"], "1..5"),
    ],
)
def test_a_wrong_wish_is_one_line_and_status_2(
    korder: Korder, small: Path, more: list[str], words: str,  # noqa: F811
) -> None:  # fmt: skip
    said = korder("sweep", small, *more)

    assert said.status == 2 and said.out == "" and words in said.err.splitlines()[-1] and "Traceback" not in said.err


def test_a_comparison_shows_both_sides_their_difference_and_a_seed_in_words(
    korder: Korder, small: Path,  # noqa: F811
) -> None:  # fmt: skip
    said = korder("compare", small, "--set", "enable.idempotence=true", "--seeds", "0..5", "--jobs", "1")

    assert said.status == 0
    assert "A  the file as it is\nB  enable.idempotence=true\n" in said.out
    assert "late, of records" in said.out and "acknowledged a second" in said.out
    again = [line.partition("again: ")[2] for line in said.out.splitlines() if "again: " in line]
    assert "append-reorder" in korder(*shlex.split(again[0])[1:]).out.partition("looked for")[0]
    assert "append-reorder" not in korder(*shlex.split(again[1])[1:]).out.partition("looked for")[0]


def test_a_side_may_have_several_settings(korder: Korder, small: Path) -> None:  # noqa: F811
    said = korder(
        "compare", small, "--set", "acks=1; linger.ms=5", "--set", "acks=all;linger.ms=5", "--seeds", "0..1", "--json",
        "--jobs", "1",
    )  # fmt: skip

    told = json.loads(said.out)
    assert (told["a"], told["b"]) == (["acks=1", "linger.ms=5"], ["acks=all", "linger.ms=5"])
    assert {line["kind"] for line in told["lines"]} <= {"rate", "share", "median"}
    assert all({"estimate", "low", "high", "note"} == set(line["difference"]) for line in told["lines"])


@pytest.mark.parametrize("command", [("sweep",), ("compare", "--set", "linger.ms=5"), ("compare", "--set", "acks=1")])
@pytest.mark.parametrize("seeds", ["3", "3..4"])
def test_one_seed_or_two_are_enough_to_be_told_how_little_they_say(
    korder: Korder, small: Path, command: tuple[str, ...], seeds: str,  # noqa: F811
) -> None:  # fmt: skip
    said = korder(command[0], small, *command[1:], "--seeds", seeds, "--jobs", "1")

    assert said.status == 0 and "nan" not in said.out and "inf" not in said.out.replace("information", "")


@pytest.mark.parametrize(
    ("sets", "words"),
    [([], "two"), (["acks=1"] * 3, "two"), (["acks"], "KEY=VALUE"), (["acks=1", "acks=1"], "the same")],
)
def test_what_is_not_two_sides_is_refused(korder: Korder, small: Path, sets: list[str], words: str) -> None:  # noqa: F811
    said = korder("compare", small, *(word for one in sets for word in ("--set", one)), "--seeds", "0..1")

    assert said.status == 2 and said.out == "" and words in said.err and "Traceback" not in said.err


def test_rates_are_told_with_three_digits_and_what_was_never_seen_by_its_bound() -> None:
    assert rate_words(wilson(0, 200)) == "0 (up to 1.88 %)"
    assert rate_words(wilson(15, 148)) == "10.1 % (6.24..16)"
    assert rate_words(wilson(0, 0)) == "none counted"


def test_the_columns_of_the_table_are_told_as_they_are(korder: Korder, small: Path) -> None:  # noqa: F811
    told = json.loads(korder("schema", "sweep").out)

    table = sweep(small, seeds=range(1), jobs=1).table
    assert list(told["columns"]) == table.column_names and told["schema"] == 2
    assert all(one["means"] and one["type"] in ("int", "float", "text", "bool") for one in told["columns"].values())
    assert korder("schema", "swep").status == 2
