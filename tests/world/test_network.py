"""Connections, breaks and crashes as roles see them. Links take 10 ms each way, so a connection is ready at 40 ms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.plan import Distribution, LinkPlan
from sim.protocol.messages import ProduceRequest
from sim.streams import bulk, quantile, stream
from sim.world.host import Host
from sim.world.links import Link
from tests.world.fakes import MS, Dialler, Echo, Scribe, World, pair

TROUBLES = ["cut", "lossy", "slow", "pause", "disk"]


def say(host: Host, *messages: object) -> None:
    role: Any = host.role
    for message in messages:
        host.send(role.conn, message)


def conn_of(host: Host) -> Any:
    role: Any = host.role
    return role.conn


def test_a_connection_is_ready_after_two_round_trips() -> None:
    world, _, _ = pair()
    world.run()
    assert world.met("client") == [(40 * MS, "connected")]


@pytest.mark.parametrize("trouble", ["none", "stands still", "is gone"])
def test_the_system_sets_tcp_up_in_a_round_trip_whatever_the_process_does(trouble: str) -> None:
    world, client, server = pair()
    if trouble == "stands still":
        world.at(5 * MS, server.pause)
    elif trouble == "is gone":
        world.at(5 * MS, lambda: server.stop(-1))
    world.run()
    assert (conn_of(client).accepted_us == 20 * MS) == (trouble != "is gone")
    assert bool([entry for entry in world.met("client") if entry[1] == "connected"]) == (trouble == "none")


def test_opening_a_connection_takes_two_kernel_events() -> None:
    world, _, _ = pair()
    world.run()
    assert world.kernel.events == 2


def test_a_message_is_one_kernel_event_and_arrives_after_the_latency() -> None:
    world, client, _ = pair()
    world.at(50 * MS, lambda: say(client, "a"))
    world.run()
    assert world.met("server") == [(60 * MS, "message", "a")]
    assert world.kernel.events == 2 + 1 + 1  # opening, the script, the message


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.integers(0, 400), min_size=1, max_size=40),
    shape=st.sampled_from([
        Distribution("uniform", {"low": 1, "high": 100 * MS}),
        Distribution("lognormal", {"median": 500, "p99": 200 * MS}),
        Distribution("exponential", {"mean": 20 * MS}),
        Distribution("pareto", {"minimum": 100, "p99": 90 * MS}),
    ]),
    seed=st.integers(0, 2**32),
    troubles=st.lists(st.tuples(st.sampled_from(TROUBLES), st.integers(0, 300), st.integers(1, 200)), max_size=4),
)  # fmt: skip
def test_a_connection_is_first_in_first_out_whatever_the_latencies(
    times: list[int], shape: Distribution, seed: int, troubles: list[tuple[str, int, int]]
) -> None:
    world, client, server = pair(latency=shape, seed=seed)
    world.run(5_000 * MS)
    start = world.kernel.now_us
    link = world.network.link(0, 1)
    for what, at_ms, for_ms in troubles:
        do, undo = {
            "cut": (link.cut, lambda: world.network.mend(link)),
            "lossy": (lambda: link.lose(400_000), lambda: link.lose_no_more(400_000)),
            "slow": (lambda: link.slow_by(30 * MS), lambda: link.slow_by(-30 * MS)),
            "pause": (server.pause, lambda: server.resume(-1)),
            "disk": (lambda: server.slow_disk(5 * MS), lambda: server.slow_disk(-5 * MS)),
        }[what]
        world.at(start + at_ms * MS, do)
        world.at(start + (at_ms + for_ms) * MS, undo)
    sent = [ProduceRequest([], number % 3, number) for number in range(len(times))]
    for at_ms, message in zip(sorted(times), sent, strict=True):
        world.at(start + at_ms * MS, lambda message=message: say(client, message))  # type: ignore[misc]
    world.run(start + 60_000 * MS)
    assert [entry[2] for entry in world.met("server")] == sent


def test_what_has_waited_for_a_slow_disk_is_not_overtaken_because_of_a_pause() -> None:
    """Two requests wait 168 ms each; the process stands still while the first one's time is over."""
    world, client, server = pair()
    world.run(1_000 * MS)
    start = world.kernel.now_us
    world.at(start, lambda: server.slow_disk(168 * MS))
    sent = [ProduceRequest([], 1, number) for number in range(2)]
    world.at(start + 1 * MS, lambda: say(client, *sent))
    world.at(start + 60 * MS, server.pause)
    world.at(start + 300 * MS, lambda: server.resume(-1))
    world.run(start + 2_000 * MS)
    got = [(entry[0] - start, entry[2]) for entry in world.met("server") if entry[0] > start]
    assert got == [(300 * MS, sent[0]), (347 * MS, sent[1])]  # sent at 1, there at 11, then twice 168 ms


