"""Directed schedules over real brokers and a real controller, for defects that need one message to be late.

Every event is followed by the laws. Each play is sound as Kafka's rules stand, and ends with the cluster at rest.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType

from sim.laws import Laws
from sim.protocol.broker import Broker, Durable
from sim.protocol.messages import AlterPartitionRequest, BrokerHeartbeatRequest, BrokerRegistrationRequest
from sim.protocol.settings import Rules, TopicSettings
from tests.protocol.harness import Batches, Cluster, S, Session, Wire

__all__ = ["PLAYS"]

SESSION_ENDS = 12 * S


class Watched(Cluster):
    """A cluster under the laws that can hold back what one host says to the controller."""

    def __init__(self, replicas: tuple[int, ...], *, elr: bool = True) -> None:
        self.laws: Laws | None = None
        self.late: list[tuple[Wire, tuple[object, int]]] = []
        self.holding: tuple[type, int] | None = None
        rules = Rules(eligible_leader_replicas=elr)
        super().__init__((replicas,), TopicSettings(min_insync_replicas=1), rules=rules)
        self.laws = Laws()
        self.check()

    def check(self) -> None:
        if self.laws is not None:
            self.laws.check(self._up(), self.controller)

    def _up(self) -> dict[int, Broker]:
        return {number: role for number, role in self.roles.items() if isinstance(role, Broker)}

    def deliver(self, wire: Wire, to: int) -> None:
        message, _ = wire.towards[to][0]
        asked = self.holding is not None and wire.client == self.holding[1] and isinstance(message, self.holding[0])
        behind = message is None and any(held is wire for held, _ in self.late)
        if to == 0 and (asked or behind):
            self.late.append((wire, wire.towards[to].popleft()))
            return
        super().deliver(wire, to)
        self.check()

    def ring(self, host: int) -> None:
        super().ring(host)
        self.check()

    def hold(self, kind: type, host: int) -> None:
        self.holding = (kind, host)

    def release(self, index: int = 0) -> None:
        """What was held arrives after all."""
        self.holding = None
        wire, message = self.late.pop(index)
        wire.towards[0].appendleft(message)
        self.deliver(wire, 0)
        self.settle()

    def uncut(self, *pairs: tuple[int, int]) -> None:
        self.cuts -= {frozenset(pair) for pair in pairs}

    def pass_time(self, span_us: int = SESSION_ENDS) -> None:
        self.run_until(self.now_us + span_us)

    def rest(self) -> None:
        """Everything heals; what is at rest then is compared whole."""
        self.heal()
        self.pass_time(60 * S)
        assert self.laws is not None
        self.laws.finish(self._up(), self.controller, settled=True)


def _loaded(cluster: Watched, records: int = 5, acks: int = -1) -> tuple[Session, Batches]:
    client, b = cluster.client(cluster.leader()), Batches(pid=1)
    for _ in range(records):
        client.produce(b.next(), acks=acks)
    cluster.pass_time(S)
    return client, b


def _elected_again(cluster: Watched, *more: tuple[int, int]) -> Durable:
    """1 goes on as leader from epoch 0 to epoch 2; 2 is dead, and 3, no longer in sync, knows of epoch 0 alone."""
    _loaded(cluster)
    cluster.cut((0, 3))
    cluster.pass_time()
    stopped = cluster.crash(2)
    cluster.pass_time()
    cluster.cut((0, 1), *more)
    cluster.pass_time()
    cluster.uncut((0, 1))
    cluster.pass_time()
    assert (cluster.replica(1).leader_epoch, cluster.replica(3).leader_epoch) == (2, 0)
    return stopped


def the_leader_is_elected_again() -> None:
    cluster = Watched((1, 2, 3), elr=False)
    cluster.restart(2, _elected_again(cluster))
    cluster.rest()


def an_answer_of_an_older_epoch_is_late() -> None:
    """3 asks as of epoch 0 and is fenced; by the time that it reads so, it follows in epoch 2."""
    cluster = Watched((1, 2, 3), elr=False)
    stopped = _elected_again(cluster, (1, 3))
    [wire] = [wire for wire in cluster.wires if (wire.client, wire.server) == (3, 1) and not wire.closed]
    cluster.deliver(wire, 3)  # the end of its last long poll
    cluster.deliver(wire, 1)  # its next fetch
    assert len(wire.towards[3]) == 1
    cluster.uncut((0, 3))
    cluster.pass_time(S)
    assert cluster.replica(3).leader_epoch == 2
    cluster.restart(2, stopped)
    cluster.rest()


def two_leaders_miss_each_other() -> None:
    """broker:REP-39: 1 writes in epoch 1, 2 in epoch 2 at the same offset, and 1, which never saw that, in epoch 3."""
    cluster = Watched((2, 1))
    stopped = cluster.crash(2)
    cluster.pass_time()
    client, b = _loaded(cluster)
    cluster.restart(2, stopped)
    cluster.pass_time()
    cluster.cut((1, 2))
    cluster.pass_time(S)
    client.produce(b.next(), acks=1)
    cluster.controller.elect_preferred(cluster.now_us)
    cluster.settle()
    cluster.client(2).produce(Batches(prod=7, pid=7).next(), acks=1)
    stopped = cluster.crash(2)
    cluster.pass_time()
    cluster.client(1).produce(Batches(prod=8, pid=8).next(), acks=1)
    assert cluster.log(1).epochs[-2:] == [1, 3]
    cluster.restart(2, stopped)
    cluster.rest()


def _asked_to_join(returning: int) -> tuple[Watched, Session, Batches]:
    """*returning* is back and has everything; what its leader, 1, says to the controller about that is on its way.

    It fetches once it has its broker epoch: before, Kafka takes the epoch for -1 and checks nothing (broker:REP-24).
    """
    cluster = Watched((1, 2, 3))
    client, b = _loaded(cluster)
    stopped = cluster.crash(returning)
    cluster.pass_time()
    cluster.hold(AlterPartitionRequest, 1)
    cluster.cut((1, returning))
    cluster.restart(returning, stopped)
    cluster.uncut((1, returning))
    cluster.pass_time()
    assert len(cluster.late) == 1 and cluster.isr() == tuple(number for number in (1, 2, 3) if number != returning)
    return cluster, client, b


def an_expansion_is_late() -> None:
    """The leader asks for 1, 2 and 3; by the time that it is heard, 2 was fenced, has missed something, is back."""
    cluster, client, b = _asked_to_join(3)
    cluster.cut((0, 2), (1, 2))
    cluster.pass_time()
    client.produce(b.next(), acks=1)
    cluster.pass_time(S)
    cluster.uncut((0, 2))
    cluster.pass_time()
    assert cluster.isr() == (1,)
    cluster.release()
    cluster.rest()


def a_member_returns_with_less() -> None:
    """The leader asks for 2 as it was; by then 2 has lost its pages and is back under another broker epoch."""
    cluster, client, b = _asked_to_join(2)
    client.produce(b.next())
    cluster.cut((1, 2))
    stopped = cluster.crash(2, lossy=True)
    cluster.pass_time()
    cluster.restart(2, stopped)
    cluster.pass_time()
    assert (cluster.log(1).high_watermark, cluster.log(2).end) == (6, 0)
    cluster.release()
    cluster.rest()


def a_dead_process_registers() -> None:
    """The registration of a process that died at once arrives behind that of the next one."""
    cluster = Watched((1, 2, 3))
    _loaded(cluster)
    stopped = cluster.crash(3)
    cluster.pass_time()
    cluster.hold(BrokerRegistrationRequest, 3)
    cluster.restart(3, stopped)
    stopped = cluster.crash(3)
    cluster.settle()
    cluster.hold(BrokerHeartbeatRequest, 3)
    cluster.restart(3, stopped)
    said = [type(message) for _, (message, _) in cluster.late]
    assert said == [BrokerRegistrationRequest, NoneType, BrokerHeartbeatRequest], said
    cluster.release()
    cluster.release(1)
    cluster.rest()


PLAYS: dict[str, Callable[[], None]] = {
    play.__name__: play
    for play in (
        the_leader_is_elected_again,
        an_answer_of_an_older_epoch_is_late,
        two_leaders_miss_each_other,
        an_expansion_is_late,
        a_member_returns_with_less,
        a_dead_process_registers,
    )
}
