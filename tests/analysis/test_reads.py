"""Single deliveries: duplicate-delivery, aborted-read, above-hw-read, commit-regression, unseen, lost-write."""

from __future__ import annotations

from tests.analysis.written import assert_none, counts, judged, witnesses

LOG = "send P1 0 a0 o-0; send P1 1 a1 o-0; append o-0 0 a0; append o-0 1 a1"  # lines 2 to 5
GROUP = {"C1": {"group": "G"}, "C2": {"group": "G"}, "D1": {"group": "H"}}


# --- duplicate-delivery -----------------------------------------------------------------------------------------------
def test_a_record_handed_over_twice_in_a_group_is_a_duplicate_delivery():
    """anomalies 2.3: the second reader began after the first delivery, behind nothing committed: excused."""
    text = f"{LOG}; assign C1 o-0; poll C1 o-0:0:a0; crash C1; assign C2 o-0; poll C2 o-0:0:a0"
    verdict = judged(text, consumers=GROUP)
    found = verdict.findings["duplicate-delivery"]

    assert witnesses(verdict, "duplicate-delivery") == [(["a0", "a0"], [0], [7, 10])]
    assert found.to_json()["excused"] == 1


def test_a_repeat_below_the_committed_offset_is_not_excused():
    text = f"{LOG}; assign C1 o-0; poll C1 o-0:0:a0; commit C1 o-0 1; crash C1; assign C2 o-0; poll C2 o-0:0:a0"
    verdict = judged(text, consumers=GROUP)
    told = verdict.findings["duplicate-delivery"]

    assert (told.count, told.extra["excused"]) == (1, 0)
    assert told.witnesses[0]["committed"] == 1


def test_a_reader_of_whom_no_assignment_is_told_began_with_its_first_poll():
    """A history without assignments: C2 follows C1; C1 alone does not follow itself unless it died between."""
    after = {
        "poll C2 o-0:0:a0": 1, "poll C1 o-0:0:a0": 0, "crash C1; poll C1 o-0:0:a0": 1,
        "poll C1 o-0:0:a0 rebalanced=o-0": 1, "commit C1 o-0 1; poll C2 o-0:0:a0": 0,
    }  # fmt: skip
    told = {more: judged(f"{LOG}; poll C1 o-0:0:a0; {more}", consumers=GROUP).findings for more in after}

    assert {more: findings["duplicate-delivery"].extra["excused"] for more, findings in told.items()} == after


def test_between_two_committed_transactions_with_their_offsets_nothing_is_excused():
    """anomalies 2.3: C2 began before T ended, at 0; without the offsets in T or U at-least-once would permit it."""
    text = """
    {0}; assign C1 o-0; poll C1 o-0:0:a0 txn=T; assign C2 o-0; {1} txn T commit
    poll C2 o-0:0:a0 txn=U; {2} txn U commit
    """
    first, second, told = "txn_offsets T C1 o-0 1;", "txn_offsets U C2 o-0 1;", []
    for one, other in ((first, second), (first, ""), ("", second), ("", "")):
        found = judged(text.format(LOG, one, other), consumers=GROUP).findings["duplicate-delivery"]
        told.append((found.count, found.extra["excused"]))

    assert told == [(1, 0), (1, 0), (1, 0), (1, 1)]


def test_a_refused_commit_has_no_effect():
    text = f"""
    {LOG}; assign C1 o-0; poll C1 o-0:0:a0; commit C1 o-0 1 ok=false; crash C1; assign C2 o-0; poll C2 o-0:0:a0
    """

    assert judged(text, consumers=GROUP).findings["duplicate-delivery"].extra["excused"] == 1


def test_a_repeat_within_one_session_is_not_excused():
    text = f"{LOG}; assign C1 o-0; poll C1 o-0:0:a0; poll C1 o-0:0:a0"

    assert judged(text, consumers=GROUP).findings["duplicate-delivery"].extra["excused"] == 0


