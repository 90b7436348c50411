"""The Java client's connections and metadata: refresh gating, back-offs, hints (producer 2.4, 3.1, 5.1, 5.4)."""

from __future__ import annotations

import pytest

from sim.protocol.error_codes import ErrorCode as E
from sim.protocol.rows import Kind
from sim.protocol.settings import Rules
from tests.protocol.java_play import Play, idempotent, plain

S = 1_000_000
MS = 1_000


def test_a_hint_of_a_newer_leader_is_followed_without_back_off() -> None:
    """producer:S40, producer:toy-21"""
    play = plain("A", leaders={0: 1}).answer("A", E.NOT_LEADER_OR_FOLLOWER, leader=2, leader_epoch=1)
    assert (play.times_ms("A"), play.transmissions[-1].broker) == ([0, 0], 2)
    play.answer("A", E.NOT_LEADER_OR_FOLLOWER, leader=2, leader_epoch=1).run(1000)
    assert play.times_ms("A") == [0, 0, 200]  # the same leader again: second back-off


def test_without_a_hint_not_leader_backs_off_like_any_error() -> None:
    """producer:S40"""
    play = plain("A").answer("A", E.NOT_LEADER_OR_FOLLOWER).run(1000)
    assert play.times_ms("A") == [0, 100]


def test_before_3_7_a_hint_is_not_read() -> None:
    """KIP-951, producer 1.4"""
    rules = Rules(leader_hints=False)
    play = plain("A", rules=rules).answer("A", E.NOT_LEADER_OR_FOLLOWER, leader=2, leader_epoch=1).run(1000)
    assert [one.broker for one in play.transmissions] == [1, 1]


@pytest.mark.parametrize("code", [E.NOT_LEADER_OR_FOLLOWER, E.LEADER_NOT_AVAILABLE, E.KAFKA_STORAGE_ERROR])
def test_an_error_of_stale_metadata_asks_for_metadata(code: int) -> None:
    """producer 3.2, column metadata refresh"""
    play = plain("A").run(500)
    before = play.asked_metadata
    assert play.answer("A", code).asked_metadata == before + 1


def test_other_errors_ask_for_no_metadata() -> None:
    """producer 3.2"""
    play = plain("A").run(500)
    before = play.asked_metadata
    assert play.answer("A", E.NOT_ENOUGH_REPLICAS).run(1000).asked_metadata == before


def test_refreshes_are_a_back_off_apart_that_grows_while_answers_tell_nothing_new() -> None:
    """producer 5.4: 100, 200, 400, ... 1000 ms"""
    play = plain("A", leaders={0: -1}, delivery_timeout_us=60 * S)
    asked = [0.0]
    before = play.asked_metadata
    while len(asked) < 6:
        play.run(1)
        if play.asked_metadata > before:
            before = play.asked_metadata
            asked.append(play.now_us / 1000)
    assert [round(b - a) for a, b in zip(asked, asked[1:], strict=False)] == [100, 100, 200, 400, 800]


def test_a_leaderless_partition_keeps_its_batches_without_attempts() -> None:
    """producer 5.4"""
    play = plain("A", leaders={0: -1}).run(3000)
    play.leaders[0] = (1, 1)
    assert play.run(2000).sent() == "A"


def test_while_a_refresh_is_due_and_unsent_nothing_is_produced() -> None:
    """producer 2.4: the metadata request comes first, and may take the slot that has become free"""
    play = plain("A B C X/1 Y/1", window=2, leaders={0: 1, 1: 2}).run(200)
    play.gives_metadata = False
    play.role.network.metadata.want()
    assert play.run(500).held == []  # no connection has room
    play.ok("A")
    assert (len(play.held), play.on_wire()) == (1, "B X Y")
    assert play.ok("B").on_wire() == "X Y C"  # sent, if not answered: C may go


def test_a_metadata_request_takes_a_slot_of_the_window() -> None:
    """producer 1.1, max.in.flight counts every request type"""
    play = plain("Z A@300", window=1)
    play.ok("Z").run(200)
    play.gives_metadata = False
    play.role.network.metadata.want()
    play.at(300)
    assert (len(play.held), play.on_wire()) == (1, "")
    assert play.answer_metadata().on_wire() == "A"


def test_a_produce_request_follows_a_metadata_request_at_once_where_there_is_room() -> None:
    """producer 2.4: due and *sent* holds nothing back"""
    play = plain("Z A@300").ok("Z").run(200)
    play.gives_metadata = False
    play.role.network.metadata.want()
    assert play.at(300).on_wire() == "A"
    assert len(play.held) == 1


