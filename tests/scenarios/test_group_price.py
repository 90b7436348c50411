"""What one consumer a partition costs: the numbers that group_one_per_partition tells, from the simulation."""

from __future__ import annotations

import pytest

from sim import load, simulate
from sim.protocol.rows import Kind

S = 1_000_000
MORE = "producers.billing.workload.rate=2000/s"  # so that nobody waits for records
POOL = "consumers.ledger.processing={time: 20ms, threads: 8, order: key, commit: watermark}"
ZIPF = "producers.billing.workload.keys={count: 300, skew: zipf}"


def members(count: int) -> str:
    return f"consumers.ledger.members={count}"


def processed(*changes: str) -> int:
    """Records a second that the group is through with, from the third second of the run to its end at the sixth."""
    events = simulate(load("group_one_per_partition").with_overrides(changes), 0, check_laws=False).events
    ended = (events["kind"] == Kind.PROC_END) & (events["t_us"] >= 3 * S) & (events["t_us"] < 6 * S)
    return round(int((events["hi"] - events["lo"])[ended].sum()) / 3)


@pytest.mark.parametrize(("count", "rate"), [(1, 50), (2, 100), (3, 150), (6, 150)])
def test_a_partition_goes_as_fast_as_one_thread(count: int, rate: int) -> None:
    """20 ms a record are 50 a second and thread."""
    assert processed(members(count)) == rate
    assert processed(MORE, members(count)) == rate


def test_more_partitions_or_a_pool_by_key_buy_it_back() -> None:
    """Six threads, and 3 times 8; with keys of a skew some of them wait for records of their keys."""
    assert processed(MORE, members(6), "topics.payments.partitions=6") == 300
    assert processed(MORE, members(3), POOL) == 1200
    assert 1000 <= processed(MORE, members(3), POOL, ZIPF) <= 1100


def test_the_scenario_says_so() -> None:
    answer = load("group_one_per_partition").answer
    assert answer is not None
    for said in ("50, 100, 150 and 150 a second", "six partitions do 300", "does 1,200", "1,000 to 1,100"):
        assert said in answer