def test_what_a_member_still_hands_over_after_its_successor_has_begun_is_excused():
    """anomalies 2.3: C1 stood still, began long before and read nothing that was committed then. Its successor may not
    read again what it knows; nor may C1 where the group had committed beyond when C1 began."""
    begun = f"{LOG}; assign C1 o-0; {{}} assign C2 o-0; poll C2 o-0:0:a0; {{}} poll {{}} o-0:0:a0"
    cases = {
        ("", "", "C1"): 1, ("", "commit C2 o-0 1;", "C1"): 1, ("", "", "C2"): 0,
        ("revoke C1 o-0; commit C2 o-0 1; assign C1 o-0;", "", "C1"): 0,
    }  # fmt: skip
    told = {case: judged(begun.format(*case), consumers=GROUP).findings["duplicate-delivery"] for case in cases}

    assert {case: found.extra["excused"] for case, found in told.items()} == cases


def test_every_delivery_beyond_the_first_counts():
    text = f"{LOG}; poll C1 o-0:0:a0; poll C2 o-0:0:a0; poll C1 o-0:0:a0"

    assert counts(text, consumers=GROUP)["duplicate-delivery"] == 2


def test_what_looks_like_a_repeat_and_is_none():
    """anomalies 2.3: another group, manual consumers, an explicit replay, a reader's aborted transaction."""
    clean = {
        "another group": f"{LOG}; poll C1 o-0:0:a0; poll D1 o-0:0:a0",
        "manual consumers": f"{LOG}; poll E1 o-0:0:a0; poll E2 o-0:0:a0",
        "an explicit replay": f"{LOG}; poll C1 o-0:0:a0 o-0:1:a1; seek C1 o-0 0; poll C1 o-0:0:a0 o-0:1:a1",
        "an aborted transaction": f"{LOG}; poll C1 o-0:0:a0 txn=T; txn T abort; poll C1 o-0:0:a0",
        "the same value at another offset": f"{LOG}; append o-0 2 a0; poll C1 o-0:0:a0; poll C1 o-0:1:a1 o-0:2:a0",
    }
    assert_none("duplicate-delivery", clean, consumers=GROUP)


# --- aborted-read -----------------------------------------------------------------------------------------------------
def test_a_delivered_record_whose_send_failed_for_certain_is_an_aborted_read():
    verdict = judged(f"{LOG}; fail P1 a1; poll C1 o-0:0:a0; poll C1 o-0:1:a1")

    assert witnesses(verdict, "aborted-read") == [(["a1"], [1], [8])]
    assert verdict.findings["aborted-read"].witnesses[0]["because"] == "send failed"


def test_a_record_counts_once_however_often_it_is_read():
    assert counts(f"{LOG}; fail P1 a1; poll C1 o-0:1:a1; poll C2 o-0:1:a1; poll C3 o-0:1:a1")["aborted-read"] == 1


def test_aborted_data_is_an_aborted_read_for_a_reader_of_committed_data_only():
    text = "send P1 1 x o-0 txn=T; append o-0 0 x pid=1 txn=T; control o-0 1 abort pid=1; poll C1 o-0:0:x"

    assert counts(text, consumers={"C1": {"isolation": "read_committed"}})["aborted-read"] == 1
    assert "aborted-read" not in counts(text)


def test_unknown_and_acknowledged_records_may_be_read():
    """anomalies 3.1, "not this": unknown is not failed."""
    clean = {
        "unknown": f"{LOG}; unknown P1 a0 o-0; poll C1 o-0:0:a0",
        "failed and not read": f"{LOG}; fail P1 a1; poll C1 o-0:0:a0",
    }
    assert_none("aborted-read", clean)


