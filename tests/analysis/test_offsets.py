"""What stands at an offset: inconsistent-offsets, committed-truncation, replica-divergence, offset-gap."""

from __future__ import annotations

from tests.analysis.written import assert_none, counts, judged, witnesses

SENT = "send P1 1 a1 o-0; send P1 2 a2 o-0; send P1 3 a3 o-0; "
BOTH = (
    SENT
    + """
append o-0 0 a1; append o-0 1 a2
append o-0 0 a1 b=2 role=follower
"""
)  # lines 5, 6, 7


# --- inconsistent-offsets ---------------------------------------------------------------------------------------------
def test_an_offset_acknowledged_for_two_values_is_inconsistent():
    verdict = judged(SENT + "append o-0 0 a1; ack P1 a1 o-0 0; ack P1 a2 o-0 0")

    assert witnesses(verdict, "inconsistent-offsets") == [(["a1", "a2"], [0], [6, 7])]


def test_an_ack_and_a_poll_that_differ_are_inconsistent_and_say_who_said_what():
    verdict = judged(SENT + "append o-0 0 a1; ack P1 a1 o-0 0; poll C1 o-0:0:a2")
    told = verdict.findings["inconsistent-offsets"].witnesses[0]

    assert [(r["v"], r["said_by"]) for r in told["records"]] == [("a1", "ack"), ("a2", "poll")]
    assert verdict.findings["inconsistent-offsets"].count == 1


def test_an_unknown_result_counts_once_another_write_of_its_transaction_was_read():
    text = """
    send P1 1 a1 o-0 txn=T; send P1 2 a2 o-0 txn=T; send P2 1 b1 o-0
    append o-0 0 b1; ack P2 b1 o-0 0; unknown P1 a1 o-0 0; poll C1 o-0:{}
    """

    assert counts(text.format("5:a2"))["inconsistent-offsets"] == 1
    assert "inconsistent-offsets" not in counts(text.format("0:b1"))


def test_what_agrees_is_not_inconsistent():
    clean = {
        "ack and polls of two groups": SENT + "append o-0 0 a1; ack P1 a1 o-0 0; poll C1 o-0:0:a1; poll C2 o-0:0:a1",
        "the same offset of two partitions": SENT + "ack P1 a1 o-0 0; ack P1 a2 o-1 0",
        "an unknown result that nothing proves": SENT + "ack P1 a1 o-0 0; unknown P1 a2 o-0 0",
        "acks without offset": SENT + "ack P1 a1 o-0; ack P1 a2 o-0; ack P1 a3 o-0 0",
    }
    assert_none("inconsistent-offsets", clean)


# --- committed-truncation ---------------------------------------------------------------------------------------------
def test_a_record_below_the_mark_that_the_next_leader_lacks_was_truncated_though_committed():
    """Broker 1 announced 2; broker 2, elected uncleanly, has one record."""
    verdict = judged(BOTH + "hw o-0 2 b=1; leader o-0 2 1; truncate o-0 1 b=1")

    assert witnesses(verdict, "committed-truncation") == [(["a2"], [1], [6, 10])]
    told = verdict.findings["committed-truncation"].witnesses[0]
    assert (told["old_leader"], told["new_leader"]) == (1, 2)


def test_a_dead_leader_need_not_truncate_for_its_committed_record_to_be_gone():
    verdict = judged(BOTH + "hw o-0 2 b=1; leader o-0 2 1; append o-0 1 a3 b=2")

    assert witnesses(verdict, "committed-truncation") == [(["a2"], [1], [6])]


def test_the_mark_of_a_zombie_counts_until_it_follows():
    """Broker 1 does not know yet that broker 2 leads, and announces 2."""
    zombie = BOTH + "hw o-0 1 b=1; leader o-0 2 1; hw o-0 2 b=1; truncate o-0 1 b=1"
    follower = (
        BOTH
        + """
    hw o-0 1 b=1; leader o-0 2 1; truncate o-0 1 b=1; append o-0 1 a3 b=2; append o-0 1 a2 b=1 role=follower
    hw o-0 2 b=1
    """
    )

    assert counts(zombie)["committed-truncation"] == 1
    assert "committed-truncation" not in counts(follower)


