"""Every bundled scenario asks a question, answers it in words, and comes out as it says.

``never`` and ``always`` are looked at over the first seeds of each file; a ``sometimes`` has to be seen in one of
the file's own seeds. ``korder check scenarios`` looks at all of them.
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pytest

from analysis import judge
from sim import Trace, load, simulate
from sim.protocol.error_codes import ErrorCode
from sim.protocol.rows import Kind
from sim.scenario import Scenario, bundled

SEEDS = 2
NAMES = sorted(bundled())


@lru_cache(maxsize=4)
def _run(name: str, seed: int) -> Trace:
    return simulate(_scenario(name), seed=seed, check_laws=True)


@cache
def _scenario(name: str) -> Scenario:
    return load(name)


def _counts(name: str, seed: int) -> dict[str, int]:
    found = judge(_run(name, seed)).to_json()["findings"]
    return {finding: int(entry["count"]) for finding, entry in found.items()}


def _expected(name: str) -> dict[str, Any]:
    return {finding.replace("_", "-"): wanted for finding, wanted in (_scenario(name).expect or {}).items()}


@pytest.mark.parametrize("name", NAMES)
def test_it_asks_and_answers_in_words_and_expects_something(name: str) -> None:
    scenario = _scenario(name)
    assert scenario.title and scenario.question and scenario.answer
    assert _expected(name)


def _breaks(wanted: Any, count: int) -> bool:
    return (wanted == "never" and count > 0) or (wanted == "always" and count == 0)


@pytest.mark.parametrize("name", NAMES)
def test_it_settles_and_comes_out_as_it_says(name: str) -> None:
    """Each run once: the first seeds for what is never or always so, more until every ``sometimes`` is seen."""
    expected = _expected(name)
    waiting = {finding for finding, wanted in expected.items() if wanted == "sometimes"}
    for number, seed in enumerate(_scenario(name).seeds):
        if number >= SEEDS and not waiting:
            break
        counts = _counts(name, seed)
        waiting -= {finding for finding in waiting if counts[finding]}
        if number < SEEDS:
            assert _run(name, seed).header["unsettled"] == []
            assert [one for one, wanted in expected.items() if _breaks(wanted, counts[one])] == []
    assert waiting == set()


def _log(trace: Trace, partition: int) -> list[str]:
    values = {(0, int(i)): value for i, value in trace.header["values"]["0"].items()}
    sends, events = trace.sends, trace.events
    at = {
        (int(p), int(lane)): values[int(prod), int(i)]
        for prod, i, p, lane in zip(sends["prod"], sends["i"], sends["partition"], sends["lane"], strict=True)
    }
    rows = [row for row in range(len(events["kind"])) if events["kind"][row] == Kind.APPEND]
    rows = sorted((row for row in rows if events["partition"][row] == partition), key=lambda row: events["offset"][row])
    return [at[partition, lane] for row in rows for lane in range(events["lo"][row], events["hi"][row])]


def test_the_payments_stand_in_their_partitions_in_send_order() -> None:
    trace = _run("payments", 0)
    assert [_log(trace, partition) for partition in (0, 1, 2)] == [
        ["T1", "T2", "T3"], ["T4", "T5", "T6"], ["T7", "T8", "T9"],
    ]  # fmt: skip


def test_a_single_partition_costs_about_three_quarters_of_the_throughput() -> None:
    """The numbers in the answers of both files: acknowledged records a second until the last is acknowledged."""

    def rate(name: str) -> int:
        events = _run(name, 0).events
        acked = events["kind"] == Kind.ACK
        records = int((events["hi"] - events["lo"])[acked].sum())
        return records * 1_000_000 // int(events["t_us"][acked].max())

    single, six = rate("total_order_single_partition"), rate("total_order_price")
    assert 2_000 <= single <= 2_200
    assert 8_300 <= six <= 8_900


def test_every_file_of_the_folder_is_bundled() -> None:
    folder = Path(__file__).resolve().parents[2] / "scenarios"
    assert sorted(path.stem for path in folder.glob("*.yaml")) == NAMES


def test_after_an_unclean_election_the_reader_goes_back_to_where_the_logs_part() -> None:
    """broker:VIS-7, consumer:F2.27, KIP-320: offsets 0 to 299 are in both logs; the position beyond is found to be of
    another epoch."""
    events = _run("unclean_election", 0).events
    resets = [
        (int(events["offset"][row]), int(events["code"][row]))
        for row in range(len(events["kind"]))
        if events["kind"][row] == Kind.RESET
    ]
    assert resets == [(0, 0), (300, ErrorCode.FENCED_LEADER_EPOCH)]
