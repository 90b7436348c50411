"""Kafka's options by their own names: tables, types, defaults a release, and what options make of each other."""

from sim.config.option import RELEASES, Kind, Option, Table
from sim.config.properties import read_properties
from sim.config.resolve import (
    FLAVOURS,
    Resolved,
    broker,
    consumer,
    controller,
    coordinators,
    librdkafka_member,
    member,
    producer,
    release_rules,
    tables,
    topic,
)

__all__ = [
    "FLAVOURS", "RELEASES", "Kind", "Option", "Resolved", "Table", "broker", "consumer", "controller", "coordinators",
    "librdkafka_member", "member", "producer", "read_properties", "release_rules", "tables", "topic",
]  # fmt: skip
