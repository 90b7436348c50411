"""What a group promises under random memberships and faults: with commits behind the work, nothing is left out.

Every run checks the laws, those of groups included. ``KORDER_GROUP_SCHEDULES=20000`` runs more; a failing schedule is
shrunk and printed.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from sim.errors import LawBroken
from sim.protocol.member_classic import FENCED
from sim.protocol.rows import Kind
from sim.trace import Trace
from tests.properties.group_defects import DEFECTS, GroupDefect
from tests.properties.group_schedules import MEMBERS, SERVER_ASSIGNORS, GroupSchedule, group_schedules, played

CHUNKS = 8
PER_CHUNK = int(os.environ.get("KORDER_GROUP_SCHEDULES", "1000")) // CHUNKS

_fixed = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def unprocessed(trace: Trace) -> set[tuple[int, int]]:
    """(partition, offset) of records whose processing never ended, of all the log; where nobody is left in the group,
    of what it has committed. (A static member of librdkafka ends when a commit under its old member id is fenced: there
    FENCED_INSTANCE_ID is fatal, ``rd_kafka_handle_OffsetCommit``.)"""
    internal = {int(p["number"]) for p in trace.header["partitions"] if p["topic"] in trace.header["internal"]}
    done: set[tuple[int, int]] = set()
    committed: dict[int, int] = {}
    ends: dict[int, int] = {}
    columns = (trace.events[name].tolist() for name in ("kind", "partition", "offset", "lo", "hi", "n"))
    for kind, partition, offset, lo, hi, n in zip(*columns, strict=True):
        if kind == Kind.PROC_END:
            done |= {(partition, offset + k) for k in range(hi - lo)}
        elif kind == Kind.COMMIT and n == 1:
            committed[partition] = offset
        elif kind == Kind.HIGH_WATERMARK and n == 1 and partition not in internal:
            ends[partition] = max(ends.get(partition, 0), offset)  # a leader of old may still tell of its own
    assert all(committed.get(partition, 0) <= end for partition, end in ends.items())
    reach = ends if left_over(trace) else {partition: committed.get(partition, 0) for partition in ends}
    wanted = {(partition, offset) for partition, end in reach.items() for offset in range(end)}
    return wanted - done


def left_over(trace: Trace) -> bool:
    """Whether the member that nobody closes is in its group at the end, and was not fenced for good."""
    last = next(int(host["number"]) for host in trace.header["hosts"] if host["name"] == MEMBERS[-1])
    went = [row for row in trace.rows(Kind.LEFT, Kind.ASSIGN, Kind.RESTART) if row["host"] == last]
    return not (went and went[-1]["kind"] == Kind.LEFT and went[-1]["code"] == FENCED)


def holds(schedule: GroupSchedule) -> None:
    trace = played(schedule)
    assert trace.header["settled"], trace.header["unsettled"]
    assert unprocessed(trace) == set()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_group_that_commits_behind_its_work_leaves_nothing_out(chunk: int) -> None:
    seed(chunk)(settings(_fixed, max_examples=PER_CHUNK)(given(group_schedules())(holds)))()


@pytest.mark.parametrize("defect", DEFECTS, ids=[defect.plant.__name__ for defect in DEFECTS])
def test_a_broken_rule_is_noticed(defect: GroupDefect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of schedules with faults and this protocol, by one of the first hundred and fifty."""

    def fits(schedule: GroupSchedule) -> bool:
        return bool(schedule["faults"]) and (schedule["assignor"] in SERVER_ASSIGNORS) == defect.modern

    few = settings(_fixed, max_examples=150, phases=[Phase.generate])
    looked = seed(3)(few(given(group_schedules().filter(fits))(holds)))
    with monkeypatch.context() as patch:
        defect.plant(patch)
        with pytest.raises((AssertionError, LawBroken)):
            looked()