# --- above-hw-read ----------------------------------------------------------------------------------------------------
def test_a_record_at_or_above_the_announced_mark_was_read_too_early():
    """anomalies 2.8: the mark is the first offset that is not replicated."""
    verdict = judged(f"{LOG}; hw o-0 1; poll C1 o-0:0:a0 o-0:1:a1; hw o-0 2")

    assert witnesses(verdict, "above-hw-read") == [(["a1"], [1], [7])]
    assert verdict.findings["above-hw-read"].witnesses[0]["high_watermark"] == 1


def test_before_any_mark_nothing_may_be_read():
    assert counts(f"{LOG}; poll C1 o-0:0:a0 o-0:1:a1; hw o-0 2")["above-hw-read"] == 2


def test_what_was_announced_once_may_be_read_after_a_failover():
    """broker VIS-5: the new leader's own mark may be lower for a while."""
    clean = {
        "below the mark": f"{LOG}; hw o-0 2; poll C1 o-0:1:a1",
        "a lower mark of the next leader": f"{LOG}; hw o-0 2 b=1; leader o-0 2 1; hw o-0 1 b=2; poll C1 o-0:1:a1",
        "partitions apart": f"{LOG}; hw o-1 1; hw o-0 2; poll C1 o-0:1:a1",
    }
    assert_none("above-hw-read", clean)


# --- commit-regression ------------------------------------------------------------------------------------------------
def test_a_commit_below_an_earlier_one_of_the_group_is_information():
    text = f"{LOG}; commit C1 o-0 2; commit C2 o-0 1; commit D1 o-0 1; commit C1 o-1 0; commit C1 o-0 1 ok=false"
    found = judged(text, consumers=GROUP).findings["commit-regression"]

    assert (found.count, found.kind) == (1, "information")
    assert (found.witnesses[0]["offsets"], found.witnesses[0]["events"]) == ([2, 1], [6, 7])


# --- unseen, lost-write -----------------------------------------------------------------------------------------------
ACKED = f"{LOG}; ack P1 a0 o-0 0; ack P1 a1 o-0 1"  # acks are lines 6 and 7


def test_an_acknowledged_value_that_no_poll_delivered_is_unseen():
    """anomalies 2.4, 1.5: nobody read beyond a1, so it is unseen and no lost write."""
    verdict = judged(f"{ACKED}; poll C1 o-0:0:a0", drain=True)

    assert witnesses(verdict, "unseen") == [(["a1"], [1], [7])]
    assert verdict.findings["lost-write"].count == 0


def test_a_value_passed_over_by_a_reader_is_a_lost_write():
    verdict = judged(f"{ACKED}; poll C1 o-0:1:a1", drain=True)

    assert witnesses(verdict, "lost-write") == [(["a0"], [0], [6])]
    assert verdict.findings["unseen"].count == 1
    assert verdict.findings["lost-write"].witnesses[0]["now"] == "in the log"


def test_a_lost_value_below_what_was_read_is_a_lost_write_even_if_it_is_in_no_log():
    text = "send P1 0 a0 o-0; send P1 1 a1 o-0; append o-0 0 a1; ack P1 a0 o-0 0; ack P1 a1 o-0 0; poll C1 o-0:0:a1"

    assert witnesses(judged(text, drain=True), "lost-write") == [(["a0"], [0], [5])]


def test_readers_that_started_later_on_purpose_lose_nothing():
    """anomalies 1.5, "not this"; one that read from the beginning still shows the loss."""
    clean = {
        "a start at the end": f"{ACKED}; assign C1 o-0; reset C1 o-0 1; poll C1 o-0:1:a1",
        "a seek": f"{ACKED}; assign C1 o-0; seek C1 o-0 1; poll C1 o-0:1:a1",
        "not read so far": f"{ACKED}; poll C1 o-0:0:a0",
    }
    assert_none("lost-write", clean, drain=True)
    two = f"{ACKED}; assign C1 o-0; seek C1 o-0 1; poll C1 o-0:1:a1; reset C2 o-0 0; poll C2 o-0:1:a1"
    assert counts(two, drain=True)["lost-write"] == 1


