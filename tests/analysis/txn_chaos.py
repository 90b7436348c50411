"""Random histories of transactions, groups and processing in which everything may go wrong, to compare two analyzers.

Four producers: with producer id and named transactions, with producer id alone, with names alone, and without any
transaction. Markers are late, missing, or of the wrong kind. Readers are in groups, of both isolation levels, read in
transactions of their own or of the producers, process in any order, crash, seek, and commit what they please.
"""

from __future__ import annotations

import random
from typing import Any

Event = dict[str, Any]
PARTITIONS = ("o-0", "o-1")
PRODUCERS: dict[str, Event] = {"P1": {"pid": 1, "named": True}, "P2": {"pid": 2}, "P3": {"named": True}, "P4": {}}
CONSUMERS: dict[str, Event] = {
    "C1": {"group": "G", "isolation": "read_committed"}, "C2": {"group": "G", "isolation": "read_committed"},
    "D1": {"group": "H", "isolation": "read_uncommitted"}, "E1": {"isolation": "read_committed"},
}  # fmt: skip


class TxnChaos:
    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.wild = self.draw.random()
        self.events: list[Event] = []
        self.log: dict[str, list[Event]] = {p: [] for p in PARTITIONS}
        self.sent: list[Event] = []
        self.told: set[str] = set()
        self.open: dict[str, str] = {}  # producer -> its transaction
        self.ending: list[tuple[str, str, str, str]] = []  # (producer, transaction, kind, partition): markers to come
        self.handed: list[tuple[str, str, int]] = []
        self.transactions = 0
        self.inside = 0.4  # how often a poll is in a transaction
        self.producers, self.readers = list(PRODUCERS), list(CONSUMERS)
        self.position: dict[tuple[str, str], int] = {}

    def history(self, length: int, about: str = "") -> list[Event]:
        """About transactions, processing or everything; a third each where nothing is asked for."""
        writing = {self.send: 7.0, self.append: 9.0, self.outcome: 5.0}
        ending = {self.end: 2.5, self.mark: 5.0, self.poll: 9.0}
        working = {self.start: 8.0, self.finish: 7.0, self.commit: 2.5, self.poll: 9.0}
        moving = {self.move: 0.6, self.crash: 0.3, self.assign: 1.2}
        rare = {self.cut: 0.2, self.remove: 0.3, self.offsets: 1.0}
        about = about or self.draw.choice(("transactions", "processing", "everything"))
        steps = writing | {
            "transactions": ending, "processing": working | moving, "everything": ending | working | moving | rare,
        }[about]  # fmt: skip
        named = [name for name, told in PRODUCERS.items() if told.get("named")]
        self.producers = ["P4"] if about == "processing" else self.draw.choice((named, list(PRODUCERS)))
        self.inside = 0.9 if about == "transactions" else 0.4
        self.readers = list(CONSUMERS)[: 2 if about == "processing" else None]
        for _ in range(length):
            self.draw.choices(list(steps), list(steps.values()))[0]()
        return [{"t": k, **event} for k, event in enumerate(self.events)]

    def odds(self, share: float) -> bool:
        return self.draw.random() < share * self.wild

    def tell(self, kind: str, /, **more: Any) -> None:
        self.events.append({"e": kind, **more})

    # --- producers ----------------------------------------------------------------------------------------------------
    def transaction(self, producer: str) -> Event:
        if producer not in self.open:
            self.transactions += 1
            self.open[producer] = f"T{self.transactions}"
            if PRODUCERS[producer].get("named") and self.draw.random() < 0.5:
                self.tell("txn", txn=self.open[producer], state="begin")
        return {"txn": self.open[producer]} if PRODUCERS[producer].get("named") else {}

    def send(self) -> None:
        producer = self.draw.choice(self.producers)
        name = self.transaction(producer) if producer != "P4" else {}
        i = len(self.sent)
        event = {"prod": producer, "i": i, "v": f"v{i}", "p": self.draw.choice(PARTITIONS), **name}
        event |= {"k": self.draw.choice("xy")} if self.draw.random() < 0.7 else {}
        self.sent.append(event)
        self.tell("send", **event)

    def append(self) -> None:
        there = {e.get("v") for log in self.log.values() for e in log}
        fresh = [e for e in self.sent if e["v"] not in there]
        if not fresh:
            return
        send = self.draw.choice(self.sent) if self.odds(0.15) else fresh[-1 if self.odds(0.5) else 0]
        event = {"v": send["v"], **{n: PRODUCERS[send["prod"]][n] for n in ("pid",) if n in PRODUCERS[send["prod"]]}}
        if "txn" in send and self.draw.random() < 0.8:
            event["txn"] = send["txn"]
        self.write(send["p"], event)

    def write(self, p: str, event: Event) -> None:
        offset = self.log[p][-1]["o"] + 1 if self.log[p] else 0
        event = {"p": p, "o": offset, **event}
        self.log[p].append(event)
        self.tell("append", **event)

    def outcome(self) -> None:
        written = [e for log in self.log.values() for e in log if "v" in e and e["v"] not in self.told]
        if not written:
            return
        e = self.draw.choice(written)
        self.told.add(e["v"])
        kind = self.draw.choices(("ack", "unknown", "fail"), (8, 1.5, 0.3))[0]
        told = {"prod": next(s["prod"] for s in self.sent if s["v"] == e["v"]), "v": e["v"], "p": e["p"]}
        self.tell(kind, **told, **({"o": e["o"]} if kind != "fail" and self.draw.random() < 0.9 else {}))

    def end(self) -> None:
        """A transaction ends; what its client is told may come at once or never, and need not be true."""
        if not self.open:
            return
        producer = self.draw.choice(list(self.open))
        txn, kind = self.open.pop(producer), self.draw.choice(("commit", "commit", "abort"))
        for p in PARTITIONS:
            wrong = {"commit": "abort", "abort": "commit"}[kind]
            self.ending.append((producer, txn, wrong if self.odds(0.15) else kind, p))
        if PRODUCERS[producer].get("named") and not self.odds(0.2):
            self.tell("txn", txn=txn, state="unknown" if self.odds(0.3) else kind)

    def mark(self) -> None:
        if not self.ending or self.odds(0.2):
            return
        producer, txn, kind, p = self.ending.pop(0 if not self.odds(0.3) else self.draw.randrange(len(self.ending)))
        owner: Event = {n: PRODUCERS[producer][n] for n in ("pid",) if n in PRODUCERS[producer]}
        if PRODUCERS[producer].get("named") and (not owner or self.odds(0.3)):
            owner = {"txn": txn} if self.draw.random() < 0.5 else owner | {"txn": txn}
        self.write(p, {"kind": kind, **owner})

    # --- readers ------------------------------------------------------------------------------------------------------
    def poll(self) -> None:
        p, consumer = self.draw.choice(PARTITIONS), self.draw.choice(self.readers)
        start = self.position.get((consumer, p), 0) + (self.draw.randrange(-2, 3) if self.odds(0.3) else 0)
        data = [e for e in self.log[p] if "v" in e and e["o"] >= start]
        if not self.odds(1.2 * self.inside):
            data = [e for e in data if "txn" not in e or e["txn"] not in self.open.values()]
        records = [[p, e["o"], e["v"]] for e in data][: self.draw.randrange(1, 6)]
        if self.odds(0.05) and records and self.sent:
            records[0][2] = self.draw.choice(self.sent)["v"]
        if records:
            self.handed += [(consumer, p, o) for _, o, _ in records]
            self.position[consumer, p] = records[-1][1] + 1
            self.tell("poll", con=consumer, recs=records, **self.reader())

    def reader(self) -> Event:
        if self.draw.random() > self.inside:
            return {}
        named = [txn for producer, txn in self.open.items() if PRODUCERS[producer].get("named")]
        if named and self.draw.random() < 0.8:
            return {"txn": self.draw.choice(named)}
        return {"txn": f"T{self.draw.randrange(1, self.transactions + 2)}"} if self.odds(0.7) else {}

    def start(self) -> None:
        """Something that was handed over; mostly the oldest that nobody began."""
        begun = {(e["con"], e["p"], e["o"]) for e in self.events if e["e"] == "proc_start"}
        waiting = [one for one in self.handed if one not in begun]
        if waiting and not self.odds(0.2):
            consumer, p, o = waiting[0 if not self.odds(0.6) else self.draw.randrange(len(waiting))]
            self.tell("proc_start", con=consumer, p=p, o=o)
        else:
            self.process("proc_start")

    def finish(self) -> None:
        self.process("proc_end")

    def process(self, kind: str) -> None:
        """Mostly the next thing to do, now and then anything."""
        if not self.handed:
            return
        recent = self.handed[-6:]
        consumer, p, o = self.draw.choice(recent if not self.odds(0.3) else self.handed)
        open_ones = [
            (e["con"], e["p"], e["o"]) for e in self.events if e["e"] == "proc_start" and e["con"] in CONSUMERS
        ][-4:]
        if kind == "proc_end" and open_ones and not self.odds(0.2):
            consumer, p, o = self.draw.choice(open_ones)
        if self.odds(0.05):
            o = self.draw.randrange(6)
        self.tell(kind, con=consumer, p=p, o=o)

    def commit(self) -> None:
        if self.handed:
            consumer, p, o = self.draw.choice(self.handed[-8:])
            told: Event = {"ok": False} if self.odds(0.2) else {}
            self.tell("commit", con=consumer, p=p, o=max(0, o + 1 - self.draw.randrange(3)), **told)

    def offsets(self) -> None:
        if self.handed and self.transactions:
            consumer, p, o = self.draw.choice(self.handed[-8:])
            txn = f"T{self.draw.randrange(1, self.transactions + 1)}"
            self.tell("txn_offsets", txn=txn, con=consumer, p=p, o=o + 1)

    def move(self) -> None:
        kind, consumer = self.draw.choice(("seek", "reset")), self.draw.choice(self.readers)
        told: Event = {"why": "start"} if kind == "reset" else {}
        p, o = self.draw.choice(PARTITIONS), self.draw.randrange(6)
        self.position[consumer, p] = o
        self.tell(kind, con=consumer, p=p, o=o, **told)

    def crash(self) -> None:
        consumer = self.draw.choice(self.readers)
        self.begin_again(consumer)
        self.tell("crash", who=consumer)

    def begin_again(self, consumer: str) -> None:
        for p in PARTITIONS:
            self.position[consumer, p] = max(0, self.position.get((consumer, p), 0) - self.draw.randrange(4))

    def assign(self) -> None:
        consumer, some = self.draw.choice(self.readers), [p for p in PARTITIONS if self.draw.random() < 0.7]
        self.begin_again(consumer)
        if self.draw.random() < 0.7:
            self.tell("assign", con=consumer, p=some, how="rebalance")
        else:
            self.tell("revoke", con=consumer, p=some)

    # --- the log ------------------------------------------------------------------------------------------------------
    def cut(self) -> None:
        p = self.draw.choice(PARTITIONS)
        if self.log[p] and self.odds(0.7):
            to = self.draw.randrange(self.log[p][0]["o"], self.log[p][-1]["o"] + 1)
            self.log[p] = [e for e in self.log[p] if e["o"] < to]
            self.tell("truncate", p=p, to=to)

    def remove(self) -> None:
        p = self.draw.choice(PARTITIONS)
        if self.log[p]:
            o = self.draw.choice(self.log[p])["o"]
            if self.draw.random() < 0.7:
                self.tell("compact", p=p, removed=[o])
            elif self.odds(0.5):
                self.tell("logstart", p=p, o=o)
