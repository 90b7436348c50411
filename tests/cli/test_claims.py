"""The gallery of claims: each verdict is carried by scenarios that come out as it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from analysis.cli import claims
from analysis.finding import CLASSES
from sim.scenario import bundled, load
from tests.cli.conftest import Said

Korder = Callable[..., Said]


def test_every_claim_has_a_verdict_its_condition_and_what_shows_it() -> None:
    for claim in claims.claims():
        assert set(claim) <= {"claim", "verdict", "if", "shows"}
        assert claim["verdict"] in ("true", "true if", "outdated") and claim["shows"]
        assert claim["verdict"] == "true" or claim["if"]
        for show in claim["shows"]:
            assert show["scenario"] in bundled() and show["finding"] in CLASSES


def test_all_of_the_classical_advice_is_there() -> None:
    advice = (
        "within a partition", "Offsets", "same key", "without a key", "order of its offsets", "resumes at its offset",
        "Replication keeps", "removes duplicates", "when requests are sent again", "One producer", "acks=all",
        "one consumer", "Retries keep", "across partitions", "Parallel consumers", "failover", "number of partitions",
        "single partition",
    )  # fmt: skip
    told = [claim["claim"] for claim in claims.claims()]

    for words in advice:
        assert sum(words in claim for claim in told) == 1, words


def test_what_a_claim_says_of_a_scenario_its_own_expectation_says_too() -> None:
    """Where the scenario expects something of that finding; tests/scenarios holds it to that."""
    compared = 0
    for claim in claims.claims():
        for show in claim["shows"]:
            expected = load(show["scenario"]).expect.get(show["finding"])
            compared += expected is not None
            assert expected in (None, show["seen"], "always" if show["seen"] == "sometimes" else None), claim["claim"]
    assert compared > 25


def test_a_claim_that_holds_and_one_that_does_not(
    korder: Korder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = {"scenario": "ten_records", "finding": "append-reorder", "seen": "always"}
    wrong = {**show, "finding": "lost-acked"}
    told = [{"claim": "A <b> window", "verdict": "true if", "if": "x", "shows": [show]}]
    monkeypatch.setattr(claims, "claims", lambda: told)

    said = korder("claims", "--seeds", "0..2", "--jobs", "1", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "claims.html").read_text()
    assert said.status == 0 and "ten_records: append-reorder in 100 % (43.9..100) of 3 seeds" in said.out
    assert "korder run ten_records --seed 0" in said.out and said.out.endswith(f"{tmp_path / 'out' / 'claims.html'}\n")
    assert "A &lt;b&gt; window" in page and page.count("<img ") == 1
    assert "ten_records, seed 0</figcaption>" in page

    told[0]["shows"] = [show, wrong]
    said = korder("claims", "--seeds", "0..2", "--jobs", "1")
    assert said.status == 1 and "lost-acked in 0 (up to 56.1 %) of 3 seeds; claimed is always" in said.out
    (one,) = json.loads(korder("claims", "--seeds", "0..2", "--jobs", "1", "--json").out)["claims"]
    assert [show["as_claimed"] for show in one["shows"]] == [True, False]


def test_a_claim_without_a_case_shows_a_run_without_one_and_a_group_is_shown_in_time(
    korder: Korder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    monkeypatch.setattr("analysis.group_plots.group_timeline", lambda *_: drawn.append("group") or Figure())
    monkeypatch.setattr("analysis.plots.timeline", lambda *_: drawn.append("partition") or Figure())
    told = [
        {"claim": name, "verdict": "true", "shows": [{"scenario": name, "finding": "append-reorder", "seen": "never"}]}
        for name in ("group_parallelism", "order_within_partition")
    ]
    monkeypatch.setattr(claims, "claims", lambda: told)

    said = korder("claims", "--seeds", "0..0", "--jobs", "1", "--out", tmp_path / "out")

    assert said.status == 0 and drawn == ["group", "partition"]
    page = (tmp_path / "out" / "claims.html").read_text()
    assert page.count(", seed 0: a run without append-reorder</figcaption>") == 2
