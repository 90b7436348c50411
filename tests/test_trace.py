"""What a run leaves behind: columns, digest, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.errors import InputError
from sim.protocol.rows import COLUMNS, Kind
from sim.trace import BLOCK, EVENT_COLUMNS, SEND_COLUMNS, Recorder, Trace, first_divergence


def row(t_us: int, kind: Kind = Kind.APPEND, **columns: int) -> tuple[int, ...]:
    given = {"t_us": t_us, "kind": int(kind), "code": 0, **columns}
    return tuple(given.get(name, -1) for name in COLUMNS)


def trace_of(*rows: tuple[int, ...], **header: Any) -> Trace:
    recorder = Recorder()
    for one in rows:
        recorder.append(one)
    sends = {name: np.arange(3).astype(kind) for name, kind in SEND_COLUMNS.items()}
    return Trace(recorder.columns(), sends, {"format": 1, "seed": 4, "scenario": {"run_us": 5}, **header})


def test_rows_come_back_in_order_over_several_blocks() -> None:
    recorder = Recorder()
    for number in range(2 * BLOCK + 10):
        assert recorder.append(row(number * 1000, offset=number, code=-(number % 3))) == number
    columns = recorder.columns()
    assert columns["t_us"].tolist() == [number * 1000 for number in range(2 * BLOCK + 10)]
    assert columns["offset"].tolist() == list(range(2 * BLOCK + 10))
    assert columns["code"].tolist() == [-(number % 3) for number in range(2 * BLOCK + 10)]
    assert list(columns) == list(COLUMNS)


def test_a_row_costs_at_most_eighty_bytes() -> None:
    recorder = Recorder()
    for number in range(BLOCK):
        recorder.append(row(10**9 + number, conn=300, partition=100, lo=number, hi=number + 1, pid=1_000_001))
    columns = recorder.columns()
    assert sum(column.nbytes for column in columns.values()) / BLOCK <= 80


def test_large_numbers_are_kept_whole() -> None:
    kept = trace_of(row(2**62, offset=2**40, n=2**50)).row(0)
    assert (kept["t_us"], kept["offset"], kept["n"]) == (2**62, 2**40, 2**50)


def test_columns_have_their_own_types_however_short_the_trace() -> None:
    for trace in (trace_of(), trace_of(row(1))):
        assert {name: column.dtype for name, column in trace.events.items()} == EVENT_COLUMNS


def test_an_empty_trace_has_every_column() -> None:
    empty = trace_of()
    assert list(empty.events) == list(COLUMNS) and empty.event_count == 0
    assert len(empty.digest()) == 64


def test_the_digest_does_not_hang_on_the_integer_types_of_columns() -> None:
    small = trace_of(row(1), row(2))
    large = trace_of(row(1), row(2))
    large.events = {name: column.astype(np.int64) for name, column in large.events.items()}
    assert small.digest() == large.digest()


@pytest.mark.parametrize(
    "other",
    [
        trace_of(row(1), row(3)),
        trace_of(row(1)),
        trace_of(row(1), row(2), seed=5),
        trace_of(row(1), row(2), scenario={"run_us": 6}),
        trace_of(row(1), row(2, Kind.REPLICATE)),
    ],
)
def test_the_digest_changes_with_any_row_the_seed_and_the_scenario(other: Trace) -> None:
    assert trace_of(row(1), row(2)).digest() != other.digest()


def test_the_digest_does_not_change_with_versions_and_words() -> None:
    plain = trace_of(row(1), title="one", versions={"python": "3.11"})
    other = trace_of(row(1), title="two", versions={"python": "3.13"}, scenario={"run_us": 5, "about": {"title": "x"}})
    assert plain.digest() == other.digest()


def test_the_digest_of_a_fixed_trace_is_known() -> None:
    assert trace_of(row(1), row(2)).digest().startswith("c701bea3c3363c18")


def test_saving_and_loading_gives_the_same_trace(tmp_path: Path) -> None:
    trace = trace_of(row(1, conn=3), row(2**40), title="Übung", faults=["a", "b"])
    folder = trace.save(tmp_path / "run")
    for path in (folder, folder / "events.parquet"):
        loaded = Trace.load(path)
        assert loaded.header == trace.header
        assert loaded.digest() == trace.digest()
        assert first_divergence(trace, loaded) is None
    assert sorted(path.name for path in folder.iterdir()) == ["events.parquet", "sends.parquet"]


def test_an_interrupted_save_leaves_no_file_under_the_final_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trace_of(row(1)).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_trace_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="events.parquet"):
        Trace.load(tmp_path)
    (tmp_path / "events.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(InputError, match="cannot be read as a trace"):
        Trace.load(tmp_path)
    for name in ("events.parquet", "sends.parquet"):
        pq.write_table(pa.table({"a": [1, 2]}), tmp_path / name)
    with pytest.raises(InputError, match="is not a trace of this version of korder"):
        Trace.load(tmp_path)
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "events.parquet")
    with pytest.raises(InputError, match="not a trace"):
        Trace.load(tmp_path)


def test_a_file_of_another_run_beside_it_is_noticed(tmp_path: Path) -> None:
    trace = trace_of(row(1))
    trace.header["digest"] = trace.digest()
    other = trace_of(row(1))
    other.sends = {**other.sends, "size": np.array([0, 1, 9], dtype=np.int32)}
    trace.save(tmp_path / "one")
    other.save(tmp_path / "two")
    (tmp_path / "two" / "sends.parquet").replace(tmp_path / "one" / "sends.parquet")
    with pytest.raises(InputError, match="its digest differs"):
        Trace.load(tmp_path / "one")


def test_the_first_divergence_names_table_row_and_both_sides() -> None:
    found = first_divergence(trace_of(row(1), row(2), row(3)), trace_of(row(1), row(2, lo=7), row(4)))
    assert found is not None
    assert (found.table, found.row) == ("events", 1)
    assert str(found) == "events row 1: t_us=2, kind=APPEND, code=0 against t_us=2, kind=APPEND, lo=7, code=0"


def test_a_trace_that_ends_early_diverges_at_its_end() -> None:
    found = first_divergence(trace_of(row(1)), trace_of(row(1), row(2)))
    assert found is not None and found.a is None and found.b is not None and found.row == 1
    assert str(found).startswith("events row 1: nothing against t_us=2")


def test_a_divergence_of_sends_is_found_behind_equal_events() -> None:
    other = trace_of(row(1))
    other.sends = {**other.sends, "size": np.array([0, 1, 9], dtype=np.int32)}
    found = first_divergence(trace_of(row(1)), other)
    assert found is not None and (found.table, found.row) == ("sends", 2)


def test_frames_name_the_kinds() -> None:
    events, sends = trace_of(row(1), row(2, Kind.ACK)).frames
    assert events["kind"].tolist() == ["APPEND", "ACK"]
    assert len(sends) == 3


def test_rows_can_be_chosen_by_kind() -> None:
    trace = trace_of(row(1), row(2, Kind.ACK), row(3))
    assert [found["t_us"] for found in trace.rows(Kind.APPEND)] == [1, 3]
    assert [found["t_us"] for found in trace.rows()] == [1, 2, 3]


def test_jupyter_shows_a_table_with_the_title_escaped() -> None:
    trace = trace_of(row(1), title="a < b", run_us=1_500_000, settle_us=0, settled=False, unsettled=["x is down"])
    shown = trace._repr_html_()
    assert "a &lt; b" in shown and "1.5 s" in shown and "no: x is down" in shown
