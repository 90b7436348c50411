"""Too many and too few: duplicate-append, lost-acked. Expected values worked by hand."""

from __future__ import annotations

from tests.analysis.written import assert_none, counts, judged, witnesses

SENT = "send P1 1 a1 o-0; send P1 2 a2 o-0; "


# --- duplicate-append -------------------------------------------------------------------------------------------------
def test_a_value_with_two_visible_records_is_counted_once_and_its_further_copies_as_extra():
    verdict = judged(SENT + "append o-0 0 a1; append o-0 1 a2; append o-0 2 a1; append o-0 3 a1")
    found = verdict.findings["duplicate-append"]

    assert (found.count, found.extra) == (1, {"extra": 2})
    assert witnesses(verdict, "duplicate-append") == [(["a1", "a1", "a1"], [0, 2, 3], [4, 6, 7])]
    assert found.to_json()["extra"] == 2


def test_copies_may_stand_in_two_partitions():
    verdict = judged("send P1 1 a1; append o-0 0 a1; append o-1 0 a1")

    assert witnesses(verdict, "duplicate-append") == [(["a1", "a1"], [0, 0], [3, 4])]


def test_two_sends_of_one_business_identity_are_one_doubled_uid():
    verdict = judged("send P1 1 a1 o-0 uid=u; send P1 2 a2 o-0 uid=u; append o-0 0 a1; append o-0 1 a2")

    assert witnesses(verdict, "duplicate-append") == [(["a1", "a2"], [0, 1], [4, 5])]
    assert verdict.findings["duplicate-append"].witnesses[0]["mechanism"] == "the application sent it again"


def test_the_identities_of_the_copies_tell_how_the_second_came():
    """anomalies 1.3: same identity, same producer with another sequence, producer begun anew."""
    told = {}
    for name, second in {"same": "0 5", "sequence": "0 9", "epoch": "1 0"}.items():
        epoch, seq = second.split()
        verdict = judged(SENT + f"append o-0 0 a1 pid=1 epoch=0 seq=5; append o-0 1 a1 pid=1 epoch={epoch} seq={seq}")
        told[name] = verdict.findings["duplicate-append"].witnesses[0]["mechanism"]

    assert told["same"].endswith("the broker did not recognise it")
    assert told["sequence"].endswith("sent again")
    assert told["epoch"].endswith("the producer began anew")
    verdict = judged(SENT + "append o-0 0 a1 pid=1; append o-0 1 a1 pid=1")
    assert "not told" in verdict.findings["duplicate-append"].witnesses[0]["mechanism"]


def test_what_looks_like_a_duplicate_and_is_none():
    """anomalies 1.3, "not this"."""
    clean = {
        "read twice": SENT + "append o-0 0 a1; poll C1 o-0:0:a1; seek C1 o-0 0; poll C1 o-0:0:a1",
        "copies on replicas": SENT + """
            append o-0 0 a1; append o-0 0 a1 b=2 role=follower; append o-0 0 a1 b=3 role=follower""",
        "acknowledged again with its old offset": SENT + "append o-0 0 a1; ack P1 a1 o-0 0; ack P1 a1 o-0 0",
        "a truncated first copy": SENT + "append o-0 0 a1; truncate o-0 0; append o-0 0 a1",
        "a copy in an aborted transaction": SENT + """
            append o-0 0 a1 pid=3 txn=T; control o-0 1 abort pid=3
            append o-0 2 a1 pid=3 txn=U; control o-0 3 commit pid=3""",
    }  # fmt: skip
    assert_none("duplicate-append", clean)


# --- lost-acked -------------------------------------------------------------------------------------------------------
def test_an_acknowledged_value_that_was_never_written_is_lost():
    """acks=0: told ok, and no broker has it."""
    verdict = judged(SENT + "append o-0 0 a1; ack P1 a1 o-0 0; ack P1 a2 o-0")

    assert witnesses(verdict, "lost-acked") == [(["a2"], [], [6])]
    assert verdict.findings["lost-acked"].witnesses[0]["fate"] == "never appended"


def test_an_acknowledged_value_that_was_truncated_is_lost_and_the_witness_names_the_truncation():
    text = (
        SENT
        + """
    append o-0 0 a1; append o-0 1 a2; ack P1 a1 o-0 0; ack P1 a2 o-0 1
    append o-0 0 a1 b=2 role=follower; leader o-0 2 1; truncate o-0 1 b=1
    """
    )
    verdict = judged(text)

    assert witnesses(verdict, "lost-acked") == [(["a2"], [1], [5, 7, 10])]
    told = verdict.findings["lost-acked"].witnesses[0]
    assert (told["fate"], told["last_on_broker"]) == ("appended and truncated", 1)


def test_a_value_on_a_dead_leader_alone_is_lost():
    text = SENT + "append o-0 0 a1; ack P1 a1 o-0 0; leader o-0 2 1"
    verdict = judged(text)

    assert witnesses(verdict, "lost-acked") == [(["a1"], [0], [4, 5])]
    assert verdict.findings["lost-acked"].witnesses[0]["fate"] == "only on replicas that do not lead"


def test_a_committed_transaction_with_a_hidden_write_has_lost_it():
    """anomalies 1.4: the client saw the commit; the log aborted."""
    text = """
    send P1 1 a1 o-0 txn=T; append o-0 0 a1 pid=3 txn=T; ack P1 a1 o-0 0; control o-0 1 abort pid=3; txn T {}
    """

    assert counts(text.format("commit"))["lost-acked"] == 1
    assert "lost-acked" not in counts(text.format("abort"))


def test_what_looks_like_a_loss_and_is_none():
    """anomalies 1.4, "not this"."""
    clean = {
        "unknown": SENT + "append o-0 0 a1; ack P1 a1 o-0 0; unknown P1 a2 o-0",
        "failed": SENT + "append o-0 0 a1; ack P1 a1 o-0 0; fail P1 a2",
        "expired": SENT + "append o-0 0 a1; ack P1 a1 o-0 0; logstart o-0 1",
        "expired before the log was read": SENT + "ack P1 a1 o-0 0; logstart o-0 1; append o-0 1 a2; ack P1 a2 o-0 1",
        "compacted": SENT + "append o-0 0 a1; ack P1 a1 o-0 0; append o-0 1 a2; compact o-0 0",
        "truncated and written again": SENT + "append o-0 0 a1; ack P1 a1 o-0 0; truncate o-0 0; append o-0 0 a1",
        "a reader that is behind": SENT + """
            append o-0 0 a1; append o-0 1 a2; ack P1 a1 o-0 0; ack P1 a2 o-0 1; poll C1 o-0:0:a1""",
    }  # fmt: skip
    assert_none("lost-acked", clean)


def test_a_value_replaced_at_its_offset_before_the_log_expired_was_lost():
    """Offset 0 has expired, but what stood there was another record."""
    text = SENT + "append o-0 0 a1; ack P1 a1 o-0 0; truncate o-0 0; append o-0 0 a2; logstart o-0 1"

    assert counts(text)["lost-acked"] == 1


def test_without_acks_or_appends_nothing_can_be_lost_and_that_is_said():
    no_acks = judged(SENT + "append o-0 0 a1").findings["lost-acked"]
    no_appends = judged(SENT + "ack P1 a1 o-0 0").findings["lost-acked"]

    assert (no_acks.checked, no_acks.why) == (False, "the history has no acks")
    assert (no_appends.checked, no_appends.why) == (False, "the history has no appends")
