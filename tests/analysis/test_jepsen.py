"""The histories of Jepsen's own tests of its Kafka workload, in the exchange format, and our answer beside theirs.

Jepsen knows the log from what clients say; here the log is told as well, since dense indexes need one (exchange format:
``poll-skip`` has to see appends). Jepsen's process is a consumer and a producer, its ``:ok``, ``:info`` and ``:fail``
are acknowledged, unknown and failed sends, or transactions that committed, are unknown, or aborted.
"""

from __future__ import annotations

import pytest

from tests.analysis.written import counts, judged, witnesses

COMMITTED = {name: {"isolation": "read_committed"} for name in ("C0", "C1", "C2")}


def sent(producer: str, words: str, p: str = "x-0") -> str:
    return "; ".join(f"send {producer} {k} {v} {p}" for k, v in enumerate(words.split())) + "; "


def stored(words: str, p: str = "x-0") -> str:
    """``1:a 2:b``: offsets and values."""
    pairs = [one.split(":") for one in words.split()]
    return "; ".join(f"append {p} {o} {v}" for o, v in pairs) + "; "


# --- inconsistent-offsets-test ----------------------------------------------------------------------------------------
INFO = """
send P0 1 1 x-0 txn=T; send P0 2 1y y-0 txn=T; unknown P0 1 x-0 0; unknown P0 1y y-0; send P1 1 2 x-0; ack P1 2 x-0 0
"""


def test_an_unknown_send_that_conflicts_is_taken_not_to_have_committed():
    assert judged(INFO).findings["inconsistent-offsets"].count == 0


def test_until_a_read_of_another_write_of_its_transaction_shows_that_it_did():
    found = judged(f"{INFO}; poll C2 y-0:5:1y").findings["inconsistent-offsets"]

    assert (found.count, {r["v"] for r in found.witnesses[0]["records"]}) == (1, {"1", "2"})


# --- g1a-test ---------------------------------------------------------------------------------------------------------
def test_a_failed_write_that_is_read_is_an_aborted_read():
    verdict = judged("send P0 1 2 x-0; send P0 2 3 y-0; fail P0 2; fail P0 3; poll C1 x-0:0:2")

    assert witnesses(verdict, "aborted-read") == [(["2"], [0], [6])]


# --- lost-write-test --------------------------------------------------------------------------------------------------
def test_below_the_highest_read_every_acknowledged_value_has_to_be_read():
    """ "consistent": a at 0, b at 1, d at 3; c is read at 2. Lost: a and b."""
    text = sent("P0", "a b d") + "send P1 1 c x-0; ack P0 a x-0 0; ack P0 b x-0 1; ack P0 d x-0 3; unknown P1 c x-0; "
    verdict = judged(text + stored("0:a 1:b 2:c 3:d") + "poll C0 x-0:2:c", drain=True)

    assert [values for values, _, _ in witnesses(verdict, "lost-write")] == [["a"], ["b"]]


def test_a_value_that_was_overwritten_is_lost_too():
    """ "inconsistent": a and b both at 0, c at 2; b and c are read."""
    text = sent("P0", "a b c") + "ack P0 a x-0 0; ack P0 b x-0 0; ack P0 c x-0 2; " + stored("0:b 2:c")
    verdict = judged(text + "poll C0 x-0:0:b x-0:2:c", drain=True)

    assert [values for values, _, _ in witnesses(verdict, "lost-write")] == [["a"]]


def test_a_read_of_one_write_makes_the_others_of_its_transaction_eligible():
    """ "atomic": without the poll of a nothing is lost; with it, b is."""
    text = """send P0 1 a x-0 txn=T; send P0 2 b y-0 txn=T; unknown P0 a x-0; unknown P0 b y-0 0; send P1 1 c y-0
    unknown P1 c y-0; poll C3 y-0:1:c"""

    assert judged(text, drain=True).findings["lost-write"].count == 0
    with_a = judged(f"{text}; poll C2 x-0:0:a", drain=True)
    assert [values for values, _, _ in witnesses(with_a, "lost-write")] == [["b"]]


# --- poll-skip-test ---------------------------------------------------------------------------------------------------
SKIPS = sent("P3", "a b c d f g") + stored("1:a 2:b 3:c 4:d 6:f 7:g")
READS = ("poll C0 x-0:1:a x-0:2:b", "poll C1 x-0:3:c", "poll C0 x-0:4:d", "poll C0 x-0:7:g")


