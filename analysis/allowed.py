"""Whether a configuration allows a finding, and by which option.

``config`` comes from a history's header (or a trace's resolved scenario): options by client and by topic, in Kafka's
names. What a client does not say has the default of its flavour (key ``client``: java or librdkafka). Without a
configuration nothing is known, and the answer is None. Nor do options of producers and topics tell what a group does
with records that are in the log as they should be: that hangs on the consumers and their application, and is None too.

*Allowed* means: a cluster that works as Kafka documents it may do this. An idempotent producer that stores a record
twice is not allowed, though Kafka has holes in which it happens; the finding is then the news.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.evidence import Evidence
from analysis.finding import Found

__all__ = ["Client", "Topic", "permission"]

Answer = tuple[bool | None, str]
UNKNOWN: Answer = (None, "")
FORBIDDEN: Answer = (False, "")
READERS: Answer = (None, "consumers and their application")  # what it hangs on
IN_FLIGHT = "max.in.flight.requests.per.connection"


@dataclass(frozen=True, slots=True)
class Client:
    """A producer's options, resolved as its client resolves them (producer 1.2, 8.1)."""

    flavour: str
    acks: int
    idempotent: bool
    in_flight: int
    retries: int

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Client:
        flavour = str(options.get("client", "java"))
        acks = _acks(options.get("acks", options.get("request.required.acks", "all")))
        retries = _number(options.get("retries", options.get("message.send.max.retries")), 2147483647)
        in_flight = _number(options.get(IN_FLIGHT, options.get("max.in.flight")), 5 if flavour == "java" else 1_000_000)
        asked = options.get("enable.idempotence")
        if flavour != "java":
            idempotent = _flag(asked, False) or "transactional.id" in options
        else:  # where nothing is asked for, a conflicting option turns it off silently
            idempotent = _flag(asked, acks == -1 and retries > 0 and in_flight <= 5)
        return cls(flavour, acks, idempotent, min(in_flight, 5) if idempotent else in_flight, retries)


@dataclass(frozen=True, slots=True)
class Topic:
    min_insync: int
    unclean: bool
    replicas: int | None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Topic:
        replicas = options.get("replication.factor")
        return cls(
            _number(options.get("min.insync.replicas"), 1),
            _flag(options.get("unclean.leader.election.enable"), False),
            None if replicas is None else _number(replicas, 1),
        )


def _number(x: Any, default: int) -> int:
    try:
        return int(x)
    except (TypeError, ValueError):
        return default


def _flag(x: Any, default: bool) -> bool:
    return default if x is None else str(x).lower() == "true"


def _acks(x: Any) -> int:
    return -1 if str(x).lower() in ("all", "-1") else _number(x, -1)


