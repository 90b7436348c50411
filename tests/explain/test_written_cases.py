"""Mechanisms of histories written by hand, as of a real cluster: one for each that such a history can tell, and a near
miss beside it. Expected stories worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.explaining import Explanation, explain
from analysis.explaining.mechanisms import NOT_EXPLAINED
from sim.errors import InputError
from tests.analysis.written import judged

SENT = "send P1 1 a o-0; send P1 2 b o-0; "
PLAIN = {"clients": {"P1": {"acks": "all", "enable.idempotence": "false"}}, "topics": {"o": {}}}


def told(text: str, finding: str, witness: int = 0, **header: Any) -> Explanation:
    return explain(judged(text, **header), finding, witness)


def words(one: Explanation) -> list[str]:
    return [line.words for line in one.story]


# --- late -------------------------------------------------------------------------------------------------------------
REFUSED = (
    SENT
    + """
    attempt P1 a o-0 1 7 1; attempt P1 b o-0 1 7 1
    reject P1 a o-0 NOT_ENOUGH_REPLICAS; append o-0 0 b
    response P1 a o-0 7 1 error=NOT_ENOUGH_REPLICAS; response P1 b o-0 7 1; ack P1 b o-0 0
    attempt P1 a o-0 1 7 2; append o-0 1 a; response P1 a o-0 7 2; ack P1 a o-0 1
"""
)


def test_a_refused_batch_is_overtaken() -> None:
    one = told(REFUSED, "append-reorder", config=PLAIN)

    assert (one.mechanism, one.because) == (
        "retry after a refused batch", "attempt 1 was refused with NOT_ENOUGH_REPLICAS",
    )  # fmt: skip
    assert one.permitted_by[:2] == ["enable.idempotence=false", "max.in.flight.requests.per.connection=5"]
    assert one.proof is None  # nothing to run
    assert [line.t for line in one.story] == sorted(line.t for line in one.story)
    assert words(one) == [
        "P1 calls send(a) to o-0", "P1 calls send(b) to o-0", "P1 sends a to broker 1, attempt 1 on connection 7",
        "P1 sends b to broker 1, attempt 1 on connection 7", "broker 1 refuses a: NOT_ENOUGH_REPLICAS",
        "broker 1 stores b at o-0 offset 0", "the answer to attempt 1 of a reaches P1: NOT_ENOUGH_REPLICAS",
        "the answer to attempt 1 of b reaches P1: stored", "P1 reports b: acknowledged at offset 0",
        "P1 sends a to broker 1, attempt 2 on connection 7", "broker 1 stores a at o-0 offset 1",
        "the answer to attempt 2 of a reaches P1: stored", "P1 reports a: acknowledged at offset 1",
        "in the end: b at o-0 offset 0, a at o-0 offset 1",
    ]  # fmt: skip


def test_near_miss_the_refused_batch_had_a_zombie() -> None:
    """The same, but the copy that stayed is of the first transmission, which the client had given up."""
    text = (
        SENT
        + """
        attempt P1 a o-0 1 7 1; attempt P1 b o-0 1 8 1; append o-0 0 b; response P1 b o-0 8 1; ack P1 b o-0 0
        unknown P1 a o-0; append o-0 1 a
    """
    )
    assert told(text, "append-reorder").mechanism == "zombie request of an old connection"


def test_a_lost_window_comes_back_reversed() -> None:
    """Java puts each lost batch at the head of the queue (producer 4.2 b)."""
    text = (
        SENT
        + """
        attempt P1 a o-0 1 7 1; attempt P1 b o-0 1 7 1
        attempt P1 b o-0 2 8 2; attempt P1 a o-0 2 8 2
        append o-0 0 b b=2; append o-0 1 a b=2; leader o-0 2 1; response P1 b o-0 8 2; response P1 a o-0 8 2
    """
    )
    one = told(text, "append-reorder")
    assert one.mechanism == "retry after a lost request"
    assert one.because.startswith("attempt 1 was never stored and never answered (whether its connection broke or ")


def test_the_failure_that_counts_is_the_last_before_the_other_went_ahead() -> None:
    """a is lost first, while b waits behind it; only when its retry is refused does b pass."""
    text = (
        SENT
        + """
        attempt P1 a o-0 1 7 1; attempt P1 a o-0 1 8 2; attempt P1 b o-0 1 8 1
        reject P1 a o-0 NOT_ENOUGH_REPLICAS; append o-0 0 b; response P1 a o-0 8 2 error=NOT_ENOUGH_REPLICAS
        response P1 b o-0 8 1; attempt P1 a o-0 1 8 3; append o-0 1 a; response P1 a o-0 8 3
    """
    )
    assert told(text, "append-reorder").mechanism == "retry after a refused batch"


def test_the_old_leader_had_it_and_lost_it() -> None:
    text = (
        SENT
        + """
        attempt P1 a o-0 1 7 1; append o-0 0 a lep=0; attempt P1 b o-0 2 8 1; leader o-0 2 1; truncate o-0 0 b=1
        append o-0 0 b b=2 lep=1; response P1 b o-0 8 1; attempt P1 a o-0 2 8 2; append o-0 1 a b=2 lep=1
        response P1 a o-0 8 2
    """
    )
    assert told(text, "append-reorder").mechanism == "retry into a new leader that lacked the batch"


def test_without_transmissions_it_is_not_explained_and_that_is_said() -> None:
    one = told(SENT + "append o-0 0 b; append o-0 1 a; ack P1 b o-0 0; ack P1 a o-0 1", "append-reorder")

    assert one.mechanism == NOT_EXPLAINED
    assert "no transmissions (attempt)" in one.because
    assert words(one)[-1] == "in the end: b at o-0 offset 0, a at o-0 offset 1"
    assert (one.says, one.permitted_by, one.prevented_by) == ("", [], "")


def test_one_plain_transmission_explains_nothing() -> None:
    text = (
        SENT
        + """
        attempt P1 a o-0 1 7 1; attempt P1 b o-0 1 8 1; append o-0 0 b; append o-0 1 a; response P1 a o-0 7 1"""
    )

    assert told(text, "append-reorder").mechanism == NOT_EXPLAINED


# --- twice ------------------------------------------------------------------------------------------------------------
LOST_ANSWER = """
    send P1 1 a o-0; attempt P1 a o-0 1 7 1; append o-0 0 a
    attempt P1 a o-0 1 8 2; append o-0 1 a; response P1 a o-0 8 2; ack P1 a o-0 1