def test_latency_is_a_function_of_seed_link_and_slot_whatever_was_sent_before() -> None:
    shape = Distribution("lognormal", {"median": 500, "p99": 5 * MS})
    asked = [7, 3_000_000, 12, 999, 1_000, 2_500_000, 7]

    def link(seed: int, source: int, target: int) -> Any:
        world, _, _ = pair(latency=shape, seed=seed)
        return world.network.link(source, target)

    one, two = link(5, 0, 1), link(5, 0, 1)
    for now in range(0, 4_000_000, 997):
        two.latency_us(now)  # a busy link
    assert [one.latency_us(now) for now in asked] == [two.latency_us(now) for now in asked]
    early, again = (Link(5, "a>b", LinkPlan(shape)) for _ in range(2))  # nothing has been sent on them
    assert early.latency_us(-700) == again.latency_us(-1) >= 1  # on real brokers, before the run begins
    assert one.latency_us(7) == one.latency_us(999)  # the same slot of a millisecond
    every = range(0, 2_000_000, 1_000)
    here, back, other = one, link(5, 1, 0), link(6, 0, 1)
    told = [[each.latency_us(now) for now in every] for each in (here, back, other)]
    assert told[0] != told[1] and told[0] != told[2]


@pytest.mark.parametrize("low_us", [0, 3])
def test_a_latency_is_the_quantile_of_the_draw_of_its_slot_and_never_0(low_us: int) -> None:
    """The link has the arithmetic of ``sim.streams.quantile`` written out."""
    world, _, _ = pair(latency=Distribution("uniform", {"low": low_us, "high": low_us + 9}))
    link = world.network.link(0, 1)
    draws = bulk(stream(link.seed, f"latency/{link.name}/0"), 1024).tolist()
    told = [link.latency_us(slot * 1_000) for slot in range(1024)]

    assert told == [max(1, quantile(link.table, raw)) for raw in draws]
    assert len(set(told)) > 5


def test_losing_packets_leaves_the_latencies_as_they_were() -> None:
    shape = Distribution("uniform", {"low": 1 * MS, "high": 9 * MS})
    world, _, _ = pair(latency=shape)
    link = world.network.link(0, 1)
    every = range(0, 3_000_000, 1_000)
    plain = [link.latency_us(now) for now in every]
    link.lose(300_000)
    lossy = [link.latency_us(now) for now in every]
    extra = [b - a for a, b in zip(plain, lossy, strict=True)]
    assert set(extra) <= {200 * MS * (2**k - 1) for k in range(7)}
    assert 0.25 < sum(1 for value in extra if value) / len(extra) < 0.35
    link.lose_no_more(300_000)
    assert [link.latency_us(now) for now in every] == plain


# --- ends -------------------------------------------------------------------------------------------------------------
def test_what_was_sent_before_a_close_still_arrives_and_then_the_peer_learns() -> None:
    world, client, _ = pair()

    def speak_and_close() -> None:
        say(client, "a", "b")
        client.close(conn_of(client))
        say(client, "never")

    world.at(50 * MS, speak_and_close)
    world.run()
    assert world.met("server") == [
        (60 * MS, "message", "a"), (60 * MS, "message", "b"), (60 * MS, "disconnected"),
    ]  # fmt: skip


def test_the_closing_side_hears_nothing_more_not_even_of_the_end() -> None:
    world, client, server = pair()
    world.at(50 * MS, lambda: server.send(conn_of(client), "on its way"))
    world.at(55 * MS, lambda: client.close(conn_of(client)))
    world.run()
    assert world.met("client") == [(40 * MS, "connected")]


def test_a_crashed_process_is_noticed_behind_what_it_had_sent() -> None:
    world, client, server = pair()

    def speak_and_die() -> None:
        server.send(conn_of(client), "last words")
        server.stop(-1)

    world.at(50 * MS, speak_and_die)
    world.run()
    assert world.met("client")[1:] == [(60 * MS, "message", "last words"), (60 * MS, "disconnected")]


