"""Recorded cells of librdkafka's members with ``group.protocol=consumer`` (lk) that end otherwise than those of all
other clients, and a group of both libraries.

The other cells of lk stand beside those of the other clients. C7 and the positions of D-none are also played step by
step, in ``tests/protocol/test_librdkafka_member.py``.
"""

from __future__ import annotations

from sim.protocol.rows import Kind
from tests.conformance.group_cells import S, play
from tests.conformance.recorded_cells import cell, member


@cell("Z1", clients="lk")
def test_z1_a_zombie_processes_on_and_its_partitions_are_free_a_session_later() -> None:
    """consumer:S38, consumer:S44, consumer:F3.35, consumer:F3.39: heartbeats just stop. Its late commit() names no
    offsets here, and is refused without a request, as what is assigned is lost; one that names them meets
    UNKNOWN_MEMBER_ID, in ``tests/protocol/test_librdkafka_heartbeat.py``."""
    config = {"max.poll.interval.ms": 2500}
    slow, quick = {"time": "800ms", "commit": "after"}, {"time": "1ms", "commit": "after"}
    played = play(
        {
            "A": member("lk", "A", polls=8, config=config, start="1s", processing=slow),
            "B": member("lk", "B", polls=8, config=config, start="2s", processing=quick),
        },
        prefilled=20, run="12s",
    )  # fmt: skip
    left, polled = played.rows("A", Kind.LEFT)[0], played.rows("A", Kind.POLL)[0]
    assert left["code"] == 1 and 2_500_000 < left["t_us"] - polled["t_us"] <= 3_000_000  # a timer twice a second
    expired = [row for row in played.trace.rows(Kind.MEMBER) if row["n"] == played.host["A"] and row["code"] == 2]
    taken = played.rows("B", Kind.ASSIGN)[0]["t_us"]
    assert 2_500_000 < expired[0]["t_us"] - left["t_us"] <= 3 * S  # a session from its last heartbeat on
    assert 0 < taken - expired[0]["t_us"] < 600_000  # by B's next heartbeat
    assert played.first("B") == {0: 0}
    late = played.rows("A", Kind.PROC_END)[7]["t_us"]
    assert late > played.rows("B", Kind.PROC_END)[-1]["t_us"]  # A_effects_after_newer_B_effect
    assert played.rows("A", Kind.COMMIT) == [] and played.committed(late) == {0: 20}
    assert played.callbacks("A", polled["t_us"], late) == []  # A_callbacks_before_its_next_poll
    assert played.callbacks("A", late) == [["lost", [0]]]  # A_callbacks_after
    assert len(set(played.processed("A")) & set(played.processed("B"))) == 8


def test_librdkafka_and_java_members_share_a_group_of_the_new_protocol() -> None:
    """To the coordinator they are alike: each gets its share, and nobody reads twice what was committed."""
    work = {"processing": {"commit": "after"}}
    java = member("jk", "J", polls=6, start="1s", stop="9s", **work)
    rdkafka = member("lk", "L", polls=6, start="4s", **work)
    played = play({"J": java, "L": rdkafka}, partitions=4, prefilled=10)
    assert {name: len(share) for name, share in played.owned(8 * S).items()} == {"J": 2, "L": 2}
    assert played.owned(20 * S) == {"L": [0, 1, 2, 3]}
    assert sorted(played.processed()) == [(partition, offset) for partition in range(4) for offset in range(10)]
