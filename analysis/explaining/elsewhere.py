"""Why records that belong together stand in different partitions, or reach a reader in another order than sent."""

from __future__ import annotations

import numpy as np

from analysis.explaining.diagnosis import Diagnosis, Part, unexplained
from analysis.explaining.facts import Facts
from analysis.explaining.late import late_record
from sim.protocol.rows import Kind

__all__ = ["key_in_two_partitions", "out_of_order_on_the_way"]


def out_of_order_on_the_way(facts: Facts, cast: list[Part]) -> Diagnosis:
    """Late for a key or for a reader (anomalies 1.2, 2.6, 4): within one partition, or because of two."""
    if len(cast) < 2:
        return unexplained("the history does not name both records", cast)
    late, overtaker = cast[:2]
    if _partition(facts, late) == _partition(facts, overtaker):
        if late.copy is None or overtaker.copy is None:
            return unexplained("the history does not say where both records stand", cast)
        if late.copy.offset < overtaker.copy.offset:
            return unexplained("the log has them in order: they changed places between the log and the reader", cast)
        return late_record(facts, late, overtaker)
    keys = facts.history.records.key
    if int(keys[late.value]) != int(keys[overtaker.value]):
        return _spread(facts, cast)
    return _split(facts, cast) if int(keys[late.value]) >= 0 else _spread(facts, cast)


def key_in_two_partitions(facts: Facts, cast: list[Part]) -> Diagnosis:
    return _split(facts, cast) if len(cast) > 1 else unexplained("the history does not name both records", cast)


def _partition(facts: Facts, part: Part) -> int:
    return part.copy.partition if part.copy is not None else int(facts.history.records.partition[part.value])


def _spread(facts: Facts, cast: list[Part]) -> Diagnosis:
    names = [facts.history.partitions[_partition(facts, part)] for part in cast[:2]]
    between = f"one stands in {names[0]} and the other in {names[1]}"
    if _named_by_application(facts, cast):
        return Diagnosis("partitions named by the application", between, cast)
    if all(int(facts.history.records.key[part.value]) < 0 for part in cast[:2]):
        return Diagnosis("keyless spreading over partitions", f"neither has a key; {between}", cast)
    return Diagnosis("keys spread over partitions", f"their keys differ; {between}", cast)


def _split(facts: Facts, cast: list[Part]) -> Diagnosis:
    """One key, two partitions."""
    names = [facts.history.partitions[_partition(facts, part)] for part in cast[:2]]
    between = f"the key has records in {names[0]} and in {names[1]}"
    grown = _growth(facts, cast)
    if grown is not None:
        return Diagnosis(
            "partition count changed", f"{between}: the topic was given more partitions in between", cast, [grown]
        )
    if _named_by_application(facts, cast):
        return Diagnosis("partitions named by the application", between, cast)
    prods = {int(facts.history.records.prod[part.value]) for part in cast[:2]}
    if len(prods) == 2 and _partitioners(facts, cast) == 2:
        return Diagnosis("two partitioners", f"{between}: its two producers choose by different rules", cast)
    return unexplained(f"{between}, and the history does not say how they were chosen", cast)


def _growth(facts: Facts, cast: list[Part]) -> int | None:
    """The row in which the topic got more partitions, if its producer learned that between the two sends."""
    if facts.causes is None:
        return None
    sends = sorted(int(facts.history.records.t[part.value]) for part in cast[:2])
    topics = {facts.history.topic_of(_partition(facts, part)) for part in cast[:2]}
    hosts = [facts.causes.producer_host(int(facts.history.records.prod[part.value])) for part in cast[:2]]
    for row in facts.causes.rows_of(Kind.PARTITIONS):
        event = facts.causes.row(row)
        learned = [event["t_us"]]
        for host in hosts:
            rows = facts.causes.rows_of(Kind.METADATA, host=host, partition=event["partition"])
            learned += [facts.causes.row(rows[0])["t_us"]] if rows else []
        if (
            facts.history.topic_of(event["partition"]) in topics
            and event["t_us"] <= sends[-1]
            and max(learned) >= sends[0]
        ):
            return row
    return None


def _resolved(facts: Facts, part: Part) -> dict[str, object] | None:
    """The producer as the trace's scenario has it."""
    if facts.causes is None:
        return None
    prod = int(facts.history.records.prod[part.value])
    name = next(str(one["producer"]) for one in facts.history.header["producers"] if int(one["prod"]) == prod)
    producers = facts.history.header["scenario"]["producers"]
    return next((one for one in producers if one["name"] == name), None)


def _named_by_application(facts: Facts, cast: list[Part]) -> bool:
    """Every one of them was sent with its partition."""
    for part in cast[:2]:
        producer = _resolved(facts, part)
        if producer is None:
            return False
        workloads = producer["workloads"]
        assert isinstance(workloads, list)
        named = [
            w["partition_index"] is not None or any(send[2] is not None for send in w["explicit"]) for w in workloads
        ]
        if not all(named):
            return False
    return True


def _partitioners(facts: Facts, cast: list[Part]) -> int:
    """How many different rules of choosing a partition the two producers have; 0: not known."""
    found = []
    for part in cast[:2]:
        producer = _resolved(facts, part)
        if producer is None:
            return 0
        settings = producer["settings"]
        assert isinstance(settings, dict)
        found.append(
            (settings.get("partitioner"), settings.get("partitioner_ignore_keys"), "message_timeout_us" in settings)
        )
    return len(np.unique([str(one) for one in found]))