def test_data_in_flight_to_a_crashed_process_is_lost_and_not_given_to_its_next_life() -> None:
    world, client, server = pair()
    world.at(50 * MS, lambda: say(client, "lost"))
    world.at(55 * MS, lambda: server.stop(-1))
    world.at(56 * MS, lambda: server.start(Scribe(server, world.log)))
    world.run()
    assert world.met("server") == []
    assert world.met("client")[1:] == [(65 * MS, "disconnected")]


def test_an_alarm_of_an_earlier_life_does_not_ring() -> None:
    world, _, server = pair()
    server.wake_at(100 * MS)
    world.at(50 * MS, lambda: server.stop(-1))
    world.at(60 * MS, lambda: server.start(Scribe(server, world.log)))
    world.run()
    assert world.met("server") == []


def test_a_machine_that_lost_power_is_silent() -> None:
    """broker:NET-18"""
    world, client, server = pair()
    world.at(50 * MS, lambda: server.stop(-1, silent=True))
    world.at(60 * MS, lambda: say(client, "anybody?"))
    world.run()
    assert world.met("client") == [(40 * MS, "connected")]


def test_data_sent_to_a_machine_that_was_off_is_answered_with_a_reset_when_it_is_back() -> None:
    """broker:NET-18"""
    world, client, server = pair()
    world.at(50 * MS, lambda: server.stop(-1, silent=True))
    world.at(60 * MS, lambda: say(client, "anybody?"))
    world.at(500 * MS, lambda: server.start(Scribe(server, world.log)))
    world.run()
    assert world.met("client")[1:] == [(510 * MS, "disconnected")]
    assert world.met("server") == []


def test_an_idle_peer_of_a_machine_that_lost_power_learns_only_when_it_sends() -> None:
    """broker:NET-18"""
    world, client, server = pair()
    world.at(50 * MS, lambda: server.stop(-1, silent=True))
    world.at(100 * MS, lambda: server.start(Scribe(server, world.log)))
    world.at(900 * MS, lambda: say(client, "hello"))
    world.run()
    assert world.met("client")[1:] == [(920 * MS, "disconnected")]


def test_a_connection_to_a_process_that_is_down_is_refused() -> None:
    world = World()
    server = world.host("nobody", Scribe)
    server.stop(-1)
    client = Host(world.kernel, world.network, world.recorder, 1, 1, "client", 1)
    role = Dialler(client, world.log)
    role.server = 0
    client.start(role)
    world.run()
    assert world.met("client") == [(20 * MS, "disconnected")]


def test_a_connection_to_a_machine_that_is_off_opens_when_it_is_back() -> None:
    world, client, server = pair()
    server.stop(-1, silent=True)
    world.run(1_000 * MS)
    assert world.met("client") == []
    server.start(Scribe(server, world.log))
    world.run()
    assert world.met("client") == [(1_000 * MS + 40 * MS, "connected")]


def test_a_client_that_crashes_while_it_connects_is_never_heard_of() -> None:
    world, client, _ = pair()
    world.at(20 * MS, lambda: client.stop(-1))
    world.run()
    assert world.met("server") == []
    assert world.network.connections[0].up.host.connections == {}


def test_a_reset_is_seen_by_both_sides_and_loses_what_is_in_flight() -> None:
    world, client, server = pair()
    world.at(50 * MS, lambda: say(client, "lost"))
    world.at(50 * MS, lambda: server.send(conn_of(client), "lost too"))
    world.at(55 * MS, lambda: world.network.reset(conn_of(client), -1))
    world.run()
    assert world.met("client")[1:] == [(55 * MS, "disconnected")]
    assert world.met("server") == [(55 * MS, "disconnected")]


# --- cut, slow --------------------------------------------------------------------------------------------------------
def test_what_is_sent_into_a_cut_link_flows_in_order_when_it_heals_ends_included() -> None:
    world, client, _ = pair()
    link = world.network.link(0, 1)
    world.at(45 * MS, lambda: say(client, "in flight"))
    world.at(50 * MS, link.cut)
    world.at(60 * MS, lambda: say(client, "a", "b"))
    world.at(70 * MS, lambda: client.close(conn_of(client)))
    world.at(1_000 * MS, lambda: world.network.mend(link))
    world.run()
    assert world.met("server") == [
        (55 * MS, "message", "in flight"), (1_010 * MS, "message", "a"), (1_010 * MS, "message", "b"),
        (1_010 * MS, "disconnected"),
    ]  # fmt: skip


