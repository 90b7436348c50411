"""Steps of a reader: (int-)poll-skip and (int-)nonmonotonic-poll. Expected values worked by hand."""

from __future__ import annotations

from tests.analysis.written import assert_none, counts, judged, witnesses

LOG = "; ".join(f"send P1 {k} a{k} o-0" for k in range(5)) + "; " + "; ".join(f"append o-0 {k} a{k}" for k in range(5))
# sends are lines 2 to 6, appends lines 7 to 11: the first event behind LOG is line 12


def polls(*offsets: int, consumer: str = "C1") -> str:
    """One poll an offset."""
    return "; ".join(f"poll {consumer} o-0:{o}:a{o}" for o in offsets)


# --- poll-skip --------------------------------------------------------------------------------------------------------
def test_a_record_left_out_between_two_polls_is_a_skip():
    """anomalies 2.1: dense index 0 to 2."""
    verdict = judged(f"{LOG}; {polls(0, 2)}")
    told = verdict.findings["poll-skip"].witnesses[0]

    assert witnesses(verdict, "poll-skip") == [(["a0", "a2"], [0, 2], [12, 13])]
    assert told["skipped"] == [{"v": "a1", "prod": "P1", "i": 1, "o": 1}]
    assert told["delta"] == 2


def test_inside_one_poll_the_skip_is_internal():
    verdict = judged(f"{LOG}; poll C1 o-0:0:a0 o-0:3:a3")

    assert witnesses(verdict, "int-poll-skip") == [(["a0", "a3"], [0, 3], [12, 12])]
    assert verdict.findings["poll-skip"].count == 0


def test_polls_of_one_operation_are_one_group():
    text = f"{LOG}; poll C1 o-0:0:a0 op=1; poll C1 o-0:2:a2 op=1; poll C1 o-0:4:a4 op=2"

    assert counts(text) == {"int-poll-skip": 1, "poll-skip": 1}


def test_what_looks_like_a_skip_and_is_none():
    """anomalies 2.1, "not this"."""
    clean = {
        "an empty poll between": f"{LOG}; {polls(0)}; poll C1; {polls(1)}",
        "a seek": f"{LOG}; {polls(0)}; seek C1 o-0 3; {polls(3)}",
        "a reset": f"{LOG}; {polls(0)}; reset C1 o-0 4; {polls(4)}",
        "revoked and assigned again": f"{LOG}; assign C1 o-0; {polls(0)}; revoke C1 o-0; assign C1 o-0; {polls(3)}",
        "an assignment without the partition": f"""
            {LOG}; assign C1 o-0; {polls(0)}; assign C1 o-1; assign C1 o-0; {polls(2)}""",
        "a crash": f"{LOG}; {polls(0)}; crash C1; {polls(3)}",
        "a rebalance inside the poll": f"{LOG}; {polls(0)}; poll C1 o-0:3:a3 rebalanced=o-0",
        "another consumer": f"{LOG}; {polls(0, consumer='C1')}; {polls(3, consumer='C2')}",
        "compacted before the read": f"{LOG}; {polls(0)}; compact o-0 1,2; {polls(3)}",
        "expired before the read": f"{LOG}; {polls(0)}; logstart o-0 3; {polls(3)}",
        "written after the read": f"""
            send P1 0 a0 o-0; send P1 2 a2 o-0; send P1 1 a1 o-0; append o-0 0 a0; append o-0 2 a2
            {polls(0, 2)}; append o-0 1 a1""",
    }  # fmt: skip
    assert_none("poll-skip", clean, consumers={"C1": {"group": "G"}})


def test_a_partition_kept_over_an_assignment_keeps_its_position():
    """Cooperative rebalance: o-0 stays, so the step is judged."""
    text = f"{LOG}; assign C1 o-0,o-1; {polls(0)}; assign C1 o-0; {polls(2)}"

    assert counts(text)["poll-skip"] == 1


def test_compaction_after_the_read_excuses_nothing():
    assert counts(f"{LOG}; {polls(0, 3)}; compact o-0 1,2")["poll-skip"] == 1