"""


def test_a_lost_answer_stores_it_again() -> None:
    one = told(LOST_ANSWER, "duplicate-append", config=PLAIN)

    assert one.mechanism == "retry after a lost response"
    unsure = "(whether its connection broke or the client gave it up, the history does not say)"
    assert one.because == f"attempt 1 was stored and its answer never came {unsure}; attempt 2 was stored too"
    assert words(one)[-1] == "in the end: a at o-0 offset 0, a at o-0 offset 1"


def test_near_miss_the_first_transmission_is_stored_after_the_second_was_sent() -> None:
    text = """
        send P1 1 a o-0; attempt P1 a o-0 1 7 1; attempt P1 a o-0 1 8 2
        append o-0 0 a; append o-0 1 a; response P1 a o-0 8 2; ack P1 a o-0 1
    """
    assert told(text, "duplicate-append").mechanism == "zombie request of an old connection"


def test_an_error_after_the_append_stores_it_again() -> None:
    text = """
        send P1 1 a o-0; attempt P1 a o-0 1 7 1; append o-0 0 a; response P1 a o-0 7 1 error=REQUEST_TIMED_OUT
        attempt P1 a o-0 1 7 2; append o-0 1 a; response P1 a o-0 7 2
    """
    assert told(text, "duplicate-append").mechanism == "retry after an error that came after the append"


def test_a_leader_that_is_replaced_while_it_waits_refuses_what_it_has_stored() -> None:
    """acks=all: the answer to a request that waits for replication when its leader loses office."""
    text = """
        send P1 1 a o-0; attempt P1 a o-0 1 7 1; append o-0 0 a; append o-0 0 a b=2 role=follower
        reject P1 a o-0 NOT_LEADER_OR_FOLLOWER; response P1 a o-0 7 1 error=NOT_LEADER_OR_FOLLOWER
        leader o-0 2 1; attempt P1 a o-0 2 8 2; append o-0 1 a b=2; response P1 a o-0 8 2
    """
    one = told(text, "duplicate-append")

    assert one.mechanism == "retry after an error that came after the append"
    assert one.because.startswith("attempt 1 was stored and answered NOT_LEADER_OR_FOLLOWER")


def test_the_application_sends_again_and_a_restarted_producer_does() -> None:
    again = "send P1 1 a o-0 uid=u; append o-0 0 a; unknown P1 a o-0; send {} 2 b o-0 uid=u; append o-0 1 b"

    assert told(again.format("P1"), "duplicate-append").mechanism == "application sent again"
    assert told(again.format("P1#2"), "duplicate-append").mechanism == "producer restarted"


def test_a_new_epoch_hides_the_stored_batch_from_the_leader() -> None:
    text = """
        send P1 1 a o-0; attempt P1 a o-0 1 7 1; append o-0 0 a pid=5 epoch=0 seq=0
        response P1 a o-0 7 1 error=REQUEST_TIMED_OUT
        attempt P1 a o-0 1 7 2; append o-0 1 a pid=5 epoch=1 seq=0; response P1 a o-0 7 2
    """
    forgotten = """
        send P1 1 a o-0; attempt P1 a o-0 1 7 1; append o-0 0 a pid=5 epoch=0 seq=0
        attempt P1 a o-0 1 8 2; reject P1 a o-0 OUT_OF_ORDER_SEQUENCE_NUMBER
        response P1 a o-0 8 2 error=OUT_OF_ORDER_SEQUENCE_NUMBER
        attempt P1 a o-0 1 8 3; append o-0 1 a pid=5 epoch=1 seq=0; response P1 a o-0 8 3
    """

    assert told(text, "duplicate-append").mechanism == "epoch bump renumbers"
    assert told(forgotten, "duplicate-append").mechanism == "producer state lost and rebuilt"


def test_it_may_be_another_batch_of_the_window_that_the_leader_had_forgotten() -> None:
    """b is renumbered because the leader refused a, which it had stored, as out of order (producer 6.7, item 4)."""
    text = """
        send P1 1 a o-0; send P1 2 b o-0; attempt P1 a o-0 1 7 1; attempt P1 b o-0 1 7 1
        append o-0 0 a pid=5 epoch=0 seq=0; append o-0 1 b pid=5 epoch=0 seq=1
        attempt P1 a o-0 1 8 2; response P1 a o-0 8 2 error=OUT_OF_ORDER_SEQUENCE_NUMBER
        attempt P1 a o-0 1 8 3; append o-0 2 a pid=5 epoch=1 seq=0; response P1 a o-0 8 3
        attempt P1 b o-0 1 8 2; append o-0 3 b pid=5 epoch=1 seq=1; response P1 b o-0 8 2
    """
    assert told(text, "duplicate-append", 1).mechanism == "producer state lost and rebuilt"
    never = text.replace("append o-0 0 a pid=5 epoch=0 seq=0; append o-0 1 b", "append o-0 1 b")
    assert told(never, "duplicate-append", 0).mechanism == "epoch bump renumbers"  # what it refused it had not stored


def test_copies_without_transmissions_are_not_explained() -> None:
    one = told("send P1 1 a o-0; append o-0 0 a; append o-0 1 a", "duplicate-append")

    assert one.mechanism == NOT_EXPLAINED


# --- gone -------------------------------------------------------------------------------------------------------------
GONE = """
    send P1 1 a o-0; attempt P1 a o-0 1 7 1; append o-0 0 a; response P1 a o-0 7 1; ack P1 a o-0 0
    leader o-0 2 1; truncate o-0 0 b=1
