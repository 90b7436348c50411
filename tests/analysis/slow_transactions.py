"""The findings of transactions, groups and processing once more, slowly and literally; no code is shared with
``analysis``. Histories have one broker. Each method stands for one sentence of the exchange format, section 3.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

Event = dict[str, Any]
Timed = tuple[int, Event]
NEVER = 10**9


class SlowTransactions:
    def __init__(self, events: list[Event], consumers: dict[str, Event]) -> None:
        self.events = list(enumerate(events))
        self.consumers = consumers
        self.sent = {e["v"]: (k, e) for k, e in self.events if e["e"] == "send"}
        self.log: dict[str, list[Timed]] = defaultdict(list)
        for k, e in self.events:
            if e["e"] == "append":
                self.log[e["p"]].append((k, e))
            elif e["e"] == "truncate":
                self.log[e["p"]] = [one for one in self.log[e["p"]] if one[1]["o"] < e["to"]]
        self.markers = [(k, e) for k, e in self.of("append") if "kind" in e]
        self.visible = [(p, e["o"], e["v"]) for p, log in sorted(self.log.items()) for _, e in log if self.seen(e)]
        self.values = {v for _, _, v in self.visible}
        self.acked = {e["v"] for _, e in self.of("ack")}

    def of(self, *kinds: str) -> Iterable[Timed]:
        return [(k, e) for k, e in self.events if e["e"] in kinds]

    def counts(self) -> dict[str, int]:
        return {name: method(self) for name, method in COUNTS.items()}

    # --- transactions -------------------------------------------------------------------------------------------------
    def txn(self, v: str) -> str | None:
        """A value's transaction: of its send, or else of its append."""
        send = self.sent.get(v, (0, {}))[1]
        appended = [e["txn"] for _, e in self.of("append") if e.get("v") == v and "txn" in e]
        return send.get("txn") or (appended[0] if appended else None)

    def transactional(self, e: Event) -> bool:
        pids = {m.get("pid") for _, m in self.markers} - {None}
        return self.txn(e["v"]) is not None or e.get("pid") in pids

    def decides(self, marker: Event, e: Event) -> bool:
        if "pid" in marker and "pid" in e:
            return marker["pid"] == e["pid"]
        return "txn" in marker and marker["txn"] == self.txn(e["v"])

    def end_of(self, e: Event) -> str | None:
        """commit, abort, or None while open, of a data record of the final log."""
        if not self.transactional(e):
            return "commit"
        later = [m for _, m in self.log[e["p"]] if "kind" in m and m["o"] > e["o"] and self.decides(m, e)]
        return later[0]["kind"] if later else None

    def seen(self, e: Event) -> bool:
        return "v" in e and self.end_of(e) == "commit"

    def client(self, txn: str) -> str | None:
        told = [e["state"] for _, e in self.of("txn") if e["txn"] == txn and e["state"] != "begin"]
        return told[-1] if told else None

    def committed(self, txn: str | None) -> bool:
        if txn is None or self.client(txn) == "commit":
            return True
        return self.client(txn) != "abort" and any(self.txn(v) == txn for v in self.values)

    def hidden(self, v: str) -> bool:
        """Nobody has to see it."""
        if self.txn(v) is not None:
            return not self.committed(self.txn(v))
        return self.stored_and_hidden(v)

    def stored_and_hidden(self, v: str) -> bool:
        return v not in self.values and any(e.get("v") == v for log in self.log.values() for _, e in log)

    def unneeded(self, v: str) -> bool:
        return self.hidden(v) and not self.proven(v)

    def gone(self, p: str, o: int) -> bool:
        starts = [e["o"] for _, e in self.of("logstart") if e["p"] == p]
        removed = {r for _, e in self.of("compact") if e["p"] == p for r in e["removed"]}
        return o in removed or any(o < start for start in starts)

    def lost_acked(self) -> int:
        return len(self.lost_values())

    def lost_values(self) -> set[str]:
        return {v for v in self.acked - self.values if not self.hidden(v) and not self.expired(v)}

    def expired(self, v: str) -> bool:
        """Removed, and no other record stands at its offset."""
        ack = next(e for _, e in self.of("ack") if e["v"] == v)
        taken = {e["o"] for _, e in self.log[ack["p"]]}
        return "o" in ack and self.gone(ack["p"], ack["o"]) and ack["o"] not in taken

    def torn(self) -> int:
        count = 0
        for txn in {self.txn(v) for v in self.sent} - {None}:
            mine = {v for v in self.acked if self.txn(v) == txn}
            missing = {v for v in mine - self.values if not self.expired(v)}
            count += self.committed(txn) and bool(mine & self.values) and bool(missing)
        return count

    def open(self) -> int:
        records = [e for log in self.log.values() for _, e in log if "v" in e and self.end_of(e) is None]
        records = [e for e in records if not self.gone(e["p"], e["o"])]
        return len({self.txn(e["v"]) or e["pid"] for e in records})

    # --- reads --------------------------------------------------------------------------------------------------------
    def deliveries(self) -> list[tuple[int, Event, str, int, str]]:
        return [(k, e, p, o, v) for k, e in self.of("poll") for p, o, v in e["recs"]]

    def only_committed(self, consumer: str) -> bool:
        return self.consumers[consumer].get("isolation") == "read_committed"

    def too_early(self) -> list[tuple[int, Event, str, int, str]]:
        found = []
        for k, e, p, o, v in self.deliveries():
            appended = [a for _, a in self.of("append") if a.get("v") == v]
            here = [a for _, a in self.log[p] if a["o"] == o and a.get("v") == v]
            if not self.only_committed(e["con"]) or not appended:
                continue
            record = (here or appended)[0]
            marks = [m for j, m in self.markers if j < k and m["p"] == p and m["o"] > o and self.decides(m, record)]
            if self.transactional(record) and not marks:
                found.append((k, e, p, o, v))
        return found

    def uncommitted_read(self) -> int:
        return len(self.too_early())

    def precommitted_read(self) -> int:
        return sum("txn" in e and e["txn"] == self.txn(v) for _, e, _, _, v in self.too_early())

    def aborted_read(self) -> int:
        failed = {e["v"] for _, e in self.of("fail")}
        found = set()
        for _, e, p, o, v in self.deliveries():
            here = [a for _, a in self.log[p] if a["o"] == o and a.get("v") == v]
            copies = here or [a for log in self.log.values() for _, a in log if a.get("v") == v]
            aborted = any(self.end_of(a) == "abort" for a in copies) and (bool(here) or v not in self.values)
            aborted |= self.txn(v) is not None and self.client(str(self.txn(v))) == "abort"
            if v in failed or (aborted and self.only_committed(e["con"])):
                found.add((p, o, v))
        return len(found)

    def unseen(self) -> int:
        """Acknowledged values that no poll delivered, except those that need not be seen and those that are gone."""
        got = {v for *_, v in self.deliveries()}
        return sum(not self.unneeded(v) and not self.known_to_be_gone(v) for v in self.acked - got)

    def known_to_be_gone(self, v: str) -> bool:
        told = [(e["p"], e["o"]) for _, e in self.of("ack", "unknown") if e["v"] == v and "o" in e]
        places = told[-1:] or [(p, o) for p, o, w in self.visible if w == v][:1]
        return any(self.gone(p, o) for p, o in places)

    def scope(self, consumer: str) -> str:
        return self.consumers[consumer].get("group") or consumer

    def counted(self, poll: Event) -> bool:
        return self.committed(poll.get("txn"))

    def duplicate_delivery(self) -> int:
        repeats = self.repeats()
        return len(repeats)

    def repeats(self) -> list[tuple[int, Event, int, Event, str, int]]:
        found, last = [], {}
        for k, e, p, o, v in self.deliveries():
            if not self.counted(e):
                continue
            place = self.scope(e["con"]), p, o, v
            if place in last:
                j, before = last[place]
                seeks = [s for i, s in self.of("seek") if j < i < k and (s["con"], s["p"]) == (e["con"], p)]
                if not any(s["o"] <= o for s in seeks):
                    found.append((j, before, k, e, p, o))
            last[place] = k, e
        return found

    def excused(self) -> int:
        """Repeats that at-least-once permits: to a reader that began later, at or above what was committed, or to one
        that had begun earlier than the other reader which got the record first."""
        count = 0
        for j, before, k, again, p, o in self.repeats():
            start = self.began(k, again["con"], p)
            done = [c for when, s, q, c in self.commits() if when < start and (s, q) == (self.scope(again["con"]), p)]
            along = {e["txn"] for _, e in self.of("txn_offsets") if e["p"] == p}
            exactly = "txn" in before and "txn" in again and bool(along & {before["txn"], again["txn"]})
            followed = before["con"] != again["con"] and self.began(j, before["con"], p) > start
            count += (start > j or followed) and o >= (done[-1] if done else 0) and not exactly
        return count

    def began(self, when: int, consumer: str, p: str) -> int:
        """With the last assignment or reset; if it was revoked or died since (or nobody says), with its next poll."""
        told, over = -1, -1
        for i, e in self.events[:when]:
            if e["e"] == "reset" and (e["con"], e["p"]) == (consumer, p):
                told = i
            elif e["e"] == "assign" and e["con"] == consumer:
                told, over = (i, over) if p in self.newly(i) else (told, i if p in self.dropped(i) else over)
            elif (e["e"] == "revoke" and e["con"] == consumer and p in e["p"]) or e.get("who") == consumer:
                over = i
        reads = [i for i, e, q, _, _ in self.deliveries() if i > over and (e["con"], q) == (consumer, p)]
        return told if told >= 0 and told >= over else reads[0]

    def dropped(self, line: int) -> set[str]:
        """Partitions that this assignment leaves out though they were held."""
        held: set[str] = set()
        for k, e in self.of("assign", "revoke", "crash"):
            if self.events[line][1]["con"] not in (e.get("con"), e.get("who")):
                continue
            if k == line:
                return held - set(e["p"])
            held = set(e["p"]) if e["e"] == "assign" else held - set(e.get("p", held))
        return set()

    def newly(self, line: int) -> set[str]:
        """Partitions that this assignment adds."""
        held: dict[str, set[str]] = defaultdict(set)
        for k, e in self.of("assign", "revoke", "crash"):
            who = str(e.get("con") or e.get("who"))
            new = set(e["p"]) if e["e"] == "assign" else held[who] - set(e.get("p", held[who]))
            if k == line:
                return new - held[who]
            held[who] = new
        return set()

    # --- steps --------------------------------------------------------------------------------------------------------
    def stands(self, p: str, o: int, v: str) -> int:
        """Where a delivered record stands now."""
        if any(a["o"] == o and a.get("v") == v for _, a in self.log[p]):
            return o
        return next((place for q, place, w in self.visible if (q, w) == (p, v)), o)

    def steps(self) -> list[tuple[bool, str, str, int, int, int]]:
        """(within one poll group, consumer, partition, from, to, when); none over what makes a reader forget."""
        found = []
        last: dict[Any, tuple[int, Any, int]] = {}  # the record before it: when, of which poll group, where
        advanced: dict[Any, tuple[int, Any, int]] = {}
        for k, e, p, o, v in self.deliveries():
            lane, group, here = (e["con"], p), e.get("txn", k), self.stands(p, o, v)
            before = last[lane] if lane in last and last[lane][1] == group else advanced.get(lane)
            if before is not None:
                inside = before[1] == group
                if inside or not self.forgot(e["con"], p, before[0], k):
                    found.append((inside, e["con"], p, before[2], here, k))
            last[lane] = k, group, here
            if "txn" not in e or self.client(e["txn"]) == "commit":
                advanced[lane] = last[lane]
        return found

    def forgot(self, consumer: str, p: str, after: int, upto: int) -> bool:
        held: set[str] = set()
        for k, e in self.events:
            mine = consumer in (e.get("con"), e.get("who"))
            forgets = mine and e["e"] in ("seek", "reset") and e["p"] == p
            if mine and e["e"] == "assign":
                forgets = (p in held) != (p in e["p"])
                held = set(e["p"])
            elif mine and e["e"] == "revoke":
                forgets = p in e["p"]
                held -= set(e["p"])
            elif mine and e["e"] == "crash":
                forgets, held = True, set()
            if forgets and after < k <= upto:
                return True
        return False

    def skips(self, consumer: str, p: str, low: int, high: int, when: int) -> bool:
        for k, e in self.log[p]:
            if "v" not in e or not low < e["o"] < high or k > when:
                continue
            if self.only_committed(consumer):
                marks = [j for j, m in self.log[p] if "kind" in m and m["o"] > e["o"] and self.decides(m, e)]
                if not self.seen(e) or (self.transactional(e) and marks[0] > when):
                    continue
            if not self.removed(p, e["o"], when):
                return True
        return False

    def removed(self, p: str, o: int, when: int) -> bool:
        starts = [e["o"] for k, e in self.of("logstart") if e["p"] == p and k < when]
        holes = {r for k, e in self.of("compact") if e["p"] == p and k < when for r in e["removed"]}
        return o in holes or any(o < start for start in starts)

    def poll_skip(self) -> int:
        return sum(not inside and self.skips(*step) for inside, *step in self.steps())

    def int_poll_skip(self) -> int:
        return sum(inside and self.skips(*step) for inside, *step in self.steps())

    def nonmonotonic_poll(self) -> int:
        return sum(not inside and high <= low for inside, _, _, low, high, _ in self.steps())

    def int_nonmonotonic_poll(self) -> int:
        return sum(inside and high <= low for inside, _, _, low, high, _ in self.steps())

    # --- knowledge ----------------------------------------------------------------------------------------------------
    def proven(self, v: str) -> bool:
        """Of a transaction that its client saw commit, or of which somebody read a record."""
        txn = self.txn(v)
        read = any(self.txn(w) == txn and not self.stored_and_hidden(w) for *_, w in self.deliveries())
        return txn is not None and self.client(txn) != "abort" and (self.client(txn) == "commit" or read)

    def inconsistent_offsets(self) -> int:
        read = {v for *_, v in self.deliveries()}
        said: dict[tuple[str, int], set[str]] = defaultdict(set)
        for _, e in self.of("ack", "unknown"):
            if "o" in e and (e["e"] == "ack" or self.proven(e["v"]) or e["v"] in read):
                said[e["p"], e["o"]].add(e["v"])
        for _, _, p, o, v in self.deliveries():
            said[p, o].add(v)
        return sum(len(values) > 1 for values in said.values())

    def lost_write(self) -> int:
        """Known values that nobody got, below what was read; a reader that leapt over them proves nothing."""
        read = {v for *_, v in self.deliveries()}
        told = {e["v"] for _, e in self.of("unknown") if "o" in e and self.proven(e["v"])}
        count = 0
        for v in (self.acked | told) - read:
            known = [(e["p"], e["o"]) for _, e in self.of("ack", "unknown") if e["v"] == v and "o" in e][-1:]
            known = known or [(p, o) for p, o, w in self.visible if w == v][:1]
            for p, o in known:
                past = {e["con"] for _, e, q, place, _ in self.deliveries() if q == p and place >= o}
                leapt = past and all(self.leapt(c, p, o) for c in past)
                count += bool(past) and not leapt and not self.gone(p, o) and not self.unneeded(v)
        return count

    def leapt(self, consumer: str, p: str, o: int) -> bool:
        for k, e in self.of("seek", "reset"):
            if (e["con"], e["p"]) == (consumer, p):
                own = [place + 1 for j, d, q, place, _ in self.deliveries() if j < k and (d["con"], q) == (consumer, p)]
                if (own[-1] if own else 0) <= o < e["o"]:
                    return True
        return False

    def late(self, numbers: list[int]) -> int:
        return sum(any(before > n for before in numbers[:k]) for k, n in enumerate(numbers))

    def e2e_key_reorder(self) -> int:
        tells = {self.scope(e["con"]) for _, e in self.of("proc_start")}
        met = [(k, self.scope(e["con"]), v) for k, e, _, _, v in self.deliveries() if self.counted(e)]
        met = [one for one in met if one[1] not in tells]
        met += [(k, self.scope(e["con"]), v) for k, e, v in self.processing("proc_start") if v is not None]
        found: dict[Any, list[int]] = defaultdict(list)
        seen = set()
        for _, scope, v in sorted(met, key=lambda one: one[0]):
            send = self.sent.get(v, (0, {}))[1]
            if "k" in send and (scope, v) not in seen:
                seen.add((scope, v))
                found[scope, send["prod"], send["k"]].append(send["i"])
        return sum(map(self.late, found.values()))

    def append_reorder(self) -> int:
        found: dict[Any, list[int]] = defaultdict(list)
        seen = set()
        for p, _, v in self.visible:
            send = self.sent[v][1]
            if (p, v) not in seen:
                seen.add((p, v))
                found[p, send["prod"]].append(send["i"])
        return sum(map(self.late, found.values()))

    def duplicate_append(self) -> int:
        return sum(count > 1 for count in Counter(v for _, _, v in self.visible).values())

    # --- cycles -------------------------------------------------------------------------------------------------------
    def reads(self, committed_only: bool) -> set[tuple[str, str]]:
        polls = [(e, v) for _, e, _, _, v in self.deliveries() if self.only_committed(e["con"]) or not committed_only]
        return {(str(self.txn(v)), e["txn"]) for e, v in polls if "txn" in e and self.txn(v) not in (None, e["txn"])}

    def writes(self) -> set[tuple[str, str]]:
        found = set()
        for p in self.log:
            named = [self.txn(v) for q, _, v in self.visible if q == p and self.txn(v) is not None]
            found |= {(str(a), str(b)) for a, b in zip(named, named[1:], strict=False) if a != b}
        return found

    @staticmethod
    def components(edges: set[tuple[str, str]], closing: set[tuple[str, str]]) -> int:
        """Sets of nodes that all reach each other, with a closing edge inside."""
        nodes = {node for edge in edges for node in edge}
        reach = {a: {b for x, b in edges if x == a} for a in nodes}
        for via in nodes:
            for a in nodes:
                if via in reach[a]:
                    reach[a] |= reach[via]
        parts = {frozenset(b for b in nodes if b in reach[a] and a in reach[b]) for a in nodes if a in reach[a]}
        return sum(any(a in part and b in part for a, b in closing) for part in parts)

    def g1c_wr(self) -> int:
        return self.components(self.reads(True), self.reads(True))

    def g0(self) -> int:
        return self.components(self.writes(), self.writes())

    def g1c(self) -> int:
        return self.components(self.writes() | self.reads(False), self.reads(False))

    # --- processing ---------------------------------------------------------------------------------------------------
    def processing(self, *kinds: str) -> list[tuple[int, Event, str | None]]:
        """Events that count, with the record that they are about."""
        found = []
        for k, e in self.of(*kinds):
            came = [
                (poll, v) for j, poll, p, o, v in self.deliveries()
                if j < k and (poll["con"], p, o) == (e["con"], e["p"], e["o"])
            ]  # fmt: skip
            stored = [a.get("v") for _, a in self.log[e["p"]] if a["o"] == e["o"]]
            if not came:
                found.append((k, e, stored[0] if stored else None))
            elif self.counted(came[-1][0]):
                found.append((k, e, came[-1][1]))
        return found

    def place(self, e: Event) -> tuple[str, str, int]:
        return self.scope(e["con"]), e["p"], e["o"]

    def key(self, v: str | None) -> str | None:
        return None if v is None else self.sent.get(v, (0, {}))[1].get("k")

    def first_starts(self) -> list[tuple[int, Event, Any]]:
        """(when, event, lane): group, partition and key."""
        found, seen = [], set()
        for k, e, v in self.processing("proc_start"):
            if self.place(e) not in seen:
                seen.add(self.place(e))
                found.append((k, e, (self.scope(e["con"]), e["p"], self.key(v))))
        return found

    def out_of_order(self) -> int:
        lanes: dict[Any, list[int]] = defaultdict(list)
        for _, e, lane in self.first_starts():
            lanes[lane].append(e["o"])
        return sum(map(self.late, lanes.values()))

    def overlapping(self) -> int:
        ends = self.processing("proc_end")
        starts = [(k, e, (self.scope(e["con"]), e["p"], self.key(v))) for k, e, v in self.processing("proc_start")]

        def over(k: int, e: Event) -> int:
            ended = [j for j, end, _ in ends if j > k and self.place(end) == self.place(e)]
            died = [j for j, crash in self.of("crash") if j > k and crash["who"] == e["con"]]
            return min(ended + died, default=NEVER)

        return sum(
            any(other == lane and s["o"] < e["o"] and j < k < over(j, s) for j, s, other in starts)
            for k, e, lane in self.first_starts()
        )

    def duplicate_processing(self) -> int:
        return sum(n > 1 for n in Counter(self.place(e) for _, e, _ in self.processing("proc_end")).values())

    def ended(self) -> dict[tuple[str, str, int], int]:
        found: dict[tuple[str, str, int], int] = {}
        for k, e, _ in self.processing("proc_end"):
            found.setdefault(self.place(e), k)
        return found

    def commits(self) -> list[tuple[int, str, str, int]]:
        """(when it took effect, group, partition, offset)."""
        own = [(k, 0, k, e) for k, e in self.of("commit") if e.get("ok") is not False]
        for k, e in self.of("txn_offsets"):
            if self.committed(e["txn"]):
                ends = [j for j, t in self.of("txn") if t["txn"] == e["txn"] and t["state"] != "begin"]
                own.append((ends[-1] if ends else k, 1, k, e))
        ordered = sorted(own, key=lambda one: one[:3])
        return [(when, self.scope(e["con"]), e["p"], e["o"]) for when, _, _, e in ordered]

    def tellers(self) -> set[str]:
        return {self.scope(e["con"]) for _, e in self.of("proc_start", "proc_end")}

    def premature_commit(self) -> int:
        ended, received = self.ended(), self.received()
        return sum(
            scope in self.tellers() and any(
                (s, q) == (scope, p) and place < o and came < when < ended.get((s, q, place), NEVER)
                for (s, q, place), came in received.items()
            )
            for when, scope, p, o in self.commits()
        )  # fmt: skip

    def received(self) -> dict[tuple[str, str, int], int]:
        """Visible records by group, and when they were first handed to it."""
        found: dict[tuple[str, str, int], int] = {}
        for k, e, p, o, v in self.deliveries():
            if (p, o, v) in self.visible:
                found.setdefault((self.scope(e["con"]), p, o), k)
        return found

    def lost_processing(self) -> int:
        last = {(scope, p): o for _, scope, p, o in self.commits() if scope in self.tellers()}
        ended, received = self.ended(), self.received()
        return sum(
            (scope, p, o) not in ended and not self.passed(scope, p, o)
            and ((scope, p, o) in received or not self.gone(p, o))
            for (scope, p), committed in last.items() for q, o, _ in self.visible if q == p and o < committed
        )  # fmt: skip

    def passed(self, scope: str, p: str, o: int) -> bool:
        """A seek went over it, or the reset with which the group began on the partition."""
        for k, e in self.of("seek", "reset"):
            if self.scope(e["con"]) != scope or e["p"] != p:
                continue
            before = [(j, d, o_ + 1) for j, d, q, o_, _ in self.deliveries() if j < k and q == p]
            own = [end for _, d, end in before if d["con"] == e["con"]]
            theirs = any(self.scope(d["con"]) == scope for _, d, _ in before)
            committed = [c for when, s, q, c in self.commits() if when < k and (s, q) == (scope, p)]
            position = own[-1] if own else (committed[-1] if committed else 0)
            begins = not theirs and not (committed and committed[-1])
            if position <= o < e["o"] and (e["e"] == "seek" or begins):
                return True
        return False

    def commit_regression(self) -> int:
        lanes: dict[Any, list[int]] = defaultdict(list)
        for _, scope, p, o in self.commits():
            lanes[scope, p].append(o)
        return sum(map(self.late, lanes.values()))


