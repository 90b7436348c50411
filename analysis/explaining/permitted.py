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
        if value is not None:
            found.append(f"{option}={value}")
    return found


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
        else:
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