"""


def test_the_tail_of_a_leader_that_acknowledged_by_itself() -> None:
    tail = {"clients": {"P1": {"acks": "1"}}, "topics": {"o": {"min.insync.replicas": 2}}}
    one = told(GONE, "lost-acked", config=tail)

    assert one.mechanism == "truncated tail of an acks=1 leader"
    assert words(one)[-3:] == [
        "broker 2 leads o-0, epoch 1", "broker 1 cuts its log to 0: a is gone from o-0 offset 0",
        "in the end: a in no log",
    ]  # fmt: skip


def test_near_miss_acks_all_loses_nothing_so() -> None:
    assert told(GONE, "lost-acked", config=PLAIN).mechanism == NOT_EXPLAINED
    assert told(GONE, "lost-acked").mechanism == NOT_EXPLAINED  # nobody says what acks was


def test_an_election_that_chose_a_broker_without_a_committed_record_was_unclean() -> None:
    """The second of two elections cut it off; the first had chosen a broker that held it."""
    text = """
        send P1 1 a o-0; append o-0 0 a; append o-0 0 a b=2 role=follower; hw o-0 1; ack P1 a o-0 0
        leader o-0 2 1; leader o-0 3 2; truncate o-0 0 b=1; truncate o-0 0 b=2
    """
    config = {"clients": {"P1": {"acks": "1"}}, "topics": {"o": {"unclean.leader.election.enable": "true"}}}
    one = told(text, "lost-acked", config=config)

    assert one.mechanism == "unclean election"
    assert one.because == "broker 3 was elected from outside the in-sync set and lacked it"
    above = text.replace("hw o-0 1", "hw o-0 0")
    assert told(above, "lost-acked", config=config).mechanism == "truncated tail of an acks=1 leader"
    assert told(text.replace("hw o-0 1;", ""), "lost-acked", config=config).mechanism == NOT_EXPLAINED


def test_acks_0_into_a_dead_connection() -> None:
    never = "send P1 1 a o-0; send P1 2 b o-0; append o-0 0 a; ack P1 a o-0; ack P1 b o-0"
    zero = {"clients": {"P1": {"acks": "0"}}, "topics": {"o": {}}}

    assert told(never, "lost-acked", config=zero).mechanism == "acks=0 into a dead connection"
    assert told(never, "lost-acked", config=PLAIN).mechanism == NOT_EXPLAINED


# --- readers ----------------------------------------------------------------------------------------------------------
READ = "send P1 1 a o-0; append o-0 0 a; ack P1 a o-0 0; hw o-0 1; "
GROUP = {"C1": {"group": "G"}, "C2": {"group": "G"}}
REREAD = {
    "re-read after a restart": "assign C1 o-0; poll C1 o-0:0:a; crash C1; assign C2 o-0; poll C2 o-0:0:a",
    "re-read after a rebalance": "assign C1 o-0; poll C1 o-0:0:a; revoke C1 o-0; assign C2 o-0; poll C2 o-0:0:a",
    "stolen partition and late commit": """
        assign C1 o-0; poll C1 o-0:0:a; assign C2 o-0; poll C2 o-0:0:a; commit C1 o-0 1""",
    "position reset": "assign C1 o-0; poll C1 o-0:0:a; reset C1 o-0 0; poll C1 o-0:0:a",
}


@pytest.mark.parametrize("mechanism", REREAD)
def test_why_a_reader_was_given_it_again(mechanism: str) -> None:
    one = told(READ + REREAD[mechanism], "duplicate-delivery", consumers=GROUP)

    assert one.mechanism == mechanism
    assert any("polls o-0 from offset 0" in line for line in words(one))


def test_near_miss_the_old_reader_commits_in_time() -> None:
    """Its commit comes before the other begins: an ordinary rebalance."""
    text = READ + "assign C1 o-0; poll C1 o-0:0:a; revoke C1 o-0; assign C2 o-0; commit C1 o-0 0; poll C2 o-0:0:a"

    assert told(text, "duplicate-delivery", consumers=GROUP).mechanism == "re-read after a rebalance"


# --- what cannot be asked ---------------------------------------------------------------------------------------------
def test_questions_without_an_answer_are_refused_in_one_line() -> None:
    for finding, witness, says in (
        ("append-reordr", 0, "did you mean append-reorder"), ("duplicate-append", 0, "is not there"),
        ("torn-transaction", 0, "could not be checked"), ("append-reorder", 1, "use 0 to 0"),
    ):  # fmt: skip
        with pytest.raises(InputError) as refused:
            told(REFUSED, finding, witness)
        assert says in str(refused.value), str(refused.value)
        assert "\n" not in str(refused.value)


def test_what_is_stored_after_the_client_had_stopped_waiting_is_a_zombie() -> None:
    """Its options say how long it waits; at 3 ms, less than that had passed (times in microseconds)."""
    text = """
        send P1 1 a o-0; @100 attempt P1 a o-0 1 7 1; @{} append o-0 0 a
        @9000 attempt P1 a o-0 1 8 2; @9100 append o-0 1 a; @9200 response P1 a o-0 8 2; @9200 ack P1 a o-0 1
    """
    patient = {"clients": {"P1": {"request.timeout.ms": 5}}, "topics": {"o": {}}}

    late = told(text.format(6000), "duplicate-append", config=patient)
    assert late.mechanism == "zombie request of an old connection"
    assert "P1 closes connection 7 to broker 1: request.timeout.ms has passed without an answer" in words(late)
    for early, config in ((3000, patient), (6000, PLAIN)):
        assert told(text.format(early), "duplicate-append", config=config).mechanism == "retry after a lost response"
