"""Order in the log: append-reorder, key-reorder, and the operation view of both. Expected values worked by hand."""

from __future__ import annotations

from tests.analysis.written import assert_none, counts, judged, witnesses

THREE = """
send P1 1 a1 o-0 k=x
send P1 2 a2 o-0 k=y
send P1 3 a3 o-0 k=x
"""


def test_a_record_behind_a_later_one_is_late():
    """anomalies 1.1: a1 (position 1) stands behind a2 (position 2), which was sent after it."""
    verdict = judged(THREE + "append o-0 0 a2; append o-0 1 a1; append o-0 2 a3")

    assert verdict.findings["append-reorder"].count == 1
    assert witnesses(verdict, "append-reorder") == [(["a1", "a2"], [1, 0], [6, 5])]
    assert verdict.findings["append-reorder"].witnesses[0]["extent"] == 1


def test_every_record_of_an_overtaken_block_is_late_and_the_overtaker_is_the_earliest_larger_one():
    """Log a3 a1 a2: a1 and a2 are late, both overtaken by a3 first, at distances 1 and 2."""
    verdict = judged(THREE + "append o-0 0 a3; append o-0 1 a1; append o-0 2 a2")

    assert witnesses(verdict, "append-reorder") == [(["a1", "a3"], [1, 0], [6, 5]), (["a2", "a3"], [2, 0], [7, 5])]
    assert [one["extent"] for one in verdict.findings["append-reorder"].witnesses] == [1, 2]


def test_inversions_are_counted_by_late_records_not_by_pairs():
    """Log a2 a3 a1 has two inverted pairs and one late record."""
    assert counts(THREE + "append o-0 0 a2; append o-0 1 a3; append o-0 2 a1")["append-reorder"] == 1


def test_what_looks_like_a_reorder_and_is_none():
    """anomalies 1.1, "not this": one clean history a line of it."""
    clean = {
        "another producer's record in between": "send P2 1 b1 o-0; " + THREE
        + "append o-0 0 a1; append o-0 1 b1; append o-0 2 a2; append o-0 3 a3",
        "a missing position": THREE + "append o-0 0 a1; append o-0 1 a3",
        "a later second copy": THREE + "append o-0 0 a1; append o-0 1 a2; append o-0 2 a3; append o-0 3 a1",
        "acks in another order": THREE + """
            append o-0 0 a1; append o-0 1 a2; append o-0 2 a3
            ack P1 a3 o-0 2; ack P1 a2 o-0 1; ack P1 a1 o-0 0""",
        "another partition": """
            send P1 1 a1 o-0; send P1 2 a2 o-1
            append o-1 0 a2; append o-0 0 a1""",
        "a restarted process": "send P1 5 a5 o-0; send P1b 1 b1 o-0; append o-0 0 a5; append o-0 1 b1",
        "timestamps going back": THREE.replace("k=y", "ts=1") + "append o-0 0 a1; append o-0 1 a2; append o-0 2 a3",
        "a truncated inversion": THREE + """
            append o-0 0 a2; append o-0 1 a1; truncate o-0 0; append o-0 0 a1; append o-0 1 a2; append o-0 2 a3""",
        "a follower's log while it lags": THREE + """
            append o-0 0 a2 b=2; append o-0 0 a1; append o-0 1 a2; append o-0 2 a3""",
    }  # fmt: skip
    assert_none("append-reorder", clean)


def test_order_inside_an_aborted_transaction_does_not_count():
    """anomalies 1.1, "not this"; the same records committed hold one late one."""
    text = """
    send P1 1 a1 o-0 txn=T; send P1 2 a2 o-0 txn=T
    append o-0 0 a2 pid=7 epoch=0 txn=T; append o-0 1 a1 pid=7 epoch=0 txn=T; control o-0 2 {} pid=7 epoch=0
    """

    assert counts(text.format("abort")).get("append-reorder", 0) == 0
    assert counts(text.format("commit"))["append-reorder"] == 1


def test_only_the_first_copy_of_a_business_identity_is_in_the_sequence():
    """The application sent u again (position 3); its zombie first copy (position 1) came last and is dropped."""
    text = """
    send P1 1 a1 o-0 uid=u; send P1 2 a2 o-0; send P1 3 a3 o-0 uid=u
    append o-0 0 a2; append o-0 1 a3; append o-0 2 a1
    """
    assert counts(text) == {"duplicate-append": 1}


def test_the_final_log_is_that_of_the_last_leader():
    """Broker 2 took over with the records in order; broker 1's own order is history."""
    text = (
        THREE
        + """
    append o-0 0 a2; append o-0 1 a1
    append o-0 0 a1 b=2; append o-0 1 a2 b=2; append o-0 2 a3 b=2
    leader o-0 2 1
    """
    )
    assert "append-reorder" not in counts(text)
    assert counts(text.replace("leader o-0 2 1", ""))["append-reorder"] == 1


