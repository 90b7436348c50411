"""Changes for readers in groups: what they commit and when, how partitions change hands, where they begin.

An option is set for every member of the group alike, as members of one group have to agree on most of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from analysis.explaining.case import Case, Edit, Maker, Path, Row

__all__ = ["GROUP_TABLE"]

COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
RANGE = "org.apache.kafka.clients.consumer.RangeAssignor"
REBALANCE, RESTART = "re-read after a rebalance", "re-read after a restart"
STOLEN, EARLY, RESET = "stolen partition and late commit", "commit before processing", "position reset"
AS_IT_ENDS, PARALLEL, FAILED = "committed as it ends", "work in parallel", "failed work passed over"
STORE = "enable.auto.offset.store"  # what rd_kafka_commit without offsets commits
Section = dict[str, Any]


def _every_member(case: Case, wanted: Callable[[Section], tuple[tuple[str, ...], Any] | None]) -> tuple[Edit, ...]:
    """An edit for each member whose section *wanted* gives a path and a value for."""
    found = []
    for name in case.members:
        told = wanted(case.source["consumers"][name])
        if told is not None:
            path, value = told
            option = ".".join(path[1:] if path[0] == "config" else path)
            found.append(Edit(f"group {case.group_of(name)}", option, value, ("consumers", name, *path)))
    return tuple(found)


def _option(name: str, value: str, default: str, unless: Callable[[Section], bool] = lambda section: False) -> Maker:
    """*default*: what holds where the file says nothing."""

    def wanted(section: Section) -> tuple[tuple[str, ...], Any] | None:
        given = str(section.get("config", {}).get(name, default)).lower()
        return None if given == value.lower() or unless(section) else (("config", name), value)

    return lambda case: _every_member(case, wanted)


def _longer(name: str, value_ms: int) -> Maker:
    def wanted(section: Section) -> tuple[tuple[str, ...], Any] | None:
        given = section.get("config", {}).get(name)
        return (("config", name), str(value_ms)) if given is not None and int(given) < value_ms else None

    return lambda case: _every_member(case, wanted)


def _longer_session_of_the_brokers(case: Case) -> tuple[Edit, ...]:
    """Kafka's default, where members of the new protocol have less: there the coordinator says how long it waits."""
    option, default_ms = "group.consumer.session.timeout.ms", 45_000
    given = (case.source.get("brokers") or {}).get("config", {}).get(option)
    members = [case.source["consumers"][name] for name in case.members]
    if given is None or int(given) >= default_ms or not any(map(_new_protocol, members)):
        return ()
    return (Edit("brokers", option, str(default_ms), ("brokers", "config", option)),)


def _commit(place: str, only: tuple[str, ...]) -> Maker:
    """The application commits there, in place of one of *only*; where the client commits by itself it does not."""

    def wanted(section: Section) -> tuple[tuple[str, ...], Any] | None:
        now = (section.get("processing") or {}).get("commit", "never")
        return (("processing", "commit"), place) if now in only else None

    return lambda case: _every_member(case, wanted)


def _commit_in_revoke(case: Case) -> tuple[Edit, ...]:
    def wanted(section: Section) -> tuple[tuple[str, ...], Any] | None:
        done = (section.get("processing") or {}).get("commit.in.revoke", False)
        return None if done else (("processing", "commit.in.revoke"), True)

    return _every_member(case, wanted)


def _static(case: Case) -> tuple[Edit, ...]:
    """Every process a name of its own; a section of several members would give all of them the same."""
    sections = [case.source["consumers"][name] for name in case.members]
    if any(int(one.get("members", 1)) > 1 or "group.instance.id" in one.get("config", {}) for one in sections):
        return ()
    return tuple(
        Edit(f"consumer {name}", "group.instance.id", name, ("consumers", name, "config", "group.instance.id"))
        for name in case.members
    )


