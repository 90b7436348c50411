"""The findings once more, slowly and literally: events one by one, lists and sets. No code is shared with ``analysis``.

Histories here have no transactions, no groups, no compaction and no seeks: for those see ``slow_transactions``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

Event = dict[str, Any]
Copy = tuple[int, Event]  # when it was appended, and the append


class Slow:
    def __init__(self, events: list[Event]) -> None:
        self.events = list(enumerate(events))
        self.sent = {e["v"]: (k, e) for k, e in self.events if e["e"] == "send"}
        self.leader: dict[str, int] = defaultdict(lambda: 1)
        self.logs: dict[tuple[str, int], list[Copy]] = defaultdict(list)
        self.committed: set[tuple[str, int, str]] = set()
        self.mark: dict[str, int] = defaultdict(int)
        self._replay()
        self.final = {p: self.logs[p, self.leader[p]] for p in sorted({p for p, _ in self.logs} | set(self.leader))}
        self.acks = [(k, e) for k, e in self.events if e["e"] == "ack"]
        self.polls = [(k, e) for k, e in self.events if e["e"] == "poll"]

    def _replay(self) -> None:
        below: dict[tuple[str, int], int] = defaultdict(int)
        led = {(p, 1) for _, e in self.events for p in [e.get("p")] if isinstance(p, str)}
        for k, e in self.events:
            if e["e"] == "append":
                place = e["p"], e.get("b", 1)
                self.logs[place].append((k, e))
                if e.get("role") == "follower" and self.leader[e["p"]] != place[1]:
                    led.discard(place)
                self._commit(place, below[place])
            elif e["e"] == "truncate":
                place = e["p"], e.get("b", 1)
                self.logs[place] = [one for one in self.logs[place] if one[1]["o"] < e["to"]]
                below[place] = min(below[place], e["to"])
            elif e["e"] == "leader":
                self.leader[e["p"]] = e["b"]
                led.add((e["p"], e["b"]))
            elif e["e"] == "hw":
                place = e["p"], e.get("b", self.leader[e["p"]])
                if place[1] == self.leader[e["p"]] or place in led:
                    self.mark[e["p"]] = e["o"]
                    below[place] = max(below[place], e["o"])
                    self._commit(place, below[place])

    def _commit(self, place: tuple[str, int], mark: int) -> None:
        self.committed |= {(place[0], e["o"], e["v"]) for _, e in self.logs[place] if e["o"] < mark}

    # --- log level ----------------------------------------------------------------------------------------------------
    def counts(self) -> dict[str, int]:
        return {name.replace("_", "-"): getattr(self, name)() for name in NAMES}

    @staticmethod
    def late(numbers: list[int]) -> int:
        return sum(any(before > n for before in numbers[:k]) for k, n in enumerate(numbers))

    def _sequences(self, key: Any) -> list[list[int]]:
        """Send positions by *key*, in order of the final logs, first copies only."""
        found: dict[Any, list[int]] = defaultdict(list)
        seen: set[Any] = set()
        for p, log in self.final.items():
            for _, e in log:
                send = self.sent[e["v"]][1]
                where = key(p, send)
                if where is not None and (where, e["v"]) not in seen:
                    seen.add((where, e["v"]))
                    found[where].append(send["i"])
        return list(found.values())

    def append_reorder(self) -> int:
        return sum(map(self.late, self._sequences(lambda p, send: (p, send["prod"]))))

    def key_reorder(self) -> int:
        written = {}  # (partition, offset, value) -> when a leader last wrote it
        for k, e in self.events:
            if e["e"] == "append" and e.get("role") != "follower":
                written[e["p"], e["o"], e["v"]] = k
        records = [(written.get((p, e["o"], e["v"]), k), e["v"]) for p, log in self.final.items() for k, e in log]
        found: dict[Any, list[int]] = defaultdict(list)
        seen = set()
        for _, v in sorted(records):
            send = self.sent[v][1]
            if send.get("k") is not None and v not in seen:
                seen.add(v)
                found[send["prod"], send["k"]].append(send["i"])
        return sum(map(self.late, found.values()))

    def duplicate_append(self) -> int:
        copies = Counter(e["v"] for log in self.final.values() for _, e in log)
        return sum(count > 1 for count in copies.values())

    def lost_acked(self) -> int:
        there = {e["v"] for log in self.final.values() for _, e in log}
        return len({e["v"] for _, e in self.acks} - there)

    def inconsistent_offsets(self) -> int:
        said: dict[tuple[str, int], set[str]] = defaultdict(set)
        for _, e in self.acks:
            if "o" in e:
                said[e["p"], e["o"]].add(e["v"])
        for _, e in self.polls:
            for p, o, v in e["recs"]:
                said[p, o].add(v)
        return sum(len(values) > 1 for values in said.values())

    def committed_truncation(self) -> int:
        final = {(p, e["o"], e["v"]) for p, log in self.final.items() for _, e in log}
        return len(self.committed - final)

    def replica_divergence(self) -> int:
        said: dict[tuple[str, int], set[Any]] = defaultdict(set)
        for (p, _), log in self.logs.items():
            for _, e in log:
                if e["o"] < self.mark[p]:
                    said[p, e["o"]].add((e["v"], e["lep"]))
        return sum(len(records) > 1 for records in said.values())

    def _distances(self) -> list[int]:
        found = []
        last: dict[Any, int] = {}
        for p, log in self.final.items():
            for _, e in log:
                if "seq" in e:
                    who = p, e["pid"], e["epoch"]
                    if who in last:
                        found.append((e["seq"] - last[who]) % 2**31)
                    last[who] = e["seq"]
        return found

    def sequence_gap(self) -> int:
        return sum(1 < d <= 2**30 for d in self._distances())

    def sequence_regression(self) -> int:
        return sum(d == 0 or d > 2**30 for d in self._distances())

    def fenced_append(self) -> int:
        count = 0
        for log in self.final.values():
            highest: dict[int, int] = {}
            for _, e in log:
                if "pid" in e:
                    count += e["epoch"] < highest.get(e["pid"], 0)
                    highest[e["pid"]] = max(e["epoch"], highest.get(e["pid"], 0))
        return count

    def leader_epoch_regression(self) -> int:
        logs = [[e["lep"] for _, e in log] for log in self.final.values()]
        return sum(b < a for log in logs for a, b in zip(log, log[1:], strict=False))

    def offset_gap(self) -> int:
        logs = [[e["o"] for _, e in log] for log in self.final.values()]
        return sum(b - a - 1 for log in logs for a, b in zip(log, log[1:], strict=False))

    def realtime_inversion(self) -> int:
        acked: dict[str, int] = {}
        for k, e in self.acks:
            if "o" in e:
                acked.setdefault(e["v"], k)
        count = 0
        for log in self.final.values():
            first: list[str] = []
            for _, e in log:
                if e["v"] not in first:
                    first.append(e["v"])
            known = [v for v in first if v in acked]
            count += sum(any(acked[y] < self.sent[x][0] for y in known[j + 1 :]) for j, x in enumerate(known))
        return count

    # --- readers ------------------------------------------------------------------------------------------------------
    def _place(self, p: str, o: int, v: str) -> int:
        """Where a delivered record stands now."""
        log = [(e["o"], e["v"]) for _, e in self.final.get(p, [])]
        if (o, v) in log:
            return o
        return next((offset for offset, value in log if value == v), o)

    def _steps(self) -> list[tuple[bool, str, int, int, int]]:
        """(inside one poll, partition, from, to, when) of neighbouring deliveries of one consumer and partition."""
        last: dict[tuple[str, str], tuple[int, int]] = {}
        found = []
        for k, e in self.polls:
            for p, o, v in e["recs"]:
                place = self._place(p, o, v)
                if (e["con"], p) in last:
                    before, poll = last[e["con"], p]
                    found.append((poll == k, p, before, place, k))
                last[e["con"], p] = place, k
        return found

    def _skipped(self, p: str, low: int, high: int, when: int) -> bool:
        written = {(e["p"], e["o"], e["v"]): k for k, e in reversed(self.events) if e["e"] == "append"}
        return any(low < e["o"] < high and min(k, written[p, e["o"], e["v"]]) < when for k, e in self.final.get(p, []))

    def poll_skip(self) -> int:
        return sum(not inside and self._skipped(p, a, b, k) for inside, p, a, b, k in self._steps())

    def int_poll_skip(self) -> int:
        return sum(inside and self._skipped(p, a, b, k) for inside, p, a, b, k in self._steps())

    def nonmonotonic_poll(self) -> int:
        return sum(not inside and b <= a for inside, _, a, b, _ in self._steps())

    def int_nonmonotonic_poll(self) -> int:
        return sum(inside and b <= a for inside, _, a, b, _ in self._steps())

    def duplicate_delivery(self) -> int:
        times = Counter((e["con"], p, o, v) for _, e in self.polls for p, o, v in e["recs"])
        return sum(count - 1 for count in times.values())

    def aborted_read(self) -> int:
        failed = {e["v"] for _, e in self.events if e["e"] == "fail"}
        return len({(p, o, v) for _, e in self.polls for p, o, v in e["recs"] if v in failed})

    def unseen(self) -> int:
        if not self.polls:
            return 0  # nobody reads: not judged
        return len({e["v"] for _, e in self.acks} - {v for _, e in self.polls for _, _, v in e["recs"]})

    def e2e_key_reorder(self) -> int:
        found: dict[Any, list[int]] = defaultdict(list)
        seen = set()
        for _, e in self.polls:
            for _, _, v in e["recs"]:
                send = self.sent[v][1]
                if send.get("k") is not None and (e["con"], v) not in seen:
                    seen.add((e["con"], v))
                    found[e["con"], send["prod"], send["k"]].append(send["i"])
        return sum(map(self.late, found.values()))


NAMES = (
    "append_reorder", "key_reorder", "duplicate_append", "lost_acked", "inconsistent_offsets", "committed_truncation",
    "replica_divergence", "sequence_gap", "sequence_regression", "fenced_append", "leader_epoch_regression",
    "offset_gap", "realtime_inversion", "poll_skip", "int_poll_skip", "nonmonotonic_poll", "int_nonmonotonic_poll",
    "duplicate_delivery", "aborted_read", "unseen", "e2e_key_reorder",
)  # fmt: skip