COUNTS: dict[str, Callable[[SlowTransactions], int]] = {
    "lost-acked": SlowTransactions.lost_acked, "torn-transaction": SlowTransactions.torn,
    "open-transaction": SlowTransactions.open, "uncommitted-read": SlowTransactions.uncommitted_read,
    "precommitted-read": SlowTransactions.precommitted_read, "aborted-read": SlowTransactions.aborted_read,
    "unseen": SlowTransactions.unseen, "duplicate-delivery": SlowTransactions.duplicate_delivery,
    "e2e-key-reorder": SlowTransactions.e2e_key_reorder, "append-reorder": SlowTransactions.append_reorder,
    "duplicate-append": SlowTransactions.duplicate_append, "G1c-wr": SlowTransactions.g1c_wr,
    "G0": SlowTransactions.g0, "G1c": SlowTransactions.g1c, "out-of-order-processing": SlowTransactions.out_of_order,
    "overlapping-processing": SlowTransactions.overlapping, "commit-regression": SlowTransactions.commit_regression,
    "duplicate-processing": SlowTransactions.duplicate_processing,
    "premature-commit": SlowTransactions.premature_commit, "lost-processing": SlowTransactions.lost_processing,
    "poll-skip": SlowTransactions.poll_skip, "int-poll-skip": SlowTransactions.int_poll_skip,
    "nonmonotonic-poll": SlowTransactions.nonmonotonic_poll,
    "int-nonmonotonic-poll": SlowTransactions.int_nonmonotonic_poll, "lost-write": SlowTransactions.lost_write,
    "inconsistent-offsets": SlowTransactions.inconsistent_offsets,
}  # fmt: skip