def test_two_skips_of_one_record_each():
    verdict = judged(SKIPS + "; ".join(READS))
    told = verdict.findings["poll-skip"].witnesses

    assert [(one["delta"], [r["v"] for r in one["skipped"]]) for one in told] == [(2, ["c"]), (2, ["f"])]


@pytest.mark.parametrize("covers, skips", [("x-0,y-0", 2), ("y-0", 0)])
def test_an_assignment_that_still_covers_the_partition_keeps_the_position(covers, skips):
    """Jepsen assigns anew between the polls: with x nothing changes, without it skips are allowed."""
    between = f"assign C0 {covers}; assign C0 x-0,y-0"
    text = f"{SKIPS}assign C0 x-0,y-0; {READS[0]}; {READS[1]}; {between}; {READS[2]}; {between}; {READS[3]}"

    assert judged(text).findings["poll-skip"].count == skips


FIVE = sent("P0", "0 1 2 3 4 5") + stored("0:0 1:1 2:2 3:3 4:4 5:5")


def test_a_transaction_that_aborts_or_is_unknown_rewinds_its_consumer():
    """ "txn abort", good: poll 0; 1 2 and fail; 1 2 and info; 1 2 and ok."""
    ends = ("abort", "unknown", "commit")
    polls = [f"poll C1 x-0:1:1 x-0:2:2 txn={end}; txn {end} {end}" for end in ends]

    assert counts(FIVE + "poll C1 x-0:0:0 txn=T; txn T commit; " + "; ".join(polls)) == {}


def test_an_abort_that_does_not_rewind_is_a_skip_each_time():
    """ "abort doesn't roll back": deltas 3 and 5, both from the poll of 0."""
    text = (
        FIVE
        + """poll C1 x-0:0:0 txn=T; txn T commit; poll C1 x-0:1:1 x-0:2:2 txn=U; txn U abort
    poll C1 x-0:3:3 x-0:4:4 txn=V; txn V abort; poll C1 x-0:5:5 txn=W; txn W commit"""
    )
    told = judged(text).findings["poll-skip"].witnesses

    assert [one["delta"] for one in told] == [3, 5]
    assert [[r["v"] for r in one["skipped"]] for one in told] == [["1", "2"], ["1", "2", "3", "4"]]
    assert {one["records"][0]["v"] for one in told} == {"0"}


# --- nonmonotonic-poll-test, int-*, duplicate-test --------------------------------------------------------------------
BACK = sent("P0", "a b c d") + stored("1:a 2:b 3:c 4:d")
BACK += "assign C0 x-0; poll C0 x-0:1:a x-0:2:b x-0:3:c; {}poll C0 x-0:2:b x-0:3:c x-0:4:d"


@pytest.mark.parametrize("between, found", [("", 1), ("assign C0 x-0,y-0; ", 1), ("assign C0 y-0; ", 0)])
def test_a_second_poll_that_begins_before_the_end_of_the_first(between, found):
    verdict = judged(BACK.format(between))

    assert verdict.findings["nonmonotonic-poll"].count == found
    assert all(one["offsets"] == [3, 2] for one in verdict.findings["nonmonotonic-poll"].witnesses)


def test_skips_and_steps_back_inside_one_operation():
    """int-poll-skip-test and int-nonmonotonic-poll-test: within one poll, and between two polls of one operation."""
    log = sent("P1", "a b c d") + stored("1:a 2:b 3:c 4:d")
    skips = judged(log + "poll C0 x-0:1:a x-0:4:d; poll C1 x-0:1:a op=1; poll C1 x-0:4:d op=1; poll C2 x-0:2:b")
    back = judged(log + "poll C0 x-0:3:c x-0:1:a; poll C1 x-0:2:b x-0:3:c op=1; poll C1 x-0:3:c op=1")

    assert [values for values, _, _ in witnesses(skips, "int-poll-skip")] == [["a", "d"], ["a", "d"]]
    assert [values for values, _, _ in witnesses(back, "int-nonmonotonic-poll")] == [["c", "a"], ["c", "c"]]


def test_sends_of_one_operation_inverted_or_apart():
    """int-nonmonotonic-send-test and int-send-skip-test."""
    inverted = "send P0 1 c x-0 op=1; send P0 2 a x-0 op=1; " + stored("1:a 3:c")
    apart = "send P0 1 a x-0 op=1; send P0 2 c x-0 op=1; send P1 1 b x-0 op=2; " + stored("1:a 2:b 3:c")

    assert [values for values, _, _ in witnesses(judged(inverted), "int-nonmonotonic-send")] == [["c", "a"]]
    assert [values for values, _, _ in witnesses(judged(apart), "int-send-skip")] == [["a", "c"]]


