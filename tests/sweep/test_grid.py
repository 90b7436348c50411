"""``--vary`` made into cells: lists, ranges, log ranges, units; and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.sweep.grid import axis_of, cells_of, grid_of
from sim.errors import InputError
from sim.scenario import load


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("acks=0,1,all", ["0", "1", "all"]),
        ("linger.ms=1..5", [1, 2, 3, 4, 5]),
        ("linger.ms=10..50+20", [10, 30, 50]),
        ("batch.size=1..1000*10", [1, 10, 100, 1000]),
        ("linger.ms=1,10..12", [1, 10, 11, 12]),
        ("network.latency.median=1ms..100ms*10", ["1ms", "10ms", "100ms"]),
        ("network.latency.median=1..9ms+4ms", ["1ms", "5ms", "9ms"]),
        ("faults[0].rate=1/min..8/min*2", ["1/min", "2/min", "4/min", "8/min"]),
        ("faults[0].percent=10%..30%+10%", ["10%", "20%", "30%"]),
        ("x=0.5..2+0.5", [0.5, 1.0, 1.5, 2.0]),
        ("enable.idempotence=true,false", [True, False]),
        ("network.latency={distribution: constant, value: 1ms},{distribution: constant, value: 2ms}",
         ["{distribution: constant, value: 1ms}", "{distribution: constant, value: 2ms}"]),
        ('title_like="a,b",c', ['"a,b"', "c"]),
        ("run=1..10*3", [1, 3, 9]),
    ],
)  # fmt: skip
def test_values_are_lists_ranges_and_log_ranges(text: str, values: list[object]) -> None:
    assert axis_of(text).typed() == values


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("acks", "KEY=V1,V2"),
        ("acks=", "KEY=V1,V2"),
        ("acks=1,,2", "between two commas"),
        ("linger.ms=5..1", "ends before it begins"),
        ("linger.ms=1..5*1", "never reaches"),
        ("linger.ms=0..5*2", "never reaches"),
        ("linger.ms=1ms..5s", "mixes units"),
        ("linger.ms=1..1000000", "more than 1,000 values"),
        ("acks=1,1", "twice"),
        ("seeds=1,2", "--seeds"),
        ("title=a,b", "decides nothing"),
        ("expect.lost-acked=never,always", "decides nothing"),
        ("seed=1,2", "column of the table"),
    ],
)
def test_what_is_no_grid_is_refused_with_a_way_out(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        axis_of(text)

    assert str(caught.value).startswith("--vary ") and caught.value.way_out


def test_the_last_key_varies_fastest_and_every_combination_is_a_cell(small: Path) -> None:
    cells = cells_of(load(small), grid_of(["acks=1,all", "linger.ms=0..2"]))

    assert [cell.values for cell, _ in cells] == [("1", 0), ("1", 1), ("1", 2), ("all", 0), ("all", 1), ("all", 2)]
    assert [cell.number for cell, _ in cells] == list(range(6))
    assert cells[4][1].producers["shop"].config["acks"] == "all"


def test_a_cell_that_kafka_would_refuse_is_named_before_anything_runs(small: Path) -> None:
    """Java: ConfigException, max.in.flight.requests.per.connection above 5 with idempotence."""
    axes = grid_of(["enable.idempotence=true,false", "max.in.flight.requests.per.connection=5,6"])

    with pytest.raises(InputError) as caught:
        cells_of(load(small), axes)

    assert "cell enable.idempotence=true, max.in.flight.requests.per.connection=6" in str(caught.value)


def test_a_key_given_twice_and_too_many_cells_are_refused() -> None:
    with pytest.raises(InputError, match="given twice"):
        grid_of(["acks=1", "acks=all"])
    with pytest.raises(InputError, match="at most 10,000"):
        grid_of(["a=1..1000", "b=1..11"])
