"""The numbers that the three rolling deploys tell: how often partitions change hands, how long nobody has them."""

from __future__ import annotations

import pytest

from analysis import judge
from sim import load, simulate
from sim.protocol.rows import Kind

S = 1_000_000


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("protocol", "hand_overs", "seconds", "twice"),
    [("eager", {36}, (6, 27), (0, 0)), ("cooperative", {10, 12}, (32, 40), (65, 175)),
     ("consumer", {10, 12}, (29, 37.1), (0, 0))],
)  # fmt: skip
def test_a_deploy_moves_as_much_and_takes_as_long_as_its_answer_says(
    protocol: str, hand_overs: set[int], seconds: tuple[float, float], twice: tuple[int, int], seed: int
) -> None:
    """From the first stop to the last newcomer; a partition is nobody's from its revocation to its next assignment."""
    trace = simulate(load(f"group_deploy_{protocol}"), seed)
    gone: dict[int, int] = {}
    waits: list[int] = []
    for row in trace.rows(Kind.ASSIGN, Kind.REVOKE):
        if row["t_us"] < 9 * S:
            continue
        if row["kind"] == Kind.REVOKE:
            gone[row["partition"]] = row["t_us"]
        elif row["partition"] in gone:
            waits.append(row["t_us"] - gone.pop(row["partition"]))
    assert gone == {} and len(waits) in hand_overs
    assert seconds[0] * S <= sum(waits) <= seconds[1] * S
    assert twice[0] <= judge(trace, names=["duplicate-delivery"]).counts["duplicate-delivery"] <= twice[1]