def test_an_operation_that_lands_before_the_one_before():
    """nonmonotonic-send-test: c d at 3 4, then a b at 1 2; from d to a. Ours has no assignment of a producer."""
    text = "send P0 1 c x-0 op=1; send P0 2 d x-0 op=1; send P0 3 a x-0 op=2; send P0 4 b x-0 op=2; "
    verdict = judged(text + stored("1:a 2:b 3:c 4:d"))

    assert witnesses(verdict, "nonmonotonic-send") == [(["d", "a"], [4, 1], [9, 6])]


def test_one_value_at_several_offsets_is_a_duplicate_whatever_else_stands_there():
    """duplicate-test, "hash-insensitive": ten values, each acknowledged at 0 and read at 1."""
    values = [f"v{k}" for k in range(10)]
    text = sent("P0", " ".join(values)) + "; ".join(f"append x-0 0 {v}; ack P0 {v} x-0 0" for v in values)
    text += "; " + "; ".join(f"append x-0 1 {v}; poll C1 x-0:1:{v}" for v in values)
    verdict = judged(text)

    assert verdict.findings["duplicate-append"].count == 10
    assert [one["offsets"] for one in verdict.findings["inconsistent-offsets"].witnesses] == [[0], [1]]
    assert [len(one["records"]) for one in verdict.findings["inconsistent-offsets"].witnesses] == [10, 10]


# --- unseen, cycles, precommitted-read --------------------------------------------------------------------------------
@pytest.mark.parametrize("polls, left", [("", 2), ("x-0:0:a", 1), ("x-0:0:a x-0:1:b", 0)])
def test_what_was_acknowledged_and_not_polled_is_unseen(polls, left):
    text = sent("P0", "a b") + f"ack P0 a x-0 0; ack P0 b x-0 1; poll C0 {polls}"

    assert judged(text, drain=True).findings["unseen"].count == left


def test_two_transactions_with_conflicting_orders_are_a_g0():
    text = """send P0 1 xa x-0 txn=A; send P0 2 ya y-0 txn=A; send P1 1 xb x-0 txn=B; send P1 2 yb y-0 txn=B
    append x-0 0 xa pid=1; append x-0 1 xb pid=2; append y-0 0 yb pid=2; append y-0 1 ya pid=1
    control x-0 2 commit pid=1; control x-0 3 commit pid=2; control y-0 2 commit pid=1; control y-0 3 commit pid=2"""
    verdict = judged(text)

    assert verdict.findings["G0"].witnesses[0]["transactions"] == ["A", "B", "A"]
    assert (verdict.findings["G0"].count, verdict.findings["G0"].kind) == (1, "information")


def test_two_transactions_that_see_each_other_are_a_g1c_of_reads():
    text = "send P0 1 a x-0 txn=A; send P1 1 b y-0 txn=B; append x-0 0 a pid=1; append y-0 0 b pid=2"
    verdict = judged(f"{text}; poll C0 y-0:0:b txn=A; poll C1 x-0:0:a txn=B", consumers=COMMITTED)
    told = verdict.findings["G1c-wr"].witnesses[0]

    assert (told["transactions"], told["steps"]) == (["A", "B", "A"], ["wr", "wr"])
    assert verdict.findings["G1c"].count == 1


def test_a_read_and_a_write_the_other_way_round_are_a_g1c():
    """g1c-ww-wr-test."""
    text = """send P0 1 a x-0 txn=A; send P0 2 c y-0 txn=A; send P1 1 b y-0 txn=B
    append x-0 0 a pid=1; append y-0 1 b pid=2; append y-0 2 c pid=1
    control x-0 1 commit pid=1; control y-0 3 commit pid=1; control y-0 4 commit pid=2; poll C1 x-0:0:a txn=B"""
    verdict = judged(text, consumers=COMMITTED)

    assert (verdict.findings["G1c"].count, verdict.findings["G1c-wr"].count) == (1, 0)
    assert verdict.findings["G1c"].witnesses[0]["steps"] == ["wr", "ww"]


def test_a_transaction_that_reads_its_own_write_reads_what_is_not_committed():
    text = "send P0 1 a x-0 txn=A; append x-0 0 a pid=1; poll C0 x-0:0:a txn=A; control x-0 1 commit pid=1"
    verdict = judged(text, consumers=COMMITTED)

    assert witnesses(verdict, "precommitted-read") == witnesses(verdict, "uncommitted-read") == [(["a"], [0], [4])]