def test_what_looks_like_a_committed_truncation_and_is_none():
    """anomalies 1.8, "not this"."""
    clean = {
        "the unreplicated tail": BOTH + "ack P1 a2 o-0 1; hw o-0 1 b=1; leader o-0 2 1; truncate o-0 1 b=1",
        "fetched again": BOTH + "hw o-0 2 b=1; truncate o-0 1 b=1; append o-0 1 a2 b=1",
        "a follower's truncation": BOTH + "hw o-0 1 b=1; truncate o-0 0 b=2; append o-0 0 a1 b=2 role=follower",
        "expired": BOTH + "hw o-0 2 b=1; logstart o-0 2; leader o-0 2 1; append o-0 2 a3 b=2",
        "a mark after the cut": BOTH + "truncate o-0 1 b=1; hw o-0 1 b=1; append o-0 1 a3 b=1; hw o-0 2 b=1",
    }
    assert_none("committed-truncation", clean)


def test_a_mark_taken_down_by_a_truncation_does_not_commit_what_is_written_there_later():
    """Announced 2, cut to 1 (a2 lost), a3 written at 1 and cut before any mark: only a2 was committed."""
    text = BOTH + "hw o-0 2 b=1; truncate o-0 1 b=1; append o-0 1 a3 b=1; truncate o-0 1 b=1; append o-0 1 a1 b=1"

    assert witnesses(judged(text), "committed-truncation") == [(["a2"], [1], [6, 9])]


# --- replica-divergence -----------------------------------------------------------------------------------------------
def test_replicas_that_hold_different_values_below_the_mark_diverge():
    verdict = judged(BOTH + "append o-0 1 a3 b=2 role=follower; hw o-0 2 b=1")

    assert witnesses(verdict, "replica-divergence") == [(["a2", "a3"], [1], [6, 8])]


def test_the_same_value_under_two_leader_epochs_diverges():
    text = SENT + "append o-0 0 a1 lep=0; append o-0 0 a1 b=2 lep=1 role=follower; hw o-0 1 b=1"

    assert counts(text)["replica-divergence"] == 1


def test_two_followers_may_diverge_where_the_leader_has_nothing():
    """Below the last mark, above the end of the leader's own log."""
    text = (
        SENT
        + """
    append o-0 0 a1; hw o-0 2 b=1; truncate o-0 0 b=1
    append o-0 0 a1 b=2; append o-0 1 a2 b=2; append o-0 0 a1 b=3; append o-0 1 a3 b=3
    """
    )
    assert witnesses(judged(text), "replica-divergence") == [(["a2", "a3"], [1], [9, 11])]


def test_what_looks_like_divergence_and_is_none():
    """anomalies 1.7, "not this"."""
    clean = {
        "lag": BOTH + "hw o-0 2 b=1",
        "a difference at the mark": BOTH + "append o-0 1 a3 b=2 role=follower; hw o-0 1 b=1",
        "repaired by truncation": BOTH
        + "append o-0 1 a3 b=2 role=follower; truncate o-0 1 b=2; append o-0 1 a2 b=2 role=follower; hw o-0 2 b=1",
        "compaction on one replica": BOTH + "compact o-0 0; hw o-0 2 b=1",
    }
    assert_none("replica-divergence", clean)


def test_divergence_needs_two_replicas_and_a_mark():
    one = judged(SENT + "append o-0 0 a1; hw o-0 1").findings["replica-divergence"]
    unmarked = judged(BOTH).findings["replica-divergence"]

    assert (one.checked, one.why) == (False, "only one replica's appends are told")
    assert (unmarked.checked, unmarked.why) == (False, "the history has no high watermarks")


# --- offset-gap -------------------------------------------------------------------------------------------------------
def test_missing_offsets_are_counted_one_by_one():
    verdict = judged(SENT + "append o-0 0 a1; append o-0 3 a2; append o-0 5 a3")
    found = verdict.findings["offset-gap"]

    assert found.count == 3
    assert [(one["offsets"], one["events"]) for one in found.witnesses] == [([1, 2], [5, 6]), ([4], [6, 7])]


def test_an_explained_offset_is_no_gap():
    """anomalies 1.11: control records, compaction, retention (consumer:toy-20, consumer:F9.4)."""
    clean = {
        "control record": SENT + "append o-0 0 a1 pid=1 txn=T; control o-0 1 commit pid=1; append o-0 2 a2",
        "compaction": SENT + "append o-0 0 a1; append o-0 2 a2; compact o-0 1",
        "retention": SENT + "append o-0 0 a1; append o-0 3 a2; logstart o-0 3",
        "a log that begins later": SENT + "append o-0 7 a1; append o-0 8 a2",
        "a follower's gap": SENT + "append o-0 0 a1; append o-0 1 a2; append o-0 0 a1 b=2; append o-0 9 a2 b=2",
    }
    assert_none("offset-gap", clean)


def test_a_gap_partly_explained_counts_the_rest():
    assert counts(SENT + "append o-0 0 a1; append o-0 4 a2; compact o-0 1,3")["offset-gap"] == 1
