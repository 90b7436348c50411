"""The brokers' options of groups as settings of their group coordinators.

Sources: ``GroupCoordinatorConfig`` of Apache Kafka 3.9 and 4.3 (consumer 1.2).
"""

from __future__ import annotations

from sim.config.values import Values
from sim.protocol.group_modern import ASSIGNORS
from sim.protocol.settings import CoordinatorSettings
from sim.wording import listed

__all__ = ["coordinator_settings"]

_PACKAGE = "org.apache.kafka.coordinator.group.assignor."
_CLASSES = {"UniformAssignor": "uniform", "RangeAssignor": "range"}


def coordinator_settings(values: Values) -> CoordinatorSettings:
    """Of the brokers' group coordinators (``GroupCoordinatorConfig.validate``)."""
    for limited in ("session.timeout.ms", "heartbeat.interval.ms", "assignment.interval.ms"):
        _within(values, limited)
    heartbeat, session = (
        values.number(f"group.consumer.{name}") for name in ("heartbeat.interval.ms", "session.timeout.ms")
    )
    if heartbeat >= session:
        rule = f"a broker does not start: group.consumer.heartbeat.interval.ms={heartbeat} is not below"
        raise values.refuse(
            _given(values, "group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"),
            f"{rule} group.consumer.session.timeout.ms={session}", "lower the one or raise the other",
        )  # fmt: skip
    return CoordinatorSettings(
        modern_session_timeout_us=session * 1000,
        heartbeat_interval_us=heartbeat * 1000,
        assignors=_server_assignors(values),
        assignment_interval_us=values.number("group.consumer.assignment.interval.ms") * 1000,
        modern_max_size=values.number("group.consumer.max.size"),
        initial_rebalance_delay_us=values.number("group.initial.rebalance.delay.ms") * 1000,
        min_session_timeout_us=values.number("group.min.session.timeout.ms") * 1000,
        max_session_timeout_us=values.number("group.max.session.timeout.ms") * 1000,
        group_max_size=values.number("group.max.size"),
        offsets_commit_timeout_us=values.number("offsets.commit.timeout.ms") * 1000,
    )


def _within(values: Values, limited: str) -> None:
    """A setting of KIP-848 groups lies between its ``min`` and its ``max``."""
    name = f"group.consumer.{limited}"
    value = values.number(name)
    for word, side in (("min", "below"), ("max", "above")):
        bound = f"group.consumer.{word}.{limited}"
        limit = values.number(bound)
        if (value < limit) if word == "min" else (value > limit):
            rule = f"a broker does not start: {name}={value} is {side} {bound}={limit}"
            raise values.refuse(_given(values, name, bound), rule, f"set {bound} as well")


def _given(values: Values, *names: str) -> str:
    """The first of them that the file gives, else the first."""
    return next((name for name in names if values.explicit(name)), names[0])


def _server_assignors(values: Values) -> tuple[str, ...]:
    """By name, or by class as 3.9 wants it."""
    option = "group.consumer.assignors"
    words = [word.strip().removeprefix(_PACKAGE) for word in values.text(option).split(",") if word.strip()]
    names = tuple(_CLASSES.get(word, word) for word in words)
    for name in names:
        if name not in ASSIGNORS:
            rule = f"{option}: {name} is none of Kafka's own, and not modelled"
            raise values.refuse(option, rule, f"use {listed(ASSIGNORS)}")
    if not names or len(set(names)) < len(names):
        raise values.refuse(option, f"{option} needs at least one assignor, and each once", "write uniform,range")
    return names
