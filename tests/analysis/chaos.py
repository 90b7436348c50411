"""Random histories of a cluster in which everything goes wrong, for comparison of two analyzers.

Two producers, two partitions, three replicas. Brokers append what they please, in any order and more than once, copy
each other badly, truncate, lead in turn and announce marks; readers read from anywhere.
"""

from __future__ import annotations

import random
from typing import Any

Event = dict[str, Any]
PARTITIONS = ("o-0", "o-1")


class Chaos:
    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.wild = self.draw.random()
        self.events: list[Event] = []
        self.logs: dict[tuple[str, int], list[Event]] = {(p, b): [] for p in PARTITIONS for b in (1, 2, 3)}
        self.leader = dict.fromkeys(PARTITIONS, 1)
        self.epoch = dict.fromkeys(PARTITIONS, 0)
        self.sent: list[Event] = []
        self.told: set[str] = set()

    def history(self, length: int) -> list[Event]:
        steps = {
            self.send: 6, self.append: 8, self.copy: 8, self.ack: 6, self.mark: 3, self.poll: 5, self.truncate: 0.4,
            self.elect: 0.4, self.fail: 0.5,
        }  # fmt: skip
        for _ in range(length):
            self.draw.choices(list(steps), list(steps.values()))[0]()
        return [{"t": k, **event} for k, event in enumerate(self.events)]

    def odds(self, share: float) -> bool:
        return self.draw.random() < share * self.wild

    def send(self) -> None:
        i = len(self.sent)
        event = {"e": "send", "prod": self.draw.choice(("P1", "P2")), "i": i, "v": f"v{i}"}
        event |= {"p": self.draw.choice(PARTITIONS)} if not self.odds(0.2) else {}
        event |= {"k": self.draw.choice("xyz")} if self.draw.random() < 0.8 else {}
        self.sent.append(event)
        self.events.append(event)

    def append(self) -> None:
        if not self.sent:
            return
        fresh = [e for e in self.sent if e["v"] not in {a["v"] for log in self.logs.values() for a in log}]
        send = self.draw.choice(self.sent) if self.odds(0.4) or not fresh else fresh[0 if not self.odds(0.5) else -1]
        p = send.get("p") or self.draw.choice(PARTITIONS)
        b = self.leader[p] if not self.odds(0.1) else self.draw.choice((1, 2, 3))
        log = self.logs[p, b]
        offset = (log[-1]["o"] + 1 if log else 0) + (self.draw.randrange(1, 3) if self.odds(0.1) else 0)
        seq = sum(a.get("seq") is not None for a in log) + (self.draw.randrange(-1, 2) if self.odds(0.2) else 0)
        event = {"e": "append", "p": p, "o": offset, "v": send["v"], "b": b, "lep": self.epoch[p] - self.odds(0.05)}
        event["lep"] = max(event["lep"], 0)
        if send["prod"] == "P1":
            event |= {"pid": 7, "epoch": 1 - self.odds(0.1), "seq": max(seq, 0)}
        self.write(event)

    def write(self, event: Event) -> None:
        self.logs[event["p"], event["b"]].append(event)
        self.events.append(event)

    def copy(self) -> None:
        p = self.draw.choice(PARTITIONS)
        b = self.draw.choice([b for b in (1, 2, 3) if b != self.leader[p]])
        mine, theirs = self.logs[p, b], self.logs[p, self.leader[p]]
        following = [a for a in theirs if not mine or a["o"] > mine[-1]["o"]]
        if following:
            event = following[0] | {"b": b, "role": "follower"}
            if self.odds(0.1):
                event["v"] = self.draw.choice(self.sent)["v"]
            self.write(event)

    def truncate(self) -> None:
        p, b = self.draw.choice(PARTITIONS), self.draw.choice((1, 2, 3))
        log = self.logs[p, b]
        if log:
            to = self.draw.randrange(log[0]["o"], log[-1]["o"] + 2)
            self.logs[p, b] = [a for a in log if a["o"] < to]
            self.events.append({"e": "truncate", "p": p, "to": to, "b": b})

    def elect(self) -> None:
        p = self.draw.choice(PARTITIONS)
        self.leader[p] = self.draw.choice((1, 2, 3))
        self.epoch[p] += 1
        self.events.append({"e": "leader", "p": p, "b": self.leader[p], "lep": self.epoch[p]})

    def mark(self) -> None:
        p = self.draw.choice(PARTITIONS)
        b = self.leader[p] if not self.odds(0.2) else self.draw.choice((1, 2, 3))
        log = self.logs[p, b]
        if log:
            event = {"e": "hw", "p": p, "o": self.draw.choice(log)["o"] + 1}
            self.events.append(event | ({"b": b} if self.draw.random() < 0.8 else {}))

    def ack(self) -> None:
        written = [a for log in self.logs.values() for a in log if a["v"] not in self.told]
        if not written:
            return
        a = self.draw.choice(written)
        self.told.add(a["v"])
        told = {"e": "ack", "prod": self.sender(a["v"]), "v": a["v"], "p": a["p"], "o": a["o"]}
        if self.odds(0.1):
            del told["o"]
        self.events.append(told)

    def fail(self) -> None:
        open_ones = [e for e in self.sent if e["v"] not in self.told]
        if open_ones:
            v = self.draw.choice(open_ones)["v"]
            self.told.add(v)
            self.events.append({"e": "fail", "prod": self.sender(v), "v": v})

    def sender(self, value: str) -> str:
        return str(next(e["prod"] for e in self.sent if e["v"] == value))

    def poll(self) -> None:
        p, consumer = self.draw.choice(PARTITIONS), self.draw.choice(("C1", "C2"))
        log = self.logs[p, self.leader[p]]
        done = [o for e in self.events if e["e"] == "poll" and e["con"] == consumer for q, o, _ in e["recs"] if q == p]
        start = (max(done) + 1 if done else 0) + (self.draw.randrange(-2, 3) if self.odds(0.3) else 0)
        records = [[p, a["o"], a["v"]] for a in log if a["o"] >= start][: self.draw.randrange(1, 4)]
        if self.odds(0.1):
            self.draw.shuffle(records)
        if records:
            self.events.append({"e": "poll", "con": consumer, "recs": records})
