"""The numbers that the three rolling deploys tell: how often partitions change hands, how long nobody has them."""

from __future__ import annotations

import pytest

from sim import load, simulate
from sim.protocol.rows import Kind

S = 1_000_000


@pytest.mark.parametrize(
    ("protocol", "hand_overs", "at_least_s", "at_most_s"),
    [("eager", 36, 6, 26), ("cooperative", 12, 37, 40), ("consumer", 12, 32, 38)],
)
def test_a_deploy_moves_as_much_and_takes_as_long_as_its_answer_says(
    protocol: str, hand_overs: int, at_least_s: int, at_most_s: int
) -> None:
    """From the first stop to the last newcomer; a partition is nobody's from its revocation to its next assignment."""
    trace = simulate(load(f"group_deploy_{protocol}"), 1, check_laws=False)
    gone: dict[int, int] = {}
    waits: list[int] = []
    for row in trace.rows(Kind.ASSIGN, Kind.REVOKE):
        if row["t_us"] < 9 * S:
            continue
        if row["kind"] == Kind.REVOKE:
            gone[row["partition"]] = row["t_us"]
        elif row["partition"] in gone:
            waits.append(row["t_us"] - gone.pop(row["partition"]))
    assert gone == {} and len(waits) == hand_overs
    assert at_least_s * S < sum(waits) < at_most_s * S
