"""A scenario as a plan that knows nothing of the world that will carry it out.

``sim.scenario`` compiles a checked scenario into a :class:`Plan`; ``sim.world`` (simulated) and ``sim.real`` (real
brokers) both run it. Everything is resolved (microseconds, bytes, run-wide numbers), except what only the moment can
tell: a fault's target may be a role ("leader of payments-0"), a random fault has a rate, a workload a distribution.

Numbers: host 0 is the controller, hosts 1..B the brokers (their Kafka ids), then one host a producer, then one a
consumer (a reader, or a member of a group), in the order of the file. Partitions are numbered topic by topic in the
order of the file; partitions that a fault adds later follow behind all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.protocol.settings import (
    BrokerSettings,
    ControllerSettings,
    CoordinatorSettings,
    JavaProducerSettings,
    LibrdkafkaMemberSettings,
    LibrdkafkaProducerSettings,
    MemberSettings,
    ProcessingSettings,
    ReaderSettings,
    Rules,
    TopicSettings,
)

__all__ = [
    "Action", "CallPlan", "Distribution", "GroupsPlan", "LinkPlan", "MemberPlan", "MessageFault", "Outlet", "Plan",
    "ProducerPlan", "ReaderPlan", "Target", "TopicPlan", "WARM_UP_BYTES", "WARM_UP_US", "WARM_UP_VALUE", "Workload",
]  # fmt: skip

# The record that warms a producer up, and how much later its workload begins: as in the recorded runs.
WARM_UP_US = 5_000_000
WARM_UP_BYTES = 100
WARM_UP_VALUE = "w"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A named delay distribution: ``constant`` (value), ``uniform`` (low, high), ``exponential`` (mean), ``lognormal``
    (median, p99), ``pareto`` (minimum, p99). Parameters in microseconds."""

    name: str
    parameters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """One-way latency between two kinds of hosts (``client-broker``, ``broker-broker``, ``broker-controller``)."""

    latency: Distribution
    slot_us: int = 1_000  # latency is a function of (seed, link, time // slot_us)


@dataclass(frozen=True, slots=True)
class TopicPlan:
    number: int
    name: str
    partitions: tuple[int, ...]  # run-wide numbers by index, as at the start
    replicas: tuple[tuple[int, ...], ...]  # of each partition, preferred leader first
    settings: TopicSettings


@dataclass(frozen=True, slots=True)
class Workload:
    """One stream of ``send()`` calls of one producer to one topic. Times are relative to the run's start."""

    topic: int
    arrivals: str  # constant, poisson, burst, explicit
    rate_per_s: float = 0.0  # constant, poisson; burst: bursts per second
    burst_size: int = 0
    start_us: int = 0
    stop_us: int = 0  # no send at or after it (from the run's length where the file says nothing)
    count: int | None = None  # at most so many sends
    # (us after start, key, partition index, value), by time
    explicit: tuple[tuple[int, str | None, int | None, str | None], ...] = ()
    key_count: int = 0  # 0: no keys
    key_names: tuple[str, ...] = ()  # explicit list; else "k0", "k1", ...
    key_skew: str = "uniform"  # uniform, zipf, round_robin
    partition_index: int | None = None  # every record to this partition
    value_bytes: tuple[int, int] = (100, 100)  # uniform between, both included
    key_bytes: int | None = None  # default: the length of the key's name


@dataclass(frozen=True, slots=True)
class ProducerPlan:
    host: int
    name: str
    settings: JavaProducerSettings | LibrdkafkaProducerSettings
    workloads: tuple[Workload, ...]
    resend_after_failure: int = 0  # the application sends a failed record again, so many times
    warm_up: bool = False  # the whole workload waits until one record to warm_up_partition was acknowledged
    warm_up_partition: int = -1  # run-wide number
    feeds: tuple[int, ...] = ()  # topics; it has no workload, and lives in the process of a consumer that feeds it
    options: Mapping[str, str] = field(default_factory=dict)  # as the user wrote them, for header and report