def test_markers_and_aborted_records_are_stepped_over_by_those_who_may_not_see_them():
    """A read_committed reader is not entitled to aborted data; a read_uncommitted one is."""
    text = """
    send P1 1 a1 o-0; send P1 2 x o-0 txn=T; send P1 3 a3 o-0
    append o-0 0 a1; append o-0 1 x pid=5 txn=T; control o-0 2 abort pid=5; append o-0 3 a3
    poll {c} o-0:0:a1; poll {c} o-0:3:a3
    """
    consumers = {"committed": {"isolation": "read_committed"}, "any": {}}

    assert "poll-skip" not in counts(text.format(c="committed"), consumers=consumers)
    assert counts(text.format(c="any"), consumers=consumers)["poll-skip"] == 1


def test_a_record_that_became_visible_only_after_it_was_passed_was_not_skipped():
    """anomalies 2.8: the marker of x (offset 0) comes after the reader has gone by."""
    text = """
    send P1 1 x o-0 txn=T; send P2 1 b1 o-0; send P2 2 b2 o-0
    append o-0 0 b1; append o-0 1 x pid=5 txn=T; append o-0 2 b2
    poll C1 o-0:0:b1; poll C1 o-0:2:b2; control o-0 3 commit pid=5
    """
    assert "poll-skip" not in counts(text, consumers={"C1": {"isolation": "read_committed"}})


# --- nonmonotonic-poll ------------------------------------------------------------------------------------------------
def test_a_step_back_and_a_step_on_the_spot_are_nonmonotonic():
    """anomalies 2.2: differences -1 and 0."""
    verdict = judged(f"{LOG}; {polls(0, 1, 0)}; {polls(0)}")

    back, spot = (["a1", "a0"], [1, 0], [13, 14]), (["a0", "a0"], [0, 0], [14, 15])
    assert witnesses(verdict, "nonmonotonic-poll") == [back, spot]


def test_inside_one_poll_the_step_back_is_internal():
    verdict = judged(f"{LOG}; poll C1 o-0:1:a1 o-0:0:a0")

    assert witnesses(verdict, "int-nonmonotonic-poll") == [(["a1", "a0"], [1, 0], [12, 12])]
    assert verdict.findings["nonmonotonic-poll"].count == 0


def test_what_looks_like_a_step_back_and_is_none():
    """anomalies 2.2, "not this"."""
    clean = {
        "replay after a seek": f"{LOG}; {polls(0, 1)}; seek C1 o-0 0; {polls(0, 1)}",
        "back to the committed offset after a crash": f"{LOG}; {polls(0, 1)}; crash C1; {polls(0, 1)}",
        "after a rebalance": f"{LOG}; assign C1 o-0; {polls(0, 1)}; revoke C1 o-0; assign C1 o-0; {polls(1)}",
        "two partitions": """
            send P1 0 a0 o-0; send P1 1 b0 o-1; append o-0 5 a0; append o-1 0 b0
            poll C1 o-0:5:a0; poll C1 o-1:0:b0""",
    }
    assert_none("nonmonotonic-poll", clean, consumers={"C1": {}})


def test_a_poll_in_a_transaction_that_did_not_commit_moves_nobody():
    """The second poll goes on from the first, as the transaction of the one between was given up."""
    text = f"{LOG}; {polls(0)}; poll C1 o-0:1:a1 o-0:2:a2 txn=T; txn T {{}}; {polls(1)}"

    assert "nonmonotonic-poll" not in counts(text.format("abort"))
    assert counts(text.format("commit"))["nonmonotonic-poll"] == 1


def test_nobody_goes_on_from_another_partition():
    """What was read of o-1 before was given up, so that its second poll goes on from nothing."""
    text = """
        send P1 0 a0 o-0; send P1 1 b0 o-1; append o-0 5 a0; append o-1 0 b0
        poll C1 o-0:5:a0; poll C1 o-1:0:b0 txn=T; txn T abort; poll C1 o-1:0:b0"""

    assert "nonmonotonic-poll" not in counts(text)


def test_records_that_are_no_longer_in_the_log_are_compared_by_their_offsets():
    """Read before they were truncated: nothing was skipped, nothing came twice."""
    text = f"{LOG}; {polls(2, 3, 4)}; truncate o-0 2"

    assert counts(text) == {}
