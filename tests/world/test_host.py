"""One alarm a host, pauses, and the order of equal times."""

from __future__ import annotations

from typing import Any

from sim.protocol.rows import COLUMNS, Kind
from sim.world.host import Host
from tests.world.fakes import MS, Dialler, Scribe, World, pair


def conn_of(host: Host) -> Any:
    role: Any = host.role
    return role.conn


def test_an_alarm_rings_once_at_its_time() -> None:
    world = World()
    host = world.host("a", Scribe)
    host.wake_at(100)
    world.run()
    assert world.met("a") == [(100, "alarm")]


def test_a_deadline_in_the_past_rings_at_once() -> None:
    world = World()
    host = world.host("a", Scribe)
    world.at(50, lambda: host.wake_at(10))
    world.run()
    assert world.met("a") == [(50, "alarm")]


def test_a_later_call_replaces_the_deadline_either_way() -> None:
    world = World()
    host = world.host("a", Scribe)
    host.wake_at(100)
    host.wake_at(300)
    world.at(200, lambda: host.wake_at(250))
    world.at(260, lambda: host.wake_at(1 << 62))  # never
    world.at(270, lambda: host.wake_at(400))
    world.run()
    assert world.met("a") == [(250, "alarm"), (400, "alarm")]


def test_a_deadline_pushed_back_a_thousand_times_costs_few_kernel_events() -> None:
    """A request timeout of 30 s, renewed by every answer: the early alarm in the heap is kept, not joined by others."""
    world = World()
    host = world.host("a", Scribe)
    for step in range(1_000):
        world.at(step * MS, lambda step=step: host.wake_at(step * MS + 30_000 * MS))  # type: ignore[misc]
    world.run(60_000 * MS)
    assert world.met("a") == [(999 * MS + 30_000 * MS, "alarm")]
    assert world.kernel.events - 1_000 <= 3


def test_a_deadline_that_swings_between_near_and_far_adds_one_event_a_ring() -> None:
    world = World()
    host = world.host("a", Scribe)

    def swing(step: int) -> None:
        host.wake_at(30_000 * MS)
        host.wake_at(step * MS + 500)

    for step in range(1_000):
        world.at(step * MS, lambda step=step: swing(step))  # type: ignore[misc]
    world.run(2_000 * MS)
    assert len(world.met("a")) == 1_000
    assert world.kernel.events - 1_000 <= 1_000 + 2


def test_a_paused_host_meets_what_waited_in_order_and_then_its_alarm() -> None:
    world, client, server = pair()
    server.wake_at(60 * MS)
    world.at(45 * MS, server.pause)
    for at_ms, message in ((50, "a"), (70, "b")):
        world.at(at_ms * MS, lambda message=message: client.send(conn_of(client), message))  # type: ignore[misc]
    world.at(75 * MS, lambda: client.close(conn_of(client)))
    world.at(100 * MS, lambda: server.resume(-1))
    world.run()
    assert world.met("server") == [
        (100 * MS, "message", "a"), (100 * MS, "message", "b"), (100 * MS, "disconnected"), (100 * MS, "alarm"),
    ]  # fmt: skip


def test_an_alarm_after_the_pause_rings_at_its_own_time() -> None:
    world = World()
    host = world.host("a", Scribe)
    host.wake_at(50)
    world.at(10, host.pause)
    world.at(20, lambda: host.wake_at(200))  # by a hand from outside
    world.at(100, lambda: host.resume(-1))
    world.run()
    assert world.met("a") == [(200, "alarm")]


def test_connecting_to_a_paused_host_waits_for_its_resume() -> None:
    world, _, server = pair()
    server.pause()
    world.at(1_000 * MS, lambda: server.resume(-1))
    world.run()
    assert world.met("client") == [(1_010 * MS, "connected")]


def test_who_connects_to_a_paused_host_learns_when_it_is_killed() -> None:
    """The opening waits in the backlog of its socket, and is reset with the process."""
    world, _, server = pair()
    server.pause()
    world.at(500 * MS, lambda: server.stop(-1))
    world.run()
    assert world.met("client") == [(510 * MS, "disconnected")]


def test_a_paused_host_that_is_killed_meets_nothing_of_what_waited() -> None:
    world, client, server = pair()
    world.at(45 * MS, server.pause)
    world.at(50 * MS, lambda: client.send(conn_of(client), "a"))
    world.at(100 * MS, lambda: server.stop(-1))
    world.at(110 * MS, lambda: server.resume(-1))
    world.at(120 * MS, lambda: server.start(Scribe(server, world.log)))
    world.run()
    assert world.met("server") == []


class Caller(Dialler):
    """Sends its own name as soon as it may, and has an alarm at the time of the arrival of everything."""

    server = 0

    def on_connected(self, conn: Any, now_us: int) -> None:
        self.port.send(conn, self.port.name)


def order_of_equal_times(ranks: dict[str, int]) -> list[str]:
    world = World()
    server = world.host("server", Scribe, rank=ranks["server"])
    for name in ("c", "b", "a"):
        world.host(name, Caller, rank=ranks[name])
    server.wake_at(50 * MS)
    for host in list(world.network.hosts.values())[1:]:
        host.wake_at(50 * MS)
    return [f"{name} {what[-1]}" for time, name, *what in world.run() if time == 50 * MS]


def test_equal_times_go_by_host_then_connection_then_alarm() -> None:
    assert order_of_equal_times({"server": 0, "a": 1, "b": 2, "c": 3}) == [
        "server c", "server b", "server a", "server alarm", "a alarm", "b alarm", "c alarm",
    ]  # fmt: skip


def test_a_shuffle_of_ranks_changes_the_order_across_hosts_and_not_within_one() -> None:
    assert order_of_equal_times({"server": 2, "a": 3, "b": 0, "c": 1}) == [
        "b alarm", "c alarm", "server c", "server b", "server a", "server alarm", "a alarm",
    ]  # fmt: skip


def test_a_row_names_its_time_host_and_cause() -> None:
    world = World()
    host = world.host("a", Scribe)
    host.cause = 7
    world.kernel.run_to(33)
    first = host.record(Kind.APPEND, partition=3, lo=1, hi=2)
    second = host.record(Kind.HIGH_WATERMARK, cause=first, host=5)
    columns = world.recorder.columns()
    rows = [{name: int(columns[name][row]) for name in COLUMNS} for row in (first, second)]
    assert [(row["t_us"], row["kind"], row["cause"], row["host"], row["partition"]) for row in rows] == [
        (33, Kind.APPEND, 7, 0, 3), (33, Kind.HIGH_WATERMARK, first, 5, -1),
    ]  # fmt: skip


def test_a_message_carries_the_row_that_made_it_to_whoever_handles_it() -> None:
    world, client, server = pair()
    causes: list[int] = []
    role: Any = server.role
    role.on_message = lambda conn, message, now: causes.append(server.cause)

    def send() -> None:
        client.cause = 41
        client.send(conn_of(client), "from a stimulus")
        client.send(conn_of(client), "from something older", 12)

    world.at(50 * MS, send)
    world.run()
    assert causes == [41, 12]


def test_draws_of_one_purpose_do_not_disturb_those_of_another() -> None:
    world = World()
    host = world.host("a", Scribe)
    other = World().host("a", Scribe)
    mixed = [(host.draw("jitter"), host.draw("sticky"))[0] for _ in range(5)]
    assert mixed == [other.draw("jitter") for _ in range(5)]
