"""What every client keeps of the cluster and of its connections: back-offs, nodes, the metadata cache.

Words: a *failure count* starts at 1 with the first failure; a *raw draw* is uniform in 0..2**32-1 and is asked of the
port by the role, once per need. All arithmetic is on integers, so a delay is the same on every machine.

Laws: no delay exceeds its cap; an older leader epoch never replaces a newer one in the cache (KIP-320, KIP-951).

Kafka draws the delay of a retry again at every look (producer:1.3); here it is drawn once per failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sim.protocol.messages import MetadataResponse
from sim.protocol.port import Connection

__all__ = [
    "Backoff", "JavaReconnect", "LibrdkafkaBackoff", "LibrdkafkaReconnect", "MetadataCache", "Node", "scaled",
]  # fmt: skip

MS = 1_000
_DRAWS = 1 << 32
_GROWTH_LIMIT = 40  # doublings, far beyond any cap

Draw = Callable[[], int]


def scaled(value: int, low_percent: int, high_percent: int, raw_draw: int) -> int:
    """*value* times a factor drawn uniformly from [low, high) per cent, rounded down."""
    return value * (low_percent * _DRAWS + (high_percent - low_percent) * raw_draw) // (100 * _DRAWS)


@dataclass(frozen=True, slots=True)
class Backoff:
    """The Java client's exponential back-off: doubling, jitter of a fifth either way, then the cap (producer:1.3)."""

    initial_us: int
    max_us: int

    def delay_us(self, failures: int, raw_draw: int) -> int:
        """The wait after *failures* failures in a row (1 or more); one that cannot grow has no jitter either
        (``expMax == 0``)."""
        if self.max_us <= self.initial_us:
            return self.max_us
        doublings = min(max(failures - 1, 0), _GROWTH_LIMIT)
        term = min(self.initial_us << doublings, self.max_us)
        return min(scaled(term, 80, 120, raw_draw), self.max_us)