def test_a_one_way_cut_lets_the_other_way_through() -> None:
    world, client, server = pair()
    world.at(50 * MS, world.network.link(0, 1).cut)
    world.at(60 * MS, lambda: server.send(conn_of(client), "down"))
    world.at(60 * MS, lambda: say(client, "up"))
    world.run()
    assert world.met("client")[1:] == [(70 * MS, "message", "down")]
    assert world.met("server") == []


def test_two_overlapping_cuts_heal_with_the_second() -> None:
    world, client, _ = pair()
    link = world.network.link(0, 1)
    world.at(50 * MS, link.cut)
    world.at(50 * MS, link.cut)
    world.at(60 * MS, lambda: say(client, "a"))
    world.at(100 * MS, lambda: world.network.mend(link))
    world.at(200 * MS, lambda: world.network.mend(link))
    world.run()
    assert world.met("server") == [(210 * MS, "message", "a")]


@pytest.mark.parametrize("way", [(0, 1), (1, 0)])
def test_a_connection_opened_over_a_cut_link_is_ready_after_the_heal(way: tuple[int, int]) -> None:
    world = World()
    client = Host(world.kernel, world.network, world.recorder, 1, 0, "client", 0)
    world.host("server", Scribe)
    link = world.network.link(*way)
    link.cut()
    client.start(Dialler(client, world.log))
    world.at(1_000 * MS, lambda: world.network.mend(link))
    world.run()
    assert world.met("client") == [(1_040 * MS, "connected")]


def test_a_slow_disk_delays_requests_that_append_and_what_stands_behind_them() -> None:
    world, client, server = pair()
    server.slow_disk(5 * MS)
    append = ProduceRequest([], -1, 0)
    world.at(50 * MS, lambda: say(client, "read", append, "behind"))
    world.run()
    assert world.met("server") == [
        (60 * MS, "message", "read"), (65 * MS, "message", append), (65 * MS, "message", "behind"),
    ]  # fmt: skip


def test_a_disk_that_is_quick_again_lets_nothing_overtake_what_still_waits() -> None:
    world, client, server = pair()
    server.slow_disk(50 * MS)
    append = ProduceRequest([], -1, 0)
    world.at(50 * MS, lambda: say(client, append))
    world.at(70 * MS, lambda: server.slow_disk(-50 * MS))
    world.at(80 * MS, lambda: say(client, "behind"))
    world.at(120 * MS, lambda: say(client, "later"))
    world.run()
    assert world.met("server") == [
        (110 * MS, "message", append), (110 * MS, "message", "behind"), (130 * MS, "message", "later"),
    ]  # fmt: skip
    assert not server.detour


def test_an_echo_comes_back() -> None:
    world = World()
    world.host("echo", Echo)
    client = Host(world.kernel, world.network, world.recorder, 1, 1, "client", 1)
    role = Dialler(client, world.log)
    role.server = 0
    client.start(role)
    world.at(50 * MS, lambda: say(client, 1))
    world.run()
    assert world.met("client")[1:] == [(70 * MS, "message", ("echo", 1))]


# --- a server that writes to a client that has closed -----------------------------------------------------------------
def test_a_response_to_a_client_that_closed_comes_back_as_a_reset() -> None:
    """The end takes 10 ms, the first response behind it 10 ms there, and the reset 10 ms back (broker:NET-13)."""
    world, client, server = pair()
    conn = conn_of(client)
    states = []
    world.at(50 * MS, lambda: client.close(conn))
    world.at(70 * MS, lambda: server.send(conn, "late"))
    world.at(80 * MS, lambda: server.send(conn, "later"))
    for at in (89, 91):
        world.at(at * MS, lambda: states.append(conn.was_reset))
    world.run()
    assert states == [False, True]
    assert ("message", "late") not in [entry[1:] for entry in world.met("client")]


def test_a_response_that_was_on_its_way_when_the_client_closed_does_too() -> None:
    world, client, server = pair()
    conn = conn_of(client)
    states = []
    world.at(50 * MS, lambda: server.send(conn, "crossing"))
    world.at(55 * MS, lambda: client.close(conn))
    for at in (69, 71):
        world.at(at * MS, lambda: states.append(conn.was_reset))
    world.run()
    assert states == [False, True]


def test_a_client_that_is_told_of_the_end_is_not_written_to() -> None:
    world, client, server = pair()
    conn = conn_of(client)
    world.at(50 * MS, lambda: client.close(conn))
    world.run()
    assert not conn.was_reset and not conn.writes
