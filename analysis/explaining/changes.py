"""The fixed list of changes that may prevent a finding, each with what it costs.

The order of preference: fewest options, then the least throughput lost (*cost*, a rank: 0 nothing, 9 most). A change is
for one producer, one topic, one group, or what the application or the operator does; it is written as edits of the
scenario.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from analysis.explaining.case import Case, Change, Edit, Maker, Path, Row
from analysis.explaining.group_changes import GROUP_TABLE
from analysis.explaining.pins import Source

__all__ = ["Case", "Change", "Edit", "changes_for", "replicas", "with_change"]

MOST_TOGETHER = 2  # changes of the table that are tried together

# --- the table --------------------------------------------------------------------------------------------------------
RETRIES = (
    "retry after a refused batch", "retry after an error that came after the append", "retry after a lost response",
    "retry after a lost request", "request timed out and retried", "zombie request of an old connection",
    "retry into a new leader that lacked the batch",
)  # fmt: skip
TAILS = ("truncated tail of an acks=1 leader", "truncated tail of an acks=0 leader", "acks=0 into a dead connection")
SPREAD = (
    "keyless spreading over partitions", "keys spread over partitions", "partition count changed",
    "partitions named by the application",
)  # fmt: skip
RENUMBERED = ("epoch bump renumbers", "producer state lost and rebuilt", "implicit acknowledgement")


def _client_edit(case: Case, option: str, value: str) -> Edit:
    return Edit(f"producer {case.producer}", option, value, ("producers", str(case.producer), "config", option))


def _idempotence(case: Case) -> tuple[Edit, ...]:
    client = case.client()
    if client is None or client.idempotent:
        return ()
    edits = [_client_edit(case, "enable.idempotence", "true")]
    if client.acks != -1:
        edits.append(_client_edit(case, "acks", "all"))
    if client.in_flight > 5 and client.flavour == "java":
        edits.append(_client_edit(case, "max.in.flight.requests.per.connection", "5"))
    if client.retries == 0:
        edits.append(_client_edit(case, "retries", "2147483647"))
    return tuple(edits)


def _one_in_flight(case: Case) -> tuple[Edit, ...]:
    client = case.client()
    if client is None or client.in_flight == 1:
        return ()
    return (_client_edit(case, "max.in.flight.requests.per.connection", "1"),)


def _acks(value: str) -> Maker:
    def edits(case: Case) -> tuple[Edit, ...]:
        client, asked = case.client(), -1 if value == "all" else int(value)
        if client is None or client.acks == asked or (asked == 1 and client.acks == -1):
            return ()
        return (_client_edit(case, "acks", value),)

    return edits


def _longer(option: str, value_ms: int) -> Maker:
    def edits(case: Case) -> tuple[Edit, ...]:
        if case.producer is None:
            return ()
        given = case.source["producers"][case.producer].get("config", {}).get(option)
        return (_client_edit(case, option, str(value_ms)),) if given is not None and int(given) < value_ms else ()

    return edits


def _topic(option: str, value: str, default: str) -> Maker:
    def edits(case: Case) -> tuple[Edit, ...]:
        given = case.source["topics"][case.topic].get("config", {}).get(option, default)
        given = case.source.get("brokers", {}).get("config", {}).get(option, given) if given == default else given
        if str(given) == value or replicas(case) < 2 and option == "min.insync.replicas":
            return ()
        return (Edit(f"topic {case.topic}", option, value, ("topics", case.topic, "config", option)),)

    return edits


def _longer_retention(case: Case) -> tuple[Edit, ...]:
    """Kafka's defaults, where the file keeps less: -1, without a limit, and seven days."""
    edits = []
    for option, default in (("retention.bytes", -1), ("retention.ms", 604_800_000)):
        topic = case.source["topics"][case.topic].get("config", {})
        given = topic.get(option, case.source.get("brokers", {}).get("config", {}).get(f"log.{option}"))
        if given is not None and int(given) >= 0 and (default < 0 or int(given) < default):
            path: Path = ("topics", case.topic, "config", option)
            edits.append(Edit(f"topic {case.topic}", option, str(default), path))
    return tuple(edits)


def replicas(case: Case) -> int:
    return int(case.source["topics"][case.topic].get("replication.factor", 1))


def _three_replicas(case: Case) -> tuple[Edit, ...]:
    brokers = int(case.source.get("brokers", {}).get("count", 3))
    if replicas(case) >= 3 or "assignment" in case.source["topics"][case.topic]:
        return ()
    edits = [Edit(f"topic {case.topic}", "replication.factor", 3, ("topics", case.topic, "replication.factor"))]
    if brokers < 3:
        edits.append(Edit("cluster", "brokers", 3, ("brokers", "count")))
    return tuple(edits)


def _partitions_from_the_start(case: Case) -> tuple[Edit, ...]:
    grown = [(n, one) for n, one in enumerate(case.source.get("faults", ())) if one.get("add_partitions") == case.topic]
    if not grown:
        return ()
    most = max(int(one["to"]) for _, one in grown)
    edits = [Edit(f"topic {case.topic}", "partitions", most, ("topics", case.topic, "partitions"))]
    return (*edits, *(Edit("operator", "later increase", None, ("faults", n)) for n, _ in reversed(grown)))