class Configuration:
    """Looks options up by the names that a history uses; without sections, clients and topics stand side by side."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        parted = any(isinstance(config.get(kind), Mapping) for kind in (*_CLIENTS, *_TOPICS))
        self._clients = _sections(config, _CLIENTS) if parted else _named(config)
        self._topics = _sections(config, _TOPICS) if parted else self._clients

    def options(self, producer: str) -> Mapping[str, Any] | None:
        """By its own name, or by that of the process of which it is a later life (``billing#2``)."""
        return self._clients.get(producer, self._clients.get(producer.split("#")[0]))

    def client(self, producer: str) -> Client | None:
        options = self.options(producer)
        return None if options is None else Client.of(options)

    def topic(self, name: str) -> Topic | None:
        options = self._topics.get(name)
        return None if options is None else Topic.of(options)


_CLIENTS, _TOPICS = ("clients", "producers"), ("topics",)


def _sections(config: Mapping[str, Any], kinds: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    sections = [config[kind] for kind in kinds if isinstance(config.get(kind), Mapping)]
    return {name: options for section in sections for name, options in _named(section).items()}


def _named(section: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(name): options for name, options in section.items() if isinstance(options, Mapping)}


@dataclass(frozen=True, slots=True)
class Place:
    """One producer on one topic, as far as the configuration knows them."""

    client: Client | None
    topic: Topic | None
    all_acked: bool  # every send of this producer was acknowledged


# --- rules ------------------------------------------------------------------------------------------------------------
def _reorder(place: Place) -> Answer:
    client = place.client
    if client is None:
        return UNKNOWN
    if client.idempotent:
        return FORBIDDEN
    if client.in_flight > 1:
        return True, f"{IN_FLIGHT}={client.in_flight} without enable.idempotence"
    if client.flavour != "java":
        return True, f"librdkafka without enable.idempotence, even with {IN_FLIGHT}=1"
    if client.acks == 0:
        return True, "acks=0"
    if not place.all_acked:
        return True, "a send that was given up (retries, delivery.timeout.ms) without enable.idempotence"
    return FORBIDDEN


def _duplicate(place: Place) -> Answer:
    client, topic = place.client, place.topic
    if client is not None and not client.idempotent and client.retries > 0 and client.acks != 0:
        return True, "retries without enable.idempotence"
    if topic is not None and topic.unclean:
        return True, "unclean.leader.election.enable=true"
    return UNKNOWN if client is None or topic is None else FORBIDDEN


def _loss(place: Place) -> Answer:
    client, topic = place.client, place.topic
    if client is not None and client.acks in (0, 1):
        return True, f"acks={client.acks}"
    return _weak_replication(topic) if client is not None else UNKNOWN


def _weak_replication(topic: Topic | None) -> Answer:
    if topic is None:
        return UNKNOWN
    if topic.unclean:
        return True, "unclean.leader.election.enable=true"
    if topic.replicas == 1:
        return True, "replication.factor=1"
    if topic.min_insync <= 1:
        return True, "min.insync.replicas=1"
    return FORBIDDEN


def _unclean(place: Place) -> Answer:
    if place.topic is None:
        return UNKNOWN
    return (True, "unclean.leader.election.enable=true") if place.topic.unclean else FORBIDDEN


def _never(place: Place) -> Answer:
    return FORBIDDEN


_NOT_COVERED = {
    "key-reorder": "a key in two partitions (partition count, partitioner): order holds within a partition only",
    "e2e-key-reorder": "a key in two partitions (partition count, partitioner): order holds within a partition only",
    "duplicate-processing": "at-least-once reading",
    "duplicate-append": "the application, which sent again: no option of a producer covers that",
}
_RULES: dict[str, Callable[[Place], Answer]] = {
    "append-reorder": _reorder, "nonmonotonic-send": _reorder, "int-nonmonotonic-send": _reorder,
    "key-reorder": _reorder, "e2e-key-reorder": _reorder, "duplicate-append": _duplicate, "lost-acked": _loss,
    "inconsistent-offsets": _loss, "committed-truncation": lambda place: _weak_replication(place.topic),
    "replica-divergence": _unclean, "poll-skip": _unclean, "nonmonotonic-poll": _unclean, "unseen": _loss,
    "lost-write": _loss,
}  # fmt: skip
_OF_READERS = (
    "lost-processing", "premature-commit", "out-of-order-processing", "overlapping-processing", "duplicate-processing",
)  # fmt: skip


def permission(name: str, found: Found, evidence: Evidence) -> Answer:
    """Whether the configuration allows what was found under *name* (all of it), and what allows it.

    Of None: what it hangs on, or nothing where the configuration says too little.
    """
    config = evidence.history.config
    if config is None:
        return UNKNOWN
    if found.elsewhere and found.elsewhere == found.count:
        return True, _NOT_COVERED.get(name, "")
    if name == "duplicate-delivery":
        excused = found.extra.get("excused") == found.count
        return (True, "at-least-once reading") if excused else FORBIDDEN
    if name in _OF_READERS or found.blameless:  # no option of producer or topic explains it
        return READERS
    return _worst(_RULES.get(name, _never)(place) for place in _places(found, evidence, Configuration(config)))


def _worst(answers: Iterable[Answer]) -> Answer:
    """Not allowed if one case is not; unknown if one case is unknown."""
    told = list(answers)
    for wanted in (False, None):
        if any(answer is wanted for answer, _ in told):
            return wanted, ""
    return (True, "; ".join(dict.fromkeys(by for _, by in told))) if told else FORBIDDEN


def _places(found: Found, evidence: Evidence, config: Configuration) -> list[Place]:
    history = evidence.history
    pairs = sorted(found.pairs) if found.count else _all_pairs(evidence)
    places = []
    for prod, partition in pairs:
        client = config.client(history.producers[prod]) if prod >= 0 else None
        topic = config.topic(history.topic_of(partition)) if partition >= 0 else None
        places.append(Place(client, topic, prod not in evidence.producers_with_unacked))
    return list(dict.fromkeys(places))


def _all_pairs(evidence: Evidence) -> list[tuple[int, int]]:
    """Nothing was found: could it have been, for somebody?"""
    partitions = range(len(evidence.history.partitions))
    return [(prod, p) for prod in range(len(evidence.history.producers)) for p in partitions][:1000]
