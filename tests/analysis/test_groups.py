"""Groups on their way from a trace to the analyzer, and in pictures."""

from __future__ import annotations

from functools import cache
from typing import Any

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.pyplot import close

import analysis.history as h
from analysis import judge
from analysis.from_trace import history_of
from analysis.group_plots import _Picture, _shared, group_timeline, groups_of
from analysis.history import History
from sim import simulate
from sim.errors import InputError
from sim.protocol.rows import Kind
from sim.scenario import from_dict
from sim.trace import Trace

S = 1_000_000


@cache
def run(per: str = "record") -> Trace:
    """Two members; the first dies at work and comes back."""
    work = {"time": "20ms", "per": per, "commit": "after"}
    config = {"auto.offset.reset": "earliest", "enable.auto.commit": False, "session.timeout.ms": 6000}
    return simulate(from_dict({
        "run": "14s",
        "settle": "20s",
        "brokers": {"count": 3, "config": {"group.initial.rebalance.delay.ms": 0}},
        "topics": {"t": {"partitions": 2, "replication.factor": 3}},
        "producers": {"app": {"workload": {"topic": "t", "rate": "100/s", "stop": "5s", "keys": {"count": 9}}}},
        "consumers": {"g": {"topics": ["t"], "members": 2, "config": config, "processing": work}},
        "faults": [{"at": "3s", "kill": "g-1", "restart_after": "1s"}],
    }), seed=6, check_laws=True)  # fmt: skip


def history(per: str = "record") -> History:
    return history_of(run(per))


def columns(table: Any, *names: str) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(table, name).tolist() for name in names), strict=True))


def test_members_are_in_their_group_and_kafkas_own_topic_is_not_judged() -> None:
    found = history()
    assert found.consumers.group == ["g", "g"] and groups_of(found) == ["g"]
    own = [index for index, name in enumerate(found.partitions) if name.startswith("__consumer_offsets")]
    assert len(own) == 1
    for table in (found.appends, found.marks, found.leaders, found.truncations):
        assert not np.isin(table.partition, own).any()
    assert len(found.appends) > 0 and found.drain


def test_a_crash_and_a_fault_have_no_partition_and_are_told_all_the_same() -> None:
    found = history()
    assert (found.positions.kind == h.FORGET_CRASH).sum() == 1
    assert [found.words[kind] for kind in found.notes.kind.tolist()] == ["fault", "crash", "restart"]


def test_commits_are_told_with_what_became_of_them() -> None:
    found, trace = history(), run()
    rows = [(row["offset"], row["n"] == 1, row["seq"] == 1) for row in trace.rows(Kind.COMMIT)]
    assert columns(found.commits, "offset", "ok", "auto") == rows
    assert not any(auto for _, _, auto in rows)


def test_every_record_in_work_is_told_by_itself_in_order() -> None:
    """A row of the trace may stand for many records: they are worked on one after another."""
    found, trace = history("poll"), run("poll")
    told = columns(found.processing, "row", "end", "consumer", "partition", "offset")
    runs = [(number, row) for number, row in enumerate(trace.rows()) if row["kind"] in (Kind.PROC_START, Kind.PROC_END)]
    assert any(row["hi"] - row["lo"] > 1 for _, row in runs)
    expected: list[tuple[int, ...]] = []
    for number, row in runs:
        consumer, partition, offset = row["host"] - 5, row["partition"], row["offset"]
        if row["kind"] == Kind.PROC_START:
            expected.append((number, False, consumer, partition, offset))
            continue
        for k in range(row["hi"] - row["lo"]):
            expected += [(number, False, consumer, partition, offset + k)] * (k > 0)
            expected.append((number, True, consumer, partition, offset + k))
    assert told == expected


def test_what_a_dead_member_had_begun_comes_again_and_is_excused() -> None:
    verdict = judge(run())
    repeated = verdict.findings["duplicate-delivery"]
    assert repeated.count and repeated.extra["excused"] == repeated.count
    assert verdict.counts["unseen"] == verdict.counts["commit-regression"] == 0


def test_a_group_in_time_shows_owners_work_and_commits() -> None:
    figure = group_timeline(run())
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["t-0  g-1", "t-1  g-2"]
    assert any("kill: g-1" in text.get_text() for text in axes.texts)
    close(figure)


def test_what_happens_close_together_stands_in_rows_and_at_one_time_in_one() -> None:
    found = history()
    kill, restart = (k for k, kind in enumerate(found.notes.kind.tolist()) if found.words[kind] in ("fault", "restart"))
    found.notes.t[restart] = found.notes.t[kill] + 1

    figure = group_timeline(found)
    figure.canvas.draw()
    first, second = (text.get_window_extent() for text in figure.axes[0].texts)
    assert not first.overlaps(second)
    close(figure)

    found.notes.t[restart], found.notes.what[restart] = found.notes.t[kill], found.notes.what[kill]
    found.notes.kind[restart] = found.notes.kind[kill]  # a process of two clients: the fault is noted twice
    figure = group_timeline(found)
    assert [text.get_text() for text in figure.axes[0].texts] == ["kill: g-1, restart_after: 1s"]
    close(figure)


def test_work_that_never_ended_is_not_drawn_as_if_it_had() -> None:
    picture = _Picture(history(), "g", None)
    trace = run()
    crash = next(row["t_us"] for row in trace.rows(Kind.CRASH))
    mine = [
        (partition, span) for partition in (0, 1) for span in picture.work(partition, 0) if span[0] < crash < span[1]
    ]
    assert mine == []
    assert sum(end - start for p in (0, 1) for start, end in picture.work(p, 0)) > S


def test_times_with_several_owners_are_found_by_their_first_and_last_moment() -> None:
    """Three owners: 0..10, 5..20 and again 30..40, 8..35; one that begins as another ends shares nothing with it."""
    assert _shared([[(0, 10)], [(5, 20), (30, 40)], [(8, 35)]]) == [(5, 20, 3), (30, 35, 2)]
    assert _shared([[(0, 10)], [(10, 20)]]) == [] == _shared([[(0, 10), (15, 20)]])


def test_a_stolen_partition_has_a_box_round_its_lanes_and_a_clean_one_has_none() -> None:
    clean = group_timeline(run())
    assert boxes(clean.axes[0]) == []
    close(clean)
    picture = _Picture(history(), "g", None)
    lane = picture.lanes[0]
    picture.lanes.insert(1, (lane[0], 1))
    picture.owned[lane], picture.owned[picture.lanes[1]] = [(0, 2 * S)], [(S, 3 * S)]
    stolen = picture.figure()
    assert [(box.get_x(), box.get_width()) for box in boxes(stolen.axes[0])] == [(1.0, 1.0)]  # seconds
    close(stolen)


def boxes(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_hatch()]


def test_a_history_without_groups_has_no_such_picture() -> None:
    with pytest.raises(InputError, match="nobody is not in this history; known: g|known: g"):
        group_timeline(history(), "nobody")
