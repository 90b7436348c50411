"""Scripted message faults, verb by verb, between a client that sends a burst and a broker that takes one at a time.

Links take 20 ms each way; the broker answers a request 1 ms after it began, and begins the next one then. The
connection is ready at 80 ms; requests are sent at 100 ms, reach the broker at 120 ms, and answers come back from 141 ms
on.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from sim.plan import MessageFault
from sim.protocol.messages import (
    MetadataRequest,
    MetadataResponse,
    ProduceRequest,
    ProduceResponse,
    ProduceResult,
    RecordBatch,
)
from sim.protocol.rows import Kind
from sim.world.host import Host
from sim.world.scripted import Script, ScriptedHost
from tests.world.fakes import MS, Scribe, World

RETRY, CORRUPT = 19, 87


class OneAtATime(Scribe):
    """Handles requests of a connection one after the other, 1 ms each."""

    def __init__(self, port: Host, log: list[tuple[Any, ...]]) -> None:
        super().__init__(port, log)
        self.queue: deque[tuple[Any, Any]] = deque()
        self.busy = False

    def on_message(self, conn: Any, message: Any, now_us: int) -> None:
        self.queue.append((conn, message))
        self.go_on(now_us)

    def go_on(self, now_us: int) -> None:
        if self.queue and not self.busy:
            self.note(now_us, "takes", name_of(self.queue[0][1]))
            self.busy = True
            self.port.wake_at(now_us + 1 * MS)

    def on_alarm(self, now_us: int) -> None:
        conn, message = self.queue.popleft()
        self.busy = False
        if isinstance(message, MetadataRequest):
            self.port.send(conn, MetadataResponse((), {}))
        elif message.acks:
            results = [ProduceResult(batch.partition, 0, batch.lo) for batch in message.batches]
            self.port.send(conn, ProduceResponse(results))
        self.go_on(now_us)


class Sender(Scribe):
    conns: list[Any]

    def start(self, now_us: int) -> None:
        self.conns = [self.port.connect(0)]

    def on_message(self, conn: Any, message: Any, now_us: int) -> None:
        results = message.results if isinstance(message, ProduceResponse) else []
        self.note(now_us, "answer", *[(result.offset, result.error) for result in results])


def name_of(message: Any) -> Any:
    return message.batches[0].lo if isinstance(message, ProduceRequest) else "metadata"


def request(number: int, partition: int = 0, acks: int = -1) -> ProduceRequest:
    return ProduceRequest([RecordBatch(0, partition, number, number + 1, 100)], acks, 30_000 * MS)


class Stage:
    def __init__(self, *faults: dict[str, Any], warm_up: bool = False) -> None:
        self.world = world = World(latency=20 * MS)
        self.broker = world.host("broker", OneAtATime)
        self.client = ScriptedHost(world.kernel, world.network, world.recorder, 1, 1, "client", 1)
        planned = [MessageFault(index, producer=1, partition=0, **fault) for index, fault in enumerate(faults)]
        script = Script(planned, world.kernel, world.network, self.values, counting=not warm_up)
        self.script = self.client.script = script
        world.network.tap_of = lambda conn: self.script.wire(conn) if conn.client == 1 else None
        self.client.start(Sender(self.client, world.log))

    def values(self, prod: int, partition: int, lo: int, hi: int) -> list[str]:
        return [str(number) for number in range(lo, hi)]

    def conn(self, at: int = 0) -> Any:
        role: Any = self.client.role
        while len(role.conns) <= at:
            role.conns.append(self.client.connect(0))
        return role.conns[at]

    def send(self, at_ms: int, *messages: Any, conn: int = 0) -> Stage:
        def act() -> None:
            for message in messages:
                self.client.send(self.conn(conn), message)

        self.world.at(at_ms * MS, act)
        return self

    def burst(self, count: int = 5) -> Stage:
        return self.send(100, *[request(number) for number in range(1, count + 1)])

    def run(self) -> Stage:
        self.world.run()
        return self

    @property
    def taken(self) -> list[Any]:
        return [entry[2] for entry in self.world.met("broker") if entry[1] == "takes"]

    @property
    def broker_saw_end(self) -> list[int]:
        return [entry[0] // MS for entry in self.world.met("broker") if entry[1] == "disconnected"]

    @property
    def met(self) -> list[tuple[Any, ...]]:
        """What the client met: (ms, offset of an ok answer) or (ms, what)."""
        found: list[tuple[Any, ...]] = []
        for time, what, *about in self.world.met("client"):
            if what == "answer":
                offset, error = about[0] if about else ("metadata", 0)
                found.append((time // MS, -error if error else offset))
            elif what == "disconnected":
                found.append((time // MS, "reset"))
        return found

    @property
    def faults(self) -> list[tuple[int, int, int]]:
        columns = self.world.recorder.columns()
        rows = zip(columns["kind"], columns["t_us"], columns["n"], columns["host"], strict=True)
        return [(int(time) // MS, int(n), int(host)) for kind, time, n, host in rows if kind == Kind.FAULT]


def test_without_a_matching_fault_requests_and_answers_pass_as_on_a_plain_connection() -> None:
    stage = Stage({"do": "swallow", "nth": (9,)}).burst().run()
    assert stage.taken == [1, 2, 3, 4, 5]
    assert stage.met == [(141, 1), (142, 2), (143, 3), (144, 4), (145, 5)]
    assert stage.faults == []


def test_answer_error_is_not_handed_on_and_its_answer_waits_for_those_before() -> None:
    stage = Stage({"do": "answer_error", "nth": (3,), "error": RETRY}).burst().run()
    assert stage.taken == [1, 2, 4, 5]
    assert stage.met == [(141, 1), (142, 2), (142, -RETRY), (143, 4), (144, 5)]
    assert stage.faults == [(120, 0, 1)]


def test_append_then_error_is_handled_and_reported_as_an_error() -> None:
    stage = Stage({"do": "append_then_error", "nth": (2,), "error": CORRUPT}).burst(3).run()
    assert stage.taken == [1, 2, 3]
    assert stage.met == [(141, 1), (142, -CORRUPT), (143, 3)]


def test_swallow_is_never_answered_and_neither_is_what_is_behind_it() -> None:
    stage = Stage({"do": "swallow", "nth": (2,)}).burst(4).run()
    assert stage.taken == [1, 3, 4]
    assert stage.met == [(141, 1)]


def test_a_delayed_answer_delays_those_behind_it() -> None:
    stage = Stage({"do": "delay_response", "nth": (2,), "delay_us": 300 * MS}).burst(3).run()
    assert stage.taken == [1, 2, 3]
    assert stage.met == [(141, 1), (442, 2), (442, 3)]


# --- drop_response ----------------------------------------------------------------------------------------------------
def test_drop_response_throws_away_its_answer_and_resets_when_the_first_m_are_answered() -> None:
    stage = Stage({"do": "drop_response", "nth": (1,), "after_answered": 5}).burst().run()
    assert stage.taken == [1, 2, 3, 4, 5]
    assert stage.met == [(145, "reset")]
    assert stage.broker_saw_end == [125]
    assert stage.faults == [(125, 0, 1)]


def test_drop_response_lets_earlier_answers_through_and_what_the_broker_took_still_runs() -> None:
    stage = Stage({"do": "drop_response", "nth": (2,), "after_answered": 3}).burst().run()
    assert stage.taken == [1, 2, 3, 4, 5]
    assert stage.met == [(141, 1), (143, "reset")]
    assert stage.broker_saw_end == [125]  # behind its last answer


def test_requests_that_had_not_reached_the_broker_at_the_reset_are_lost() -> None:
    stage = Stage({"do": "drop_response", "nth": (1,), "after_answered": 2}).burst(2)
    stage.send(110, request(3)).run()
    assert stage.taken == [1, 2]
    assert stage.met == [(142, "reset")]


def test_drop_response_without_a_number_waits_for_its_own_answer() -> None:
    stage = Stage({"do": "drop_response", "nth": (2,)}).burst(3).run()
    assert stage.met == [(141, 1), (142, "reset")]


def test_answers_counted_for_drop_response_may_come_over_another_connection() -> None:
    stage = Stage({"do": "drop_response", "nth": (1,), "after_answered": 2})
    stage.world.at(0, lambda: stage.conn(1))
    stage.send(100, request(1)).send(150, request(2), conn=1).run()
    assert stage.met == [(191, "reset"), (191, 2)]  # equal times go by connection


# --- drop_request -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("earlier", "met", "taken"),
    [
        ("acked", [(141, 1), (142, 2), (142, "reset")], [1, 2]),
        ("appended", [(142, "reset")], [1, 2]),
        ("now", [(140, "reset")], [1, 2]),
    ],
)
def test_drop_request_keeps_back_what_is_behind_and_resets_as_its_fault_says(
    earlier: str, met: list[Any], taken: list[int]
) -> None:
    stage = Stage({"do": "drop_request", "nth": (3,), "earlier": earlier}).burst().run()
    assert stage.taken == taken
    assert stage.met == met


def test_a_whole_burst_is_seen_before_the_reset_of_its_first_request() -> None:
    stage = Stage(
        {"do": "drop_request", "nth": (1,), "earlier": "acked"}, {"do": "answer_error", "nth": (6,), "error": RETRY}
    )
    stage.burst()
    stage.world.at(141 * MS, lambda: stage.conn(1))
    stage.send(300, request(1), conn=1).run()
    assert stage.met == [(140, "reset"), (340, -RETRY)]  # the sixth request seen, on the second connection


def test_a_request_sent_in_answer_to_the_last_ack_before_the_reset_is_not_seen() -> None:
    faults = [{"do": "drop_request", "nth": (2,), "earlier": "acked"}, {"do": "swallow", "nth": (4,)}]
    stage = Stage(*faults).burst(2)
    role: Any = stage.client.role
    noted = role.on_message

    def go_on(conn: Any, message: Any, now_us: int) -> None:
        noted(conn, message, now_us)
        stage.client.send(conn, request(3), cause=77)

    role.on_message = go_on
    stage.world.at(150 * MS, lambda: stage.conn(1))
    stage.send(300, request(3), request(4), conn=1).run()
    assert stage.script.unseen == [77]
    assert stage.met == [(141, 1), (141, "reset"), (341, 3)]  # request 4 by number is the last one


# --- hold_request -----------------------------------------------------------------------------------------------------
def held(callbacks: int = 2) -> Stage:
    fault = {"do": "hold_request", "nth": (2,), "release_callbacks": callbacks, "release_after_us": 200 * MS}
    return Stage(fault).burst(3)


def test_a_held_request_holds_all_behind_it_until_the_callbacks_have_come_and_200_ms_more() -> None:
    stage = held()
    for at in (1_000, 2_000):
        stage.world.at(at * MS, lambda: stage.client.record(Kind.ACK, prod=0, lo=0, hi=1))
    stage.run()
    assert stage.met == [(141, 1), (2_221, 2), (2_222, 3)]


def test_records_reported_together_are_as_many_callbacks() -> None:
    stage = held()
    stage.world.at(1_000 * MS, lambda: stage.client.record(Kind.FAIL, prod=0, lo=0, hi=2))
    assert stage.run().met == [(141, 1), (1_221, 2), (1_222, 3)]


def test_what_is_held_still_arrives_although_the_client_has_given_up_and_the_end_comes_last() -> None:
    stage = held()
    stage.world.at(500 * MS, lambda: stage.client.close(stage.conn()))
    stage.world.at(1_000 * MS, lambda: stage.client.record(Kind.UNKNOWN, prod=0, lo=0, hi=2))
    stage.run()
    assert stage.taken == [1, 2, 3]
    assert stage.broker_saw_end == [1_202]
    assert stage.met == [(141, 1)]


def test_what_a_client_that_gave_up_had_sent_runs_before_the_broker_learns_of_the_end() -> None:
    stage = Stage({"do": "delay_response", "nth": (1,), "delay_us": 9_000 * MS}).burst(5)
    stage.world.at(122 * MS, lambda: stage.client.close(stage.conn()))
    stage.run()
    assert stage.taken == [1, 2, 3, 4, 5]
    assert stage.broker_saw_end == [142]


# --- addressing -------------------------------------------------------------------------------------------------------
def test_only_produce_requests_to_the_partition_are_counted_and_others_keep_their_place() -> None:
    stage = Stage({"do": "answer_error", "nth": (2,), "error": RETRY})
    stage.send(100, request(1), MetadataRequest(()), request(7, partition=1), request(2)).run()
    assert stage.met == [(141, 1), (142, "metadata"), (143, 7), (143, -RETRY)]


def test_a_value_and_its_attempt_address_a_request() -> None:
    stage = Stage({"do": "answer_error", "value": "2", "attempt": 2, "error": RETRY})
    stage.burst(2).send(200, request(2)).send(300, request(2)).run()
    assert stage.met == [(141, 1), (142, 2), (240, -RETRY), (341, 2)]


def test_all_means_every_value_each_with_its_own_attempts() -> None:
    stage = Stage({"do": "answer_error", "value": "all", "attempt": 1, "error": RETRY})
    stage.burst(2).send(200, request(2)).run()
    assert stage.met == [(140, -RETRY), (140, -RETRY), (241, 2)]


def test_the_first_fault_of_the_file_that_matches_applies() -> None:
    stage = Stage(
        {"do": "answer_error", "nth": (2,), "error": RETRY}, {"do": "answer_error", "value": "all", "error": CORRUPT}
    )
    assert stage.burst(2).run().met == [(140, -CORRUPT), (140, -RETRY)]


def test_a_fault_outside_its_time_is_passed_over() -> None:
    stage = Stage({"do": "answer_error", "value": "all", "error": RETRY, "from_us": 150 * MS, "until_us": 200 * MS})
    stage.burst(1).send(160, request(2)).send(200, request(3)).run()
    assert stage.met == [(141, 1), (200, -RETRY), (241, 3)]


def test_nothing_is_counted_before_the_warm_up_is_acknowledged() -> None:
    stage = Stage({"do": "answer_error", "nth": (1,), "error": RETRY}, warm_up=True)
    stage.send(100, request(0))
    stage.world.at(150 * MS, lambda: stage.client.record(Kind.ACK, prod=0, lo=0, hi=1))
    stage.send(200, request(1)).run()
    assert stage.met == [(141, 0), (240, -RETRY)]


# --- others -----------------------------------------------------------------------------------------------------------
def test_requests_that_want_no_answer_leave_no_gap_in_the_order_of_answers() -> None:
    stage = Stage({"do": "swallow", "nth": (2,)})
    stage.send(100, *[request(number, acks=0) for number in (1, 2, 3)], MetadataRequest(())).run()
    assert stage.taken == [1, 3, "metadata"]
    assert stage.met == [(143, "metadata")]


def test_a_broker_that_dies_ends_the_connection_with_what_waited_on_it() -> None:
    stage = Stage({"do": "swallow", "nth": (1,)}).burst(3)
    stage.world.at(200 * MS, lambda: stage.broker.stop(-1))
    assert stage.run().met == [(220, "reset")]


def test_a_client_that_dies_with_a_request_held_is_noticed_after_the_request_ran() -> None:
    stage = held(callbacks=0)
    stage.world.at(130 * MS, lambda: stage.client.stop(-1))
    stage.run()
    assert stage.taken == [1, 2, 3]
    assert stage.broker_saw_end == [322]
