"""The table of what was compared with real Kafka, made from the recordings: ``python tests/conformance/table.py``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conformance.scripts import KNOWN_DIFFERENCES, RECORDED, Recording, read, scenario_of  # noqa: E402

__all__ = ["README", "SUBJECTS", "block", "table"]

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- made by table.py -->\n", "<!-- end -->\n"

# By the beginning of a script's name, in the order of the table.
SUBJECTS = {
    "batches_": "batches of several records: clean, request or response lost, refused, error after append, too large",
    "partitions_one_broker_": "several partitions in a request",
    "partitions_two_brokers_": "two partitions on two brokers",
    "retries_0_": "retries=0",
    "leader_killed_in_flight_": "leader killed with answers outstanding",
    "leader_killed_": "leader killed between two bursts, acks 0, 1 and all",
    "leader_stopped_": "leader stopped and continued, acks 1 and all",
    "leader_shut_down_": "leader shut down, acks 0, 1 and all",
    "insync_before_append_": "min.insync.replicas not met before the append",
    "insync_after_append_": "min.insync.replicas not met after the append",
    "replication_": "the leader cut off its followers for longer than a request may take",
    "unclean_": "unclean election, by option and by an operator",
    "controller_moved_": "controller moved, then the leader killed",
    "refused_": "connections refused for a while, and for too long",
    "restart_in_flight_": "the only broker restarted with answers outstanding",
    "fresh_": "the first calls on a new topic",
    "keyed_partitions_added_": "keys before and after a partition increase",
    "keyed_": "keyed placement",
    "round_robin_": "RoundRobinPartitioner",
    "producer_restarted_": "producer restarted, with and without sending again",
    "reader_": "readers with assigned partitions",
    "group_join_leave_": "groups: members join and leave",
    "group_rebalance_": "groups: a newcomer, with and without a commit in onPartitionsRevoked",
    "group_crash_": "groups: a member crashes before and after a commit",
    "group_c": "groups: where the application commits, what close() commits, the coordinator killed",
    "group_partitions_added_": "groups: partitions added",
    "group_": "groups: static restart, session expired, standing still, max.poll.interval.ms over",
    "kafka39_": "rules of 3.9: lost response, unknown producer, too large, leader killed, in-sync set",
}


def subject_of(script: str) -> str:
    return next(words for beginning, words in SUBJECTS.items() if script.startswith(beginning))


def table(recordings: Iterable[Recording]) -> str:
    """One row a subject."""
    rows: dict[str, list[Recording]] = {}
    for one in recordings:
        rows.setdefault(subject_of(one["script"]), []).append(one)
    lines = ["| subject | scripts | Kafka | clients | agree |", "|---|---|---|---|---|"]
    for words in SUBJECTS.values():
        if words in rows:
            lines.append(_row(words, rows[words]))
    return "\n".join(lines) + "\n"


def _row(words: str, recordings: list[Recording]) -> str:
    releases = sorted({one["release"] for one in recordings})
    clients = sorted({client for one in recordings for client in _clients(one)})
    agreeing = sum(one["script"] not in KNOWN_DIFFERENCES for one in recordings)
    return f"| {words} | {len(recordings)} | {', '.join(releases)} | {', '.join(clients)} | {agreeing} |"


def _clients(recording: Recording) -> set[str]:
    scenario = scenario_of(recording["script"], recording["kafka"])
    return {one.client for one in (*scenario.producers.values(), *scenario.consumers.values())}


def block(text: str) -> str:
    """What stands between the marks in *text*."""
    found = re.search(f"{re.escape(BEGIN)}(.*?){re.escape(END)}", text, re.S)
    return found[1] if found else ""


def main() -> None:
    text = README.read_text(encoding="utf-8")
    README.write_text(text.replace(BEGIN + block(text), BEGIN + table(read(RECORDED))), encoding="utf-8")


if __name__ == "__main__":
    main()
