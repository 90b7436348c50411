"""Which values of which options let a mechanism happen, as they are in this configuration."""

from __future__ import annotations

from analysis.allowed import Client
from analysis.explaining.changes import Case, replicas
from analysis.explaining.mechanisms import IDEMPOTENCE, MECHANISMS

__all__ = ["permitted_by"]


def permitted_by(
    case: Case | None, mechanism: str, options: dict[str, dict[str, str]], client: Client | None
) -> list[str]:
    """The values of the options that let the mechanism happen, as they are: ``enable.idempotence=false``."""
    known = MECHANISMS.get(mechanism)
    if known is None:
        return []
    if mechanism == "two partitioners":
        return _partitioners(options)
    found = []
    for option in known.options:
        value = _value(case, option, options, client)
        if value is not None and (option, value) != ("retention.bytes", "-1"):
            found.append(f"{option}={value}")
        if option == "session.timeout.ms" and case is not None and any(_modern(one, options) for one in case.members):
            option = "group.consumer.session.timeout.ms"  # the brokers decide it for members of the new protocol
            if option in options.get("brokers", {}):
                found.append(f"{option}={options['brokers'][option]}")
    return found


def _modern(member: str, options: dict[str, dict[str, str]]) -> bool:
    return options.get(f"consumers.{member}", {}).get("group.protocol", "classic").lower() == "consumer"


def _in_force(member: str, option: str, options: dict[str, dict[str, str]]) -> bool:
    """Whether the client reads it at all, by what else it is told (ConsumerCoordinator, KIP-848)."""
    if option == "auto.commit.interval.ms":
        return options.get(f"consumers.{member}", {}).get("enable.auto.commit", "true").lower() == "true"
    if option in ("session.timeout.ms", "partition.assignment.strategy"):
        return not _modern(member, options)
    return True


def _value(case: Case | None, option: str, options: dict[str, dict[str, str]], client: Client | None) -> str | None:
    if client is not None and option in (*IDEMPOTENCE, "acks", "client"):
        told: dict[str, object] = {
            "enable.idempotence": str(client.idempotent).lower(), "acks": "all" if client.acks == -1 else client.acks,
            "max.in.flight.requests.per.connection": client.in_flight, "retries": client.retries,
            "client": client.flavour,
        }  # fmt: skip
        return str(told[option])
    if case is None:
        return None
    if option == "partitions":
        return str(case.source["topics"][case.topic].get("partitions", 1))
    if option == "replication.factor":
        return str(replicas(case))
    if option == "resend.after.failure" and case.producer is not None:
        return str(case.source["producers"][case.producer].get(option, 0))
    if option == "transactional.id":
        return "(none)"
    for place in (f"topics.{case.topic}", f"producers.{case.producer}"):
        if option in options.get(place, {}):
            return options[place][option]
    return _of_members(case, option, options)


def _of_members(case: Case, option: str, options: dict[str, dict[str, str]]) -> str | None:
    """What the members of the group have, each value once; ``processing.commit`` is what their application does."""
    found: list[str] = []
    for name in case.members:
        if option.startswith("processing."):
            done = (case.source["consumers"][name].get("processing") or {}).get(option.partition(".")[2])
            found.append("never" if done is None and option.endswith("commit") else _words(done))
        elif _in_force(name, option, options):
            found.append(options.get(f"consumers.{name}", {}).get(option, ""))
    return ", ".join(dict.fromkeys(value for value in found if value)) or None


def _words(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_words(inner)}" for key, inner in value.items())
    return "" if value is None else str(value)


def _partitioners(options: dict[str, dict[str, str]]) -> list[str]:
    """Every producer's rule: ``partitioner=consistent_random (billing)``."""
    found = []
    for place, texts in options.items():
        for option in ("partitioner", "partitioner.class"):
            if place.startswith("producers.") and option in texts:
                found.append(f"{option}={texts[option] or 'default'} ({place.partition('.')[2]})")
    return found