def test_a_reconnect_waits_for_its_back_off_even_if_nothing_else_happens() -> None:
    """producer 1.3: 50, 100, 200, ... 1000 ms"""
    play = plain("A").run(10)
    play.unreachable.add(1)
    play.disconnect().at(5000)
    opened = [row for row in play.rows(Kind.DISCONNECT) if row.n == 1]
    assert len(opened) >= 7
    play.unreachable.clear()
    assert play.at(6100).on_wire() == "A"


def test_metadata_through_another_broker_does_not_delay_the_reconnect() -> None:
    """NetworkClient.ready connects whether or not a refresh is due"""
    play = plain("Z/1 A@10", leaders={0: 1, 1: 2}).ok("Z").at(10).disconnect(1)
    assert play.at(10_000).times_ms("A") == [10, 110]


def test_a_connection_attempt_without_answer_is_given_up_after_the_set_up_timeout() -> None:
    """producer 1.1, socket.connection.setup.timeout.ms"""
    play = Play("A", idempotence=False, connection_setup_timeout_us=2 * S, connection_setup_timeout_max_us=4 * S)
    play._opened = 1  # nobody answers the first attempt
    play.start().at(1999)
    assert play.port.closed == []
    assert play.at(2500).port.closed == [1]
    assert play.sent() == "A"


@pytest.mark.parametrize(
    ("accepted_ms", "request_ms", "given_up_ms"),
    [(5, 30_000, 30_006), (5, 1_000, 1_006), (2_001, 1_000, 2_000)],
)
def test_a_broker_that_accepts_and_is_silent_has_the_time_of_a_request(
    accepted_ms: int, request_ms: int, given_up_ms: int
) -> None:
    """``NetworkClient.handleInitiateApiVersionRequests``: once TCP is set up the set-up timeout, 2 s, is over, and the
    ApiVersions request is one like others, late a millisecond after its time."""
    play = Play(
        "A", idempotence=False, connection_setup_timeout_us=2 * S, connection_setup_timeout_max_us=2 * S,
        request_timeout_us=request_ms * MS,
    )  # fmt: skip
    play._opened = 1  # nobody answers the first attempt
    play.port.accepts_us = accepted_ms * MS
    play.start().at(given_up_ms - 1)
    assert play.port.closed == []
    assert play.at(given_up_ms).port.closed == [1]


def test_an_idle_connection_is_closed() -> None:
    """producer 1.1, connections.max.idle.ms"""
    play = plain("A B@700000", connections_max_idle_us=540 * S, metadata_max_age_us=3600 * S).ok("A")
    assert play.at(539_000).port.closed == []
    play.at(541_000)
    assert 2 in play.port.closed
    assert play.at(700_100).on_wire() == "B"


def test_when_no_broker_can_be_tried_the_client_begins_again_with_its_bootstrap_addresses() -> None:
    """KIP-899: leaders are forgotten until the next answer, and send() waits for it"""
    play = plain("A B@1000 C@3000", leaders={0: 1}, bootstrap=(1,), draws={"reconnect": (1 << 32) - 1, "metadata": 0})
    play.unreachable.add(1)
    play.disconnect().disconnect().at(2500)  # the connection to the leader, and the one to the bootstrap address
    assert play.role.network.metadata.forgotten
    assert play.role.sent().count == 1  # B waits for metadata
    play.unreachable.clear()
    play.at(6000)
    assert not play.role.network.metadata.forgotten
    assert sorted(play.on_wire().split()) == ["A", "B", "C"]


def test_the_identity_is_asked_of_a_broker_and_again_after_a_back_off_if_it_fails() -> None:
    """producer 6.1"""
    play = Play("A", draws={"retry": 0})
    play.gives_producer_ids = False
    play.start().run(50)
    play.disconnect(1)
    assert play.asked_producer_id == 1
    play.gives_producer_ids = True
    assert play.run(200).on_wire() == "A"
    assert play.asked_producer_id == 2


def test_an_unanswered_request_without_produce_work_still_times_out() -> None:
    """producer 5.1: every request kind"""
    play = plain("A", request_timeout_us=S)
    play.ok("A").run(500)
    play.gives_metadata = False
    play.role.network.metadata.want()
    play.role.on_alarm(play.now_us)
    play.run(1).run(1000)
    assert len(play.port.closed) == 1


def test_new_partitions_are_learned_with_the_next_refresh() -> None:
    """producer 2.2: adding partitions remaps keys of records not yet sent"""
    keys = " ".join(f"{chr(65 + i)}:k{i}@{100 * i}" for i in range(20))
    play = idempotent(keys, metadata_max_age_us=S, leaders={0: 1, 1: 1})
    play.leaders[2] = (1, 0)
    play.at(3000)
    while play.pending:
        play.ok(play.pending[0].letters[0])
    assert play.logs[2] != []
    assert all(name >= "K" for name in play.logs[2])  # sent after the refresh at 1 s
    assert sorted(play.log(0).split() + play.log(1).split() + play.log(2).split()) == [chr(65 + i) for i in range(20)]