@dataclass(frozen=True, slots=True)
class CallPlan:
    """A call of a consumer's application: ``pause``, ``resume`` or ``seek`` (to: offset, -1 end, -2 beginning)."""

    at_us: int
    verb: str
    partitions: tuple[int, ...]
    to: int = 0


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    host: int
    name: str
    settings: ReaderSettings
    topics: tuple[int, ...]
    partitions: tuple[int, ...] | None = None  # assigned run-wide numbers; None: all of the topics
    start_us: int = 0
    calls: tuple[CallPlan, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where the application of a member sends something on to."""

    way: str  # produced, retry_topic, dead_letter
    producer: int  # host number
    topic: int


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """One member of a group."""

    host: int
    name: str
    group: int  # number of the group
    settings: MemberSettings | LibrdkafkaMemberSettings
    reader: ReaderSettings
    processing: ProcessingSettings
    time: Distribution  # of the work on a record or on a poll
    topics: tuple[int, ...]
    start_us: int = 0
    stop_us: int = -1  # it is closed then; -1: never
    restart_after_us: int = -1  # a process whose application failed is started anew so much later; -1: never
    outlets: tuple[Outlet, ...] = ()  # where its application sends to
    calls: tuple[CallPlan, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupsPlan:
    """Groups, their members, and the partitions of ``__consumer_offsets`` that they are in.

    Of that topic only those partitions exist; they are numbered behind all others, as its number is behind all topics'.
    """

    names: tuple[str, ...]
    homes: tuple[int, ...]  # by group: the run-wide number of its partition
    topic: TopicPlan
    indexes: tuple[int, ...]  # of the topic's partitions
    coordinators: CoordinatorSettings
    members: tuple[MemberPlan, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """Who is struck, resolved when the fault strikes.

    ``kind``: ``host`` (number), ``leader`` / ``follower`` (partition; number: which follower, from 0), ``controller``,
    ``brokers`` (all), ``clients`` (all), ``everybody``.
    """

    kind: str
    number: int = -1
    partition: int = -1


@dataclass(frozen=True, slots=True)
class Action:
    """Something done to the system. ``do`` and the parameters it reads (all times in microseconds):

    ``kill`` (restart_after_us or None), ``power_off`` (the same; pages not flushed are gone), ``pause`` (for_us),
    ``shutdown`` (controlled; restart_after_us), ``slow_disk`` (for_us, by_us), ``cut`` (to: Target, for_us, one_way),
    ``slow`` (to, for_us, by_us), ``lossy`` (to, for_us, percent, parts_per_million), ``reset`` (to: connections between
    the two are reset), ``preferred_election`` (topic or None), ``unclean_election`` (partition), ``add_partitions``
    (topic, count: partitions afterwards), ``move_controller`` (outage_us), ``restart_producer`` (after_us, resend),
    ``restart``
    (start a host that is down),
    ``rolling_restart`` (downtime_us, every_us).
    """

    index: int  # position in the file's list of faults
    do: str
    target: Target
    at_us: int = 0  # scheduled: when
    rate_per_s: float = 0.0  # random: a Poisson process over from_us..until_us instead of at_us
    from_us: int = 0
    until_us: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class MessageFault:
    """A scripted fault of produce requests to one partition (vocabulary of the recorded runs).

    ``do``: drop_response, drop_request, answer_error, append_then_error, swallow, delay_response, hold_request.
    Addressed by ``nth`` (n-th produce request to the partition since counting began, over all connections) or by
    ``value`` (a record's value, ``all``) with ``attempt`` (n-th transmission of it; None: every one), optionally within
    from_us..until_us. The first fault in file order that matches a request applies.
    """

    index: int
    do: str
    producer: int  # host number
    partition: int
    nth: tuple[int, ...] = ()
    value: str | None = None
    attempt: int | None = None
    from_us: int = 0
    until_us: int | None = None
    after_answered: int | None = None  # drop_response
    earlier: str = "now"  # drop_request: acked, appended, now
    error: int = 0  # answer_error, append_then_error: Kafka's code
    delay_us: int = 0  # delay_response
    release_callbacks: int = 0  # hold_request: so many callbacks ...
    release_after_us: int = 0  # ... and so much later
    text: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    title: str
    rules: Rules
    run_us: int
    settle_us: int
    brokers: int
    broker_settings: BrokerSettings
    controller_settings: ControllerSettings
    topics: tuple[TopicPlan, ...]
    producers: tuple[ProducerPlan, ...]
    readers: tuple[ReaderPlan, ...]
    links: Mapping[str, LinkPlan]
    actions: tuple[Action, ...]
    message_faults: tuple[MessageFault, ...]
    groups: GroupsPlan | None = None
    resolved: Mapping[str, Any] = field(default_factory=dict)  # the whole, in JSON types: digest, header