# --- keys -------------------------------------------------------------------------------------------------------------
def test_an_inversion_within_a_partition_is_one_of_the_key_only_if_both_have_that_key():
    """anomalies 1.2, "not this": records inverted although no key is."""
    inverted = judged(THREE + "append o-0 0 a2; append o-0 1 a1; append o-0 2 a3")
    same_key = judged(THREE + "append o-0 0 a3; append o-0 1 a1; append o-0 2 a2")

    assert (inverted.findings["append-reorder"].count, inverted.findings["key-reorder"].count) == (1, 0)
    assert witnesses(same_key, "key-reorder") == [(["a1", "a3"], [1, 0], [6, 5])]
    assert same_key.findings["key-reorder"].witnesses[0]["key"] == "x"


def test_a_key_that_moved_to_another_partition_is_inverted_by_append_time_alone():
    """anomalies 1.2: a2 was written to o-1 before a1 to o-0; no partition by itself is out of order."""
    text = """
    send P1 1 a1 o-0 k=x; send P1 2 a2 o-1 k=x
    append o-1 0 a2; append o-0 0 a1
    """
    verdict = judged(text)

    assert verdict.findings["append-reorder"].count == 0
    assert witnesses(verdict, "key-reorder") == [(["a1", "a2"], [0, 0], [5, 4])]
    assert verdict.findings["key-partition-split"].count == 1


def test_append_time_is_that_of_the_leader_not_of_the_replica_that_leads_in_the_end():
    """o-0 ends on broker 2, which copied a1 after a2 was written to o-1; broker 1 had written a1 before."""
    text = """
    send P1 1 a1 o-0 k=x; send P1 2 a2 o-1 k=x
    append o-0 0 a1 b=1; append o-1 0 a2 b=1; append o-0 0 a1 b=2 role=follower; leader o-0 2 1
    """
    assert "key-reorder" not in counts(text)


def test_two_producers_on_one_key_and_records_without_key_have_no_key_order():
    text = """
    send P1 1 a1 o-0 k=x; send P2 2 b2 o-0 k=x; send P1 2 a2 o-0; send P1 3 a3 o-0 k=x
    append o-0 0 b2; append o-0 1 a1; append o-0 2 a3; append o-0 3 a2
    """
    assert counts(text) == {"append-reorder": 1, "nonmonotonic-send": 1}


def test_without_append_times_the_order_of_keys_is_not_checked():
    verdict = judged(THREE + "append o-0 0 a3; append o-0 1 a1; append o-0 2 a2", append_times=False)

    assert not verdict.findings["key-reorder"].checked
    assert "append_times" in verdict.findings["key-reorder"].why
    assert verdict.findings["append-reorder"].count == 2


def test_a_key_in_two_topics_is_not_split():
    """A key has records in two partitions only if they belong to one topic."""
    text = """
    send P1 1 a1 o-0 k=x; send P1 2 a2 other-1 k=x
    append o-0 0 a1; append other-1 0 a2
    """
    assert judged(text).findings["key-partition-split"].count == 0


# --- operations -------------------------------------------------------------------------------------------------------
def test_nonmonotonic_send_compares_neighbouring_operations():
    """anomalies 1.13: sends a1 a2 a3, log a2 a3 a1. a1 to a2 goes back (dense 2 to 0); a2 to a3 does not."""
    verdict = judged(THREE + "append o-0 0 a2; append o-0 1 a3; append o-0 2 a1")

    assert verdict.findings["nonmonotonic-send"].kind == "alternative"
    assert witnesses(verdict, "nonmonotonic-send") == [(["a1", "a2"], [2, 0], [7, 5])]
    assert not verdict.findings["int-nonmonotonic-send"].checked


def test_inside_one_operation_the_same_is_internal():
    text = """
    send P1 1 a1 o-0 op=1; send P1 2 a2 o-0 op=1; send P1 3 a3 o-0 op=2
    append o-0 0 a2; append o-0 1 a1; append o-0 2 a3
    """
    verdict = judged(text)

    assert witnesses(verdict, "int-nonmonotonic-send") == [(["a1", "a2"], [1, 0], [6, 5])]
    assert verdict.findings["nonmonotonic-send"].count == 0


def test_a_foreign_record_between_two_sends_of_an_operation_is_information():
    text = """
    send P1 1 a1 o-0 op=1; send P1 2 a2 o-0 op=1; send P2 1 b1 o-0 op=9
    append o-0 0 a1; append o-0 1 b1; append o-0 2 a2
    """
    verdict = judged(text)

    assert verdict.findings["int-send-skip"].count == 1
    assert verdict.findings["int-send-skip"].kind == "information"
    assert counts(text) == {}