def _cooperative(section: Section) -> bool:
    named = str(section.get("config", {}).get("partition.assignment.strategy", "")).lower()
    return not _new_protocol(section) and "cooperative" in named


def _pool(section: Section) -> bool:
    return int((section.get("processing") or {}).get("threads") or 0) > 0


def _auto_commits(section: Section) -> bool:
    return str(section.get("config", {}).get("enable.auto.commit", "true")).lower() == "true"


def _commit_alone(place_of: Callable[[Section], str], applies: Callable[[Section], bool]) -> Maker:
    """The application commits there, and nobody else does."""

    def edits(case: Case) -> tuple[Edit, ...]:
        found: list[Edit] = []
        for name in case.members:
            section = case.source["consumers"][name]
            place, group = place_of(section), f"group {case.group_of(name)}"
            if not applies(section):
                continue
            if _auto_commits(section):
                path: Path = ("consumers", name, "config", "enable.auto.commit")
                found.append(Edit(group, "enable.auto.commit", "false", path))
            if place == "before" and str(section.get("config", {}).get(STORE, "true")).lower() == "false":
                found.append(Edit(group, STORE, "true", ("consumers", name, "config", STORE)))  # else there is nothing
            if (section.get("processing") or {}).get("commit", "never") != place:
                found.append(Edit(group, "processing.commit", place, ("consumers", name, "processing", "commit")))
        return tuple(found)

    return edits


def _stores(section: Section) -> bool:
    """librdkafka commits by its timer what was stored; by default that is what was handed to the application."""
    return section.get("client") == "librdkafka" and _auto_commits(section)


def _in_order(order: str | None) -> Maker:
    """A pool works in this order; None: no pool."""

    def edits(case: Case) -> tuple[Edit, ...]:
        found: list[Edit] = []
        for name in case.members:
            section = case.source["consumers"][name]
            path, group = ("consumers", name, "processing"), f"group {case.group_of(name)}"
            if not _pool(section):
                continue
            if order is not None:
                if section["processing"].get("order", "none") == "none":
                    found.append(Edit(group, "processing.order", order, (*path, "order")))
                continue
            own = [key for key in ("threads", "order", "queue", "work.in.revoke") if key in section["processing"]]
            found += [Edit(group, f"processing.{key}", None, (*path, key)) for key in own]
            if section["processing"].get("commit") == "watermark":
                found.append(Edit(group, "processing.commit", "each", (*path, "commit")))
        return tuple(found)

    return edits


def _retry_in_place(case: Case) -> tuple[Edit, ...]:
    """Failed work is tried again before the next record; a topic and a producer for it are not needed."""
    found: list[Edit] = []
    for name in case.members:
        failure = (case.source["consumers"][name].get("processing") or {}).get("failure") or {}
        if failure.get("then") not in ("skip", "retry_topic", "dead_letter"):
            continue
        path, group = ("consumers", name, "processing", "failure"), f"group {case.group_of(name)}"
        found.append(Edit(group, "processing.failure.then", "retry", (*path, "then")))
        if "to" in failure:
            found.append(Edit(group, "processing.failure.to", None, (*path, "to")))
            outlet = failure["to"]["producer"]
            found.append(Edit("application", f"producer {outlet}", None, ("producers", outlet)))
    return tuple(found)


def _work_at_most_once(case: Case) -> tuple[Edit, ...]:
    """Where the producer sends what a group's work makes of its records: that group commits first."""
    found = []
    for name, section in (case.source.get("consumers") or {}).items():
        work = section.get("processing") or {}
        fed = (work.get("produces") or {}).get("producer") == case.producer
        if fed and not _auto_commits(section) and work.get("commit", "never") != "before":
            path = ("consumers", name, "processing", "commit")
            found.append(Edit(f"group {case.group_of(name)}", "processing.commit", "before", path))
    return tuple(found)


def _new_protocol(section: Section) -> bool:
    return str(section.get("config", {}).get("group.protocol", "classic")).lower() == "consumer"