def _one_partition(case: Case) -> tuple[Edit, ...]:
    if int(case.source["topics"][case.topic].get("partitions", 1)) == 1:
        return ()
    edits = [Edit(f"topic {case.topic}", "partitions", 1, ("topics", case.topic, "partitions"))]
    grown = [n for n, one in enumerate(case.source.get("faults", ())) if one.get("add_partitions") == case.topic]
    return (*edits, *(Edit("operator", "later increase", None, ("faults", n)) for n in reversed(grown)))


def _one_partitioner(case: Case) -> tuple[Edit, ...]:
    """librdkafka's clients choose as Java's do."""
    others = [
        name for name, section in case.source["producers"].items()
        if section.get("client") == "librdkafka"
        and not str(section.get("config", {}).get("partitioner", "")).startswith("murmur2")
    ]  # fmt: skip
    option = "partitioner"
    paths: list[tuple[str, Path]] = [(name, ("producers", name, "config", option)) for name in others]
    return tuple(Edit(f"producer {name}", option, "murmur2_random", path) for name, path in paths)


def _no_application_resend(case: Case) -> tuple[Edit, ...]:
    if case.producer is None or not case.source["producers"][case.producer].get("resend.after.failure"):
        return ()
    path: Path = ("producers", case.producer, "resend.after.failure")
    return (Edit(f"application of {case.producer}", "second send() after a failure", None, path),)


def _no_repeat_after_restart(case: Case) -> tuple[Edit, ...]:
    faults = case.source.get("faults", ())
    found = [n for n, one in enumerate(faults) if "restart_producer" in one and one.get("resend")]
    return tuple(
        Edit(f"application of {case.producer}", "second send() of what was unreported", None, ("faults", n, "resend"))
        for n in found
    )


_TABLE = (
    Row(_topic("unclean.leader.election.enable", "false", "false"), ("unclean election",), 0,
        "no leader, so no writes, until an in-sync replica is back", "broker:FAIL-13; anomalies 1.8"),
    Row(_longer_retention, ("overtaken by retention",), 0, "disk space for the longest lag",
        "TopicConfig.RETENTION_BYTES_CONFIG"),
    Row(_longer("request.timeout.ms", 30_000), ("request timed out and retried", "zombie request of an old connection"),
        0, "a broker that hangs is noticed later", "producer 5.1"),
    Row(_longer("delivery.timeout.ms", 120_000), ("application sent again",), 0,
        "a failure is reported later", "producer 5.2, 6.7"),
    Row(_partitions_from_the_start, ("partition count changed",), 0,
        "the number of partitions is chosen once", "anomalies 1.2"),
    Row(_one_partitioner, ("two partitioners",), 0, "keys of that producer move once", "producer 2.2, 8.1"),
    Row(_idempotence, RETRIES, 1, "nearly none: a producer id and sequence numbers", "producer 6.3"),
    Row(_acks("1"), ("acks=0 into a dead connection",), 1, "a round trip to the leader a success", "producer 4.4"),
    Row(_acks("all"), TAILS, 2, "a round of replication before a success", "anomalies 1.4"),
    Row(_topic("min.insync.replicas", "2", "1"), (*TAILS, "unclean election", "unflushed data lost"), 2,
        "writes are refused while fewer replicas are in sync", "anomalies 1.4"),
    Row(_three_replicas, (*TAILS, "unclean election", "unflushed data lost", "producer state lost and rebuilt"), 3,
        "every record is written three times", "anomalies 1.4"),
    Row(_one_in_flight, (*RETRIES, *RENUMBERED), 5, "one round trip a request", "producer 2.6, 4.4"),
    Row(_topic("flush.messages", "1", "9223372036854775807"), ("unflushed data lost",), 6,
        "a write to the disk for every batch", "broker:FAIL-17"),
    Row(_no_application_resend, ("application sent again",), 7,
        "the application has to find out by itself what is missing", "producer 6.7"),
    Row(_no_repeat_after_restart, ("producer restarted",), 7,
        "what had not arrived stays missing; a transactional.id would fence the old life instead", "producer 6.7"),
    Row(_one_partition, SPREAD, 9, "the throughput of a single partition", "anomalies 4"),
)  # fmt: skip


def changes_for(case: Case) -> Iterator[Change]:
    """Candidates in the order of preference: single lines of the table, then two together."""
    lines = [row for row in (*_TABLE, *GROUP_TABLE) if case.mechanism in row.against]
    found: list[Change] = []
    for size in range(1, MOST_TOGETHER + 1):
        for rows in combinations(lines, size):
            parts = [row.edits(case) for row in rows]
            if all(parts) and len({tuple(edit.path for edit in part) for part in parts}) == size:
                edits = tuple({edit.path: edit for part in parts for edit in part}.values())
                found.append(Change(
                    edits, sum(row.cost for row in rows), "; ".join(row.price for row in rows),
                    "; ".join(dict.fromkeys(row.source for row in rows)),
                ))  # fmt: skip
    yield from sorted(found, key=lambda change: (change.options, change.cost))


def with_change(source: Source, edits: Sequence[Edit]) -> Source:
    """*source* with the edits made; those that take an entry of a list away come last in it first."""
    changed = copy.deepcopy(source)
    for edit in edits:
        at: Any = changed
        *steps, last = list[Any](edit.path)
        for step in steps:
            at = at[step] if isinstance(at, list) else at.setdefault(step, {})
        if edit.value is not None:
            at[last] = edit.value
        elif isinstance(at, list) or last in at:
            del at[last]
    if not changed.get("faults", True):
        del changed["faults"]
    return changed