@dataclass(frozen=True, slots=True)
class LibrdkafkaBackoff:
    """librdkafka's wait before a failed request's messages leave again (``rd_kafka_retry_msgq``, producer:8.1).

    Whole per cent of jitter, the product in 32 bits: from about the 26th counted retry it overflows, and a negative or
    zero wait is none at all.
    """

    initial_us: int
    max_us: int

    def delay_us(self, retries: int, raw_draw: int) -> int:
        """The wait after *retries* counted retries; a retry that was never counted waits as the first."""
        factor = 1 << ((retries - 1) & 31) if retries > 0 else 1
        base_ms = factor * (self.initial_us // MS) & 0xFFFFFFFF
        base_ms -= (base_ms & 0x80000000) << 1
        return max(0, min((80 + raw_draw % 41) * base_ms * 10, self.max_us))


@dataclass(slots=True)
class Node:
    """One broker as one client sees it: disconnected (no ``conn``), connecting (not ``ready``) or ready."""

    server: int
    conn: Connection | None = None
    ready: bool = False
    not_before_us: int = 0  # no attempt to connect earlier
    setup_until_us: int = 0  # while connecting: give the attempt up then
    failures: int = 0  # connections lost or not reached since the last ready one
    setup_failures: int = 0  # attempts in a row that never became ready
    step_us: int = 0  # librdkafka: centre of the next jitter

    def may_connect(self, now_us: int) -> bool:
        return self.conn is None and now_us >= self.not_before_us

    def holds(self, conn: Connection) -> bool:
        """Whether *conn* is this node's present connection (late news of an older one is none of its business)."""
        return self.conn is not None and self.conn.number == conn.number


@dataclass(frozen=True, slots=True)
class JavaReconnect:
    """``ClusterConnectionStates``: the back-off starts with a loss and doubles until a connection becomes ready."""

    backoff: Backoff
    setup: Backoff  # socket.connection.setup.timeout.ms and its maximum

    def attempt(self, node: Node, conn: Connection, now_us: int, draw: Draw) -> None:
        node.conn, node.ready = conn, False
        node.setup_until_us = now_us + self.setup.delay_us(node.setup_failures + 1, draw())

    def opened(self, node: Node) -> None:
        node.ready, node.failures, node.setup_failures = True, 0, 0

    def lost(self, node: Node, now_us: int, draw: Draw) -> None:
        node.setup_failures = 0 if node.ready else node.setup_failures + 1
        node.failures += 1
        node.conn, node.ready = None, False
        node.not_before_us = now_us + self.backoff.delay_us(node.failures, draw())


@dataclass(frozen=True, slots=True)
class LibrdkafkaReconnect:
    """``rd_kafka_broker_update_reconnect_backoff``: the next attempt is timed when one is made, so a connection
    that has lived longer is replaced at once, and once more when it fails (``rd_kafka_broker_thread_main``; not if it
    was given up); -25 % to +50 % of jitter in whole milliseconds, then the cap (producer:8.1)."""

    initial_us: int
    max_us: int
    setup_timeout_us: int

    def attempt(self, node: Node, conn: Connection, now_us: int, draw: Draw) -> None:
        self._time(node, now_us, draw)
        node.conn, node.ready = conn, False
        node.setup_until_us = now_us + self.setup_timeout_us

    def _time(self, node: Node, now_us: int, draw: Draw) -> None:
        if node.step_us == 0 or node.not_before_us + self.max_us < now_us:
            node.step_us = self.initial_us
        low, high = node.step_us * 3 // 4 // MS, node.step_us * 3 // 2 // MS
        wait_us = (low + draw() % (high - low + 1)) * MS
        node.not_before_us = now_us + min(wait_us, self.max_us)
        node.step_us = min(node.step_us * 2, self.max_us)

    def opened(self, node: Node) -> None:
        node.ready, node.failures = True, 0

    def lost(self, node: Node, now_us: int, draw: Draw) -> None:
        if not node.ready and now_us < node.setup_until_us:
            self._time(node, now_us, draw)
        node.failures += 1
        node.conn, node.ready = None, False


@dataclass(slots=True)
class MetadataCache:
    """Leader and leader epoch of every partition that the client has heard of, and the partitions of each topic."""

    brokers: tuple[int, ...] = ()
    topics: dict[int, tuple[int, ...]] = field(default_factory=dict)  # run-wide partitions by index
    _leaders: dict[int, tuple[int, int]] = field(default_factory=dict)

    def apply(self, response: MetadataResponse) -> list[int]:
        """Take in a response; the partitions whose leader or leader epoch changed, in the order of the response."""
        changed: list[int] = []
        if response.brokers:
            self.brokers = response.brokers
        for topic, partitions in response.partitions.items():
            if len(partitions) >= len(self.topics.get(topic, ())):  # partitions are never taken away
                self.topics[topic] = tuple(one.partition for one in partitions)
            for one in partitions:
                known = self._leaders.get(one.partition)
                news = (one.leader, one.leader_epoch)
                if known is None or (known != news and one.leader_epoch >= known[1]):
                    self._leaders[one.partition] = news
                    changed.append(one.partition)
        return changed

    def leader(self, partition: int) -> int:
        """Host number of the leader, -1 if none is known."""
        return self._leaders.get(partition, (-1, -1))[0]

    def leader_epoch(self, partition: int) -> int:
        return self._leaders.get(partition, (-1, -1))[1]

    def hint(self, partition: int, leader: int, epoch: int) -> bool:
        """A leader named in the answer to a request (KIP-951); taken only if its epoch is newer. Whether it was."""
        if leader < 0 or epoch <= self.leader_epoch(partition):
            return False
        self._leaders[partition] = (leader, epoch)
        return True

    def partitions(self, topic: int) -> tuple[int, ...]:
        """Run-wide partitions of *topic* by index; empty while unknown."""
        return self.topics.get(topic, ())

    def leaderless(self, topic: int) -> bool:
        """Whether *topic* is unknown or has a partition without leader."""
        partitions = self.topics.get(topic)
        return not partitions or any(self.leader(partition) < 0 for partition in partitions)