GROUP_TABLE = (
    Row(_longer("session.timeout.ms", 45_000), (STOLEN,), 0, "a dead member is noticed later", "consumer 2.2"),
    Row(_longer_session_of_the_brokers, (STOLEN,), 0, "a dead member is noticed later", "KIP-848"),
    Row(_longer("max.poll.interval.ms", 300_000), (STOLEN,), 0, "a member that hangs is noticed later", "consumer 2.2"),
    Row(_static, (REBALANCE, STOLEN), 0,
        "the partitions of a dead member wait for it during session.timeout.ms", "KIP-345"),
    Row(_option("enable.auto.commit", "true", "true"), (REBALANCE,), 1,
        "a commit every auto.commit.interval.ms; what poll gave out counts as done at the next poll",
        "ConsumerCoordinator.onJoinPrepare"),
    Row(_commit_in_revoke, (REBALANCE,), 1, "a synchronous commit in every rebalance", "anomalies 2.3"),
    Row(_option("auto.offset.reset", "earliest", "latest"), (RESET,), 1,
        "a group without an offset reads all that the log still has", "KIP-842; anomalies 2.1"),
    Row(_commit("after", ("before",)), (EARLY,), 1, "what was in work when a process dies is worked on again",
        "anomalies 2.7"),
    Row(_option(STORE, "false", "true", lambda section: not _stores(section)), (EARLY,), 1,
        "the application stores the offset of what is done, and what was done since the last commit is done again "
        "after a crash", "anomalies 2.7"),
    Row(_commit_alone(lambda section: "watermark", _pool), (EARLY, AS_IT_ENDS), 1,
        "what was done behind the lowest record that was not is done again after a crash", "anomalies 2.7"),
    Row(_commit_alone(lambda section: "after", lambda section: _auto_commits(section) and not _pool(section)), (EARLY,),
        1, "a commit for every poll, and what was done since the last one is done again after a crash",
        "anomalies 2.7"),
    Row(_in_order("key"), (PARALLEL,), 1, "the records of a key wait for each other", "anomalies 2.5"),
    Row(_in_order("partition"), (PARALLEL,), 5, "the records of a partition wait for each other", "anomalies 2.5"),
    Row(_in_order(None), (PARALLEL, AS_IT_ENDS, EARLY), 7, "one record at a time in each process", "anomalies 2.5"),
    Row(_retry_in_place, (FAILED,), 6, "a record whose work fails holds up its partition", "anomalies 2.5"),
    Row(_work_at_most_once, ("producer restarted", "application sent again"), 8,
        "what was in work when a process dies is lost: at most once in place of at least once", "anomalies 2.7"),
    Row(_option("partition.assignment.strategy", COOPERATIVE, "", _new_protocol), (REBALANCE,), 2,
        "two rebalances in place of one", "KIP-429"),
    Row(_option("partition.assignment.strategy", RANGE, "", lambda section: not _cooperative(section)), (REBALANCE,), 4,
        "every member stops and gives everything up in every rebalance", "KIP-429"),
    Row(_commit("after", ("never",)), (REBALANCE, RESTART), 3, "a commit for every poll", "anomalies 2.3"),
    Row(_commit("each", ("never", "after")), (REBALANCE, RESTART), 5, "a commit for every record", "anomalies 2.3"),
    Row(_option("max.poll.records", "1", "500"), (STOLEN, RESTART), 6, "one record a poll", "anomalies 2.3"),
    Row(_commit_alone(lambda section: "before", _auto_commits), (REBALANCE, RESTART, STOLEN), 8,
        "what was in work when a process dies is lost: at most once in place of at least once", "anomalies 2.7"),
    Row(_commit("before", ("never", "after", "each", "watermark")), (REBALANCE, RESTART, STOLEN), 8,
        "what was in work when a process dies is lost: at most once in place of at least once", "anomalies 2.7"),
)  # fmt: skip