def test_without_drain_nobody_knows_what_will_still_be_read():
    findings = judged(f"{ACKED}; poll C1 o-0:1:a1").findings

    assert not findings["unseen"].checked and not findings["lost-write"].checked
    assert "drain" in findings["unseen"].why


def test_what_need_not_be_seen_is_not_unseen():
    clean = {
        "unknown": f"{LOG}; ack P1 a0 o-0 0; unknown P1 a1 o-0; poll C1 o-0:0:a0",
        "expired": f"{ACKED}; logstart o-0 1; poll C1 o-0:1:a1",
        "aborted": """
            send P1 0 a0 o-0; send P1 1 x o-0 txn=T; append o-0 0 a0; append o-0 1 x pid=1 txn=T; ack P1 a0 o-0 0
            ack P1 x o-0 1; control o-0 2 abort pid=1; poll C1 o-0:0:a0""",
        "seen by somebody else": f"{ACKED}; poll C1 o-0:0:a0; poll C2 o-0:1:a1",
    }
    assert_none("unseen", clean, drain=True)


# --- order from end to end --------------------------------------------------------------------------------------------
def test_keys_are_out_of_order_for_a_group_by_first_delivery():
    """anomalies 2.6: a key in two partitions, read by two members at different speed."""
    text = """
    send P1 1 a1 o-0 k=x; send P1 2 a2 o-1 k=x; append o-0 0 a1; append o-1 0 a2
    poll C2 o-1:0:a2; poll C1 o-0:0:a1
    """
    verdict = judged(text, consumers=GROUP)
    told = verdict.findings["e2e-key-reorder"].witnesses[0]

    assert witnesses(verdict, "e2e-key-reorder") == [(["a1", "a2"], [0, 0], [7, 6])]
    assert (told["key"], told["layer"], told["group"]) == ("x", "partition split", "G")
    assert verdict.findings["cross-partition-inversion"].count == 1
    assert verdict.findings["key-reorder"].count == 0


def test_an_inverted_log_is_to_blame_for_what_its_readers_see():
    text = """
    send P1 1 a1 o-0 k=x; send P1 2 a2 o-0 k=x; append o-0 0 a2; append o-0 1 a1; poll C1 o-0:0:a2 o-0:1:a1
    """
    told = judged(text).findings["e2e-key-reorder"]

    assert (told.count, told.witnesses[0]["layer"]) == (1, "log")


def test_what_keeps_the_order_of_keys_from_end_to_end():
    sent = "send P1 1 a1 o-0 k=x; send P1 2 a2 o-0 k=x; append o-0 0 a1; append o-0 1 a2"
    clean = {
        "read again from the start": f"{sent}; poll C1 o-0:0:a1 o-0:1:a2; seek C1 o-0 0; poll C1 o-0:0:a1 o-0:1:a2",
        "two groups": f"{sent}; poll C1 o-0:0:a1 o-0:1:a2; poll D1 o-0:0:a1 o-0:1:a2",
        "two keys": sent.replace("a2 o-0 k=x", "a2 o-0 k=y") + "; poll C1 o-0:1:a2; poll C1 o-0:0:a1",
        "a transaction that did not commit": f"{sent}; poll C1 o-0:1:a2 txn=T; txn T abort; poll C1 o-0:0:a1 o-0:1:a2",
    }
    assert_none("e2e-key-reorder", clean, consumers=GROUP)


def test_a_group_with_processing_events_meets_a_record_when_its_processing_starts():
    text = """
    send P1 1 a1 o-0 k=x; send P1 2 a2 o-0 k=x; append o-0 0 a1; append o-0 1 a2
    poll C1 o-0:0:a1 o-0:1:a2; proc_start C1 o-0 {}; proc_start C1 o-0 {}
    """
    assert counts(text.format(1, 0), consumers=GROUP)["e2e-key-reorder"] == 1
    assert "e2e-key-reorder" not in counts(text.format(0, 1), consumers=GROUP)
