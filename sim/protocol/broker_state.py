"""What the parts of one broker share: its partitions, what it knows of the cluster, and how a response leaves.

Law: the metadata that a broker has applied is a prefix of the controller's log (``broker:INV-13``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.protocol.broker_channels import Channel, Channels
from sim.protocol.deadlines import Deadlines
from sim.protocol.error_codes import ErrorCode
from sim.protocol.log import DurableLog
from sim.protocol.messages import MetadataResponse, PartitionMetadata, PartitionState
from sim.protocol.port import Port
from sim.protocol.replication import Partition, Registry
from sim.protocol.settings import BrokerSettings, Rules, TopicSettings

__all__ = ["BrokerState", "Durable"]


@dataclass(slots=True)
class Durable:
    """What of a broker outlives its process."""

    logs: dict[int, DurableLog] = field(default_factory=dict)
    incarnation: int = 0
    producer_ids: int = 0  # how many producer ids it has given out: none is given twice
    clean_epoch: int = -1  # the broker epoch, if it was stopped cleanly (clean shutdown file)


class BrokerState:
    """One broker's possessions. Its parts hold this object and each other, never the role."""

    __slots__ = (
        "applied", "channels", "deadlines", "epoch", "me", "metadata", "partitions", "port", "registry", "rules",
        "settings", "topic_of", "topic_partitions", "topics",
    )  # fmt: skip

    def __init__(
        self, port: Port, me: int, settings: BrokerSettings, rules: Rules, topics: dict[int, TopicSettings]
    ) -> None:
        self.port, self.me, self.settings, self.rules, self.topics = port, me, settings, rules, topics
        self.epoch = -1  # of this incarnation, given at registration
        self.applied = -1  # offset of the newest metadata record applied
        self.partitions: dict[int, Partition] = {}  # hosted here
        self.registry: Registry = {}
        self.metadata: dict[int, PartitionState] = {}
        self.topic_partitions: dict[int, tuple[int, ...]] = {}
        self.topic_of: dict[int, int] = {}
        self.deadlines = Deadlines(port)
        self.channels = Channels(port, self.deadlines, settings.connections_max_idle_us)

    def finish(self, channel: Channel, response: object, cause: int | None, now_us: int) -> None:
        """Hand a response to the network; the channel may go on with its next request afterwards."""
        self.port.send(channel.conn, response, cause)
        channel.busy = False
        channel.active_us = now_us
        if channel.buffer or channel.gone:
            self.channels.free(channel, now_us, wrote=True)

    def not_here(self, partition: int) -> int:
        """Why a partition that is not led here is refused (broker:APP-1, APP-3)."""
        if partition in self.metadata:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    def hint(self, partition: int) -> tuple[int, int]:
        """The current leader and its epoch, where responses name them (KIP-951)."""
        known = self.metadata.get(partition)
        if known is None or not self.rules.leader_hints:
            return -1, -1
        return known.leader, known.leader_epoch

    def describe(self, topics: tuple[int, ...]) -> MetadataResponse:
        """The answer to a metadata request; a leader that is fenced counts as none (broker:VIS-10)."""
        registry = self.registry
        alive = tuple(sorted(broker for broker, (_, fenced, _) in registry.items() if not fenced))
        described: dict[int, tuple[PartitionMetadata, ...]] = {}
        for topic in topics:
            rows = []
            for partition in self.topic_partitions.get(topic, ()):
                known = self.metadata[partition]
                leader = known.leader if known.leader in alive else -1
                rows.append(PartitionMetadata(partition, leader, known.leader_epoch))
            described[topic] = tuple(rows)
        return MetadataResponse(alive, described)
