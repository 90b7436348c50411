"""Identities in the log and real time: sequences, epochs, leader epochs, realtime-inversion."""

from __future__ import annotations

from tests.analysis.written import assert_none, counts, judged, witnesses

LAST = 2147483647


def log(*records: tuple[int, int, int]) -> str:
    """A log of (pid, epoch, seq), values v0, v1, ...; the first append is line 2 plus the sends."""
    sends = "".join(f"send P1 {k} v{k} o-0; " for k in range(len(records)))
    appends = [f"append o-0 {k} v{k} pid={p} epoch={e} seq={s}" for k, (p, e, s) in enumerate(records)]
    return sends + "; ".join(appends)


# --- sequences --------------------------------------------------------------------------------------------------------
def test_a_distance_above_one_is_a_gap_and_one_of_zero_or_below_a_regression():
    """anomalies 1.9: 0 2 2 1: distances 2 (gap), 0 and 2^31 - 1 (regressions)."""
    verdict = judged(log((1, 0, 0), (1, 0, 2), (1, 0, 2), (1, 0, 1)))

    assert witnesses(verdict, "sequence-gap") == [(["v0", "v1"], [0, 1], [6, 7])]
    assert witnesses(verdict, "sequence-regression") == [(["v1", "v2"], [1, 2], [7, 8]), (["v2", "v3"], [2, 3], [8, 9])]


def test_half_of_the_range_divides_gaps_from_regressions():
    """Distance 2^30 is still a gap, 2^30 + 1 a regression."""
    assert counts(log((1, 0, 0), (1, 0, 1 << 30))) == {"sequence-gap": 1}
    assert counts(log((1, 0, 0), (1, 0, (1 << 30) + 1))) == {"sequence-regression": 1}


def test_what_looks_like_a_wrong_sequence_and_is_none():
    """anomalies 1.9, "not this"."""
    clean = {
        "the wrap": log((1, 0, LAST - 1), (1, 0, LAST), (1, 0, 0), (1, 0, 1)),
        "a new epoch": log((1, 0, 0), (1, 0, 1), (1, 1, 0)),
        "another producer between": log((1, 0, 0), (2, 0, 0), (1, 0, 1), (2, 0, 1)),
        "a hole made by compaction": log((1, 0, 0), (1, 0, 2)).replace("o-0 1 v1", "o-0 2 v1") + "; compact o-0 1",
        "a first sequence that is not 0": log((1, 0, 41), (1, 0, 42)),
        "a control record between": log((1, 0, 0), (1, 0, 1)).replace("o-0 1 v1", "o-0 2 v1")
        + "; control o-0 1 commit pid=1 epoch=0",
    }  # fmt: skip
    assert_none("sequence-gap", clean)
    assert_none("sequence-regression", clean)


def test_after_a_day_of_silence_the_broker_takes_any_sequence():
    """anomalies 1.9, "not this": the broker forgot the producer."""
    text = """
    send P1 1 a1 o-0; send P1 2 a2 o-0
    @10 append o-0 0 a1 pid=1 epoch=0 seq=0; @{} append o-0 1 a2 pid=1 epoch=0 seq=9
    """

    assert counts(text.format(10 + 86_400_000_000)) == {}
    assert counts(text.format(9 + 86_400_000_000)) == {"sequence-gap": 1}


# --- epochs -----------------------------------------------------------------------------------------------------------
def test_records_of_a_lower_producer_epoch_behind_a_higher_one_are_fenced_appends():
    """anomalies 1.10: epochs 0 1 0 0 1: two."""
    verdict = judged(log((1, 0, 0), (1, 1, 0), (1, 0, 1), (1, 0, 2), (1, 1, 1)))

    assert witnesses(verdict, "fenced-append") == [(["v1", "v2"], [1, 2], [8, 9]), (["v1", "v3"], [1, 3], [8, 10])]


def test_epochs_of_other_producers_and_partitions_fence_nobody():
    clean = {
        "another producer": log((1, 1, 0), (2, 0, 0)),
        "rising epochs": log((1, 0, 0), (1, 1, 0), (1, 2, 0)),
        "another partition": log((1, 1, 0), (1, 0, 0)).replace("append o-0 1 v1", "append o-1 0 v1"),
    }
    assert_none("fenced-append", clean)


def test_leader_epochs_may_only_rise_along_the_log():
    text = "send P1 0 v0 o-0; send P1 1 v1 o-0; append o-0 0 v0 lep={}; append o-0 1 v1 lep={}"
    verdict = judged(text.format(3, 2))

    assert witnesses(verdict, "leader-epoch-regression") == [(["v0", "v1"], [0, 1], [4, 5])]
    assert counts(text.format(2, 2)) == counts(text.format(2, 7)) == {}


def test_each_decrease_of_the_leader_epoch_is_one():
    epochs = (5, 4, 6, 1)
    sends = "".join(f"send P1 {k} v{k} o-0; " for k in range(4))
    appends = "; ".join(f"append o-0 {k} v{k} lep={epoch}" for k, epoch in enumerate(epochs))

    assert counts(sends + appends) == {"leader-epoch-regression": 2}


def test_a_log_without_identities_says_that_they_were_not_checked():
    findings = judged("send P1 0 v0 o-0; append o-0 0 v0").findings

    assert findings["sequence-gap"].why == "no append has a sequence"
    assert findings["fenced-append"].why == "no append has a producer epoch"
    assert findings["leader-epoch-regression"].why == "no append has a leader epoch"


# --- realtime-inversion -----------------------------------------------------------------------------------------------
def test_a_record_acknowledged_before_another_was_sent_must_stand_before_it():
    """anomalies 1.12: y acknowledged in line 4, x sent in line 5, and yet x stands before y."""
    text = "send P1 1 y o-0; append o-0 1 y; ack P1 y o-0 1; send P2 1 x o-0; append o-0 0 x b=1; ack P2 x o-0 0"
    verdict = judged(text)

    assert verdict.findings["realtime-inversion"].count == 1
    assert witnesses(verdict, "realtime-inversion") == [(["x", "y"], [0, 1], [4, 5, 6, 3])]


def test_every_record_that_stands_too_low_counts_once():
    text = """
    send P1 1 y1 o-0; send P1 2 y2 o-0; append o-0 2 y1; append o-0 3 y2; ack P1 y1 o-0 2; ack P1 y2 o-0 3
    send P2 1 x1 o-0; send P2 2 x2 o-0; append o-0 0 x1; append o-0 1 x2; ack P2 x1 o-0 0; ack P2 x2 o-0 1
    """
    assert counts(text)["realtime-inversion"] == 2


def test_concurrent_sends_and_records_that_were_not_acknowledged_have_no_order_in_time():
    """anomalies 1.12, "not this"."""
    clean = {
        "sent before the ack": """
            send P1 1 y o-0; append o-0 1 y; send P2 1 x o-0; ack P1 y o-0 1; append o-0 0 x; ack P2 x o-0 0""",
        "x not acknowledged": "send P1 1 y o-0; append o-0 1 y; ack P1 y o-0 1; send P2 1 x o-0; append o-0 0 x",
        "another partition": """
            send P1 1 y o-1; append o-1 1 y; ack P1 y o-1 1; send P2 1 x o-0; append o-0 0 x; ack P2 x o-0 0""",
        "only y's second copy stands behind": """
            send P1 1 y o-0; append o-0 0 y; ack P1 y o-0 0
            send P2 1 x o-0; append o-0 1 x; ack P2 x o-0 1; append o-0 2 y""",
    }  # fmt: skip
    assert_none("realtime-inversion", clean)
