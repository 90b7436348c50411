"""Arbitrary interleavings of a small cluster: whoever chooses (a random generator, hypothesis) says what happens next.

Every step is followed by the laws. Producers here are dumb: they send each batch once, and again as they please.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.laws import Laws
from sim.protocol.broker import Broker, Durable
from sim.protocol.messages import ProduceRequest
from sim.protocol.settings import BrokerSettings, Rules, TopicSettings
from tests.protocol.harness import CLIENT, MS, Batches, Client, Cluster, S, Session

__all__ = ["Interleaving"]

BROKERS = 3


class Interleaving:
    """One schedule. ``choose(n)`` gives a number in 0..n-1."""

    def __init__(
        self, choose: Callable[[int], int], *, elr: bool, unclean: bool, min_isr: int, lossy: bool = True
    ) -> None:
        self.choose, self.lossy = choose, lossy
        topic = TopicSettings(min_insync_replicas=min_isr, unclean_leader_election=unclean)
        settings = BrokerSettings(
            replica_lag_time_max_us=6 * S, session_timeout_us=3 * S, heartbeat_interval_us=S,
            high_watermark_checkpoint_us=2 * S,
        )  # fmt: skip
        replicas = ((1, 2, 3), (2, 3, 1))
        self.cluster = Cluster(
            replicas, topic, settings=settings, voters=3,
            rules=Rules(eligible_leader_replicas=elr, commit_ends_metadata_polls=False),  # brokers learn late
        )  # fmt: skip
        for port in self.cluster.ports.values():
            port.draws = lambda purpose: choose(256) << 24
        self.laws = Laws()
        self.down: dict[int, Durable] = {}
        self.producers = [
            Batches(prod=1, partition=0, pid=1), Batches(prod=2, partition=0),
            Batches(prod=3, partition=1, pid=3), Batches(prod=4, partition=1),
        ]  # fmt: skip
        self.sessions: list[Session] = []
        self.acked: list[tuple[int, int, int, int, int]] = []
        self.asked: dict[int, list[ProduceRequest]] = {}
        self.log: list[str] = []

    # --- what may happen ----------------------------------------------------------------------------------------------
    def step(self) -> None:
        kind = self.choose(70)
        if kind < 30:
            self._deliver()
        elif kind < 50:
            self._produce()
        elif kind < 62:
            self._pass_time()
        else:
            rare = (
                self._crash, self._restart, self._restart, self._cut, self._heal, self._heal, self._elect, self._stop,
            )  # fmt: skip
            rare[kind - 62]()
        self.check()

    def check(self) -> None:
        for number in self._up():
            if self.cluster.ports[number].has_stopped:
                self.cluster.ports[number].has_stopped = False
                self.down[number] = self.cluster.crash(number)
        self.laws.check(self._up(), self.cluster.controller)

    def _up(self) -> dict[int, Broker]:
        return {number: role for number, role in self.cluster.roles.items() if isinstance(role, Broker)}

    def _deliver(self) -> None:
        for _ in range(1 + self.choose(12)):
            if self.cluster.opening and self.choose(2) == 0:
                self.cluster._open_one()
                continue
            ready = self.cluster.deliverable()
            if ready:
                wire, to = ready[self.choose(len(ready))]
                self.cluster.deliver(wire, to)
                self.check()

    def _pass_time(self) -> None:
        """The next alarms ring, at most so far ahead."""
        until_us = self.cluster.now_us + (10 * MS, 500 * MS, 2 * S, 7 * S)[self.choose(4)]
        while True:
            due = [(self.cluster.ports[h].alarm_us, h) for h in (0, *self._up())]
            ringing = [(t, h) for t, h in due if t is not None and t <= until_us]
            if not ringing:
                break
            self.cluster.now_us = max(self.cluster.now_us, min(ringing)[0])
            self.cluster.ring(min(ringing)[1])
            self.check()
            if self.choose(4) == 0:
                return
        self.cluster.now_us = until_us

    def _produce(self) -> None:
        up = list(self._up())
        if not up:
            return
        batches = self.producers[self.choose(len(self.producers))]
        again = batches.made and self.choose(4) == 0
        batch = batches.made[-1 - self.choose(min(6, len(batches.made)))] if again else batches.next(1 + self.choose(3))
        leader = self.cluster.leader(batch.partition)
        broker = leader if leader in up and self.choose(6) else up[self.choose(len(up))]
        request = ProduceRequest([batch], (-1, -1, 1)[self.choose(3)], 5 * S)
        client = self.cluster.roles.get(CLIENT)
        if client is None:
            self.cluster.client(broker, CLIENT)
            client = self.cluster.roles[CLIENT]
        assert isinstance(client, Client)
        wire = self.cluster.open(CLIENT, broker)
        self.cluster.opening.remove(wire)
        if getattr(self.cluster.roles[broker], "listening", False):
            self.cluster.ports[CLIENT].send(wire, request)
            self.asked[wire.number] = [request]

    def _crash(self) -> None:
        up = list(self._up())
        if len(up) > self.choose(2):
            broker = up[self.choose(len(up))]
            self.down[broker] = self.cluster.crash(broker, lossy=self.lossy and self.choose(4) == 0)

    def _restart(self) -> None:
        if self.down:
            broker = list(self.down)[self.choose(len(self.down))]
            self.cluster.restart(broker, self.down.pop(broker), settle=False)
            self.cluster.ports[broker].draws = lambda purpose: self.choose(256) << 24

    def _cut(self) -> None:
        one = self.choose(4)
        self.cluster.cut((one, (one + 1 + self.choose(3)) % 4))

    def _heal(self) -> None:
        self.cluster.heal()

    def _elect(self) -> None:
        if self.choose(4):
            self.cluster.controller.elect_preferred(self.cluster.now_us)
        else:
            self.cluster.controller.fail_over(self.cluster.now_us, self.choose(3) * S)

    def _stop(self) -> None:
        up = list(self._up())
        if up:
            self.cluster.broker(up[self.choose(len(up))]).shut_down(self.cluster.now_us)

    # --- the end ------------------------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Everybody is back, nothing is cut: the cluster comes to rest, and whole logs are compared."""
        self.cluster.heal()
        for broker in list(self.down):
            self.cluster.restart(broker, self.down.pop(broker), settle=False)
        for _ in range(120):
            self.cluster.run_until(self.cluster.now_us + S)
            self.check()
            for broker in list(self.down):  # was still on its way out
                self.cluster.restart(broker, self.down.pop(broker), settle=False)
        led = all(state.leader >= 0 for state in self.cluster.controller.partitions.values())
        self.laws.acknowledged(self._acknowledged())
        self.laws.finish(self._up(), self.cluster.controller, settled=led)

    def _acknowledged(self) -> list[tuple[int, int, int, int, int]]:
        client = self.cluster.roles.get(CLIENT)
        found = []
        for wire, answer in client.answers if isinstance(client, Client) else ():
            request = self.asked[wire.number][0]
            result, batch = answer.results[0], request.batches[0]  # type: ignore[attr-defined]
            if request.acks == -1 and result.error == 0:
                found.append((batch.partition, batch.prod, batch.lo, batch.hi, result.offset))
        return found
