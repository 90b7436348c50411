"""Random traces in which batches are reordered, doubled, split over a truncation, lost and read in odd ways."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from sim.protocol.rows import COLUMNS, Kind
from sim.trace import SEND_COLUMNS, Trace

PRODUCERS, PARTITIONS, BROKERS = 2, 2, 3
Row = dict[str, int]


class BatchChaos:
    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.wild = self.draw.random()
        self.rows: list[Row] = []
        self.sends: list[Row] = []
        self.lanes = {(prod, p): 0 for prod in range(PRODUCERS) for p in range(PARTITIONS)}
        self.logs: dict[tuple[int, int], list[Row]] = {(p, b): [] for p in range(PARTITIONS) for b in range(1, 4)}
        self.leader = [1] * PARTITIONS
        self.epoch = [0] * PARTITIONS
        self.batches: list[Row] = []
        self.t = 0

    def trace(self, length: int) -> Trace:
        steps = {
            self.batch: 6, self.append: 8, self.copy: 8, self.ack: 5, self.mark: 3, self.poll: 5, self.truncate: 0.4,
            self.elect: 0.4, self.fail: 0.3,
        }  # fmt: skip
        for _ in range(length):
            self.t += self.draw.randrange(3)
            self.draw.choices(list(steps), list(steps.values()))[0]()
        events = {name: np.array([row.get(name, 0 if name == "code" else -1) for row in self.rows]) for name in COLUMNS}
        sends = {name: np.array([row[name] for row in self.sends]).astype(kind) for name, kind in SEND_COLUMNS.items()}
        return Trace({name: column.astype(np.int32) for name, column in events.items()}, sends, header())

    def odds(self, share: float) -> bool:
        return self.draw.random() < share * self.wild

    def record(self, kind: Kind, **columns: int) -> None:
        self.rows.append({"t_us": self.t, "kind": int(kind), **columns})

    def batch(self) -> None:
        """A producer sends some records to one partition; they make a batch."""
        prod, p = self.draw.randrange(PRODUCERS), self.draw.randrange(PARTITIONS)
        count, lo = self.draw.randrange(1, 5), self.lanes[prod, p]
        for k in range(count):
            i = sum(send["prod"] == prod for send in self.sends)
            self.sends.append({
                "prod": prod, "i": i, "t_us": self.t, "partition": p, "lane": lo + k, "key": self.draw.randrange(-1, 4),
                "size": 10,
            })  # fmt: skip
        self.lanes[prod, p] += count
        self.batches.append({"prod": prod, "partition": p, "lo": lo, "hi": lo + count})

    def append(self) -> None:
        stored = [self.named(row) for log in self.logs.values() for row in log]
        fresh = [batch for batch in self.batches if batch not in stored]
        if not fresh:
            return
        batch = self.draw.choice(self.batches) if self.odds(0.3) else fresh[-1 if self.odds(0.5) else 0]
        p = batch["partition"]
        b = self.leader[p] if not self.odds(0.1) else self.draw.randrange(1, 4)
        seq = batch["lo"] + (self.draw.randrange(3) if self.odds(0.2) else 0)
        self.write(Kind.APPEND, p, b, {**batch, "pid": batch["prod"], "epoch": 0, "seq": seq, "lep": self.epoch[p]})

    @staticmethod
    def named(row: Row) -> Row:
        return {name: row[name] for name in ("prod", "partition", "lo", "hi")}

    def write(self, kind: Kind, p: int, b: int, batch: Row, offset: int | None = None) -> None:
        log = self.logs[p, b]
        end = log[-1]["offset"] + log[-1]["hi"] - log[-1]["lo"] if log else 0
        row = batch | {"offset": end if offset is None else offset, "host": b}
        log.append(row)
        self.record(kind, **row)

    def copy(self) -> None:
        p = self.draw.randrange(PARTITIONS)
        b = self.draw.choice([b for b in range(1, 4) if b != self.leader[p]])
        mine, theirs = self.logs[p, b], self.logs[p, self.leader[p]]
        end = mine[-1]["offset"] + mine[-1]["hi"] - mine[-1]["lo"] if mine else 0
        following = [row for row in theirs if row["offset"] >= end]
        if following:
            row = following[0]
            self.write(Kind.REPLICATE, p, b, {k: x for k, x in row.items() if k != "host"}, row["offset"])

    def truncate(self) -> None:
        """Anywhere, also inside a batch."""
        p, b = self.draw.randrange(PARTITIONS), self.draw.randrange(1, 4)
        log = self.logs[p, b]
        if not log:
            return
        to = self.draw.randrange(log[0]["offset"], log[-1]["offset"] + log[-1]["hi"] - log[-1]["lo"] + 1)
        kept = [row | {"hi": min(row["hi"], row["lo"] + to - row["offset"])} for row in log if row["offset"] < to]
        self.logs[p, b] = kept
        self.record(Kind.TRUNCATE, partition=p, host=b, offset=to, n=1)

    def elect(self) -> None:
        p = self.draw.randrange(PARTITIONS)
        self.leader[p] = self.draw.randrange(1, 4)
        self.epoch[p] += 1
        self.record(Kind.LEADER, partition=p, host=0, n=self.leader[p], lep=self.epoch[p])

    def mark(self) -> None:
        p = self.draw.randrange(PARTITIONS)
        log = self.logs[p, self.leader[p]]
        if log:
            row = self.draw.choice(log)
            end = row["offset"] + row["hi"] - row["lo"]
            self.record(Kind.HIGH_WATERMARK, partition=p, host=self.leader[p], offset=end, n=1)

    def ack(self) -> None:
        written = [row for log in self.logs.values() for row in log]
        if written:
            row = self.draw.choice(written)
            offset = -1 if self.odds(0.1) else row["offset"]
            self.record(Kind.ACK, host=4 + row["prod"], **self.named(row), offset=offset)

    def fail(self) -> None:
        if self.batches:
            self.record(Kind.FAIL, host=4, **self.draw.choice(self.batches), code=19)

    def poll(self) -> None:
        p, consumer = self.draw.randrange(PARTITIONS), self.draw.randrange(6, 8)
        log = self.logs[p, self.leader[p]]
        before = [row["n"] for row in self.rows if row["kind"] == Kind.POLL and row["host"] == consumer]
        number = 1 + max(before, default=0)
        start = self.draw.randrange(len(log)) if log else 0
        for row in log[start : start + self.draw.randrange(1, 4)]:
            cut = self.draw.randrange(row["hi"] - row["lo"]) if self.odds(0.5) else 0
            told = self.named(row) | {"lo": row["lo"] + cut, "offset": row["offset"] + cut}
            self.record(Kind.POLL, host=consumer, n=number, **told)


def header() -> dict[str, Any]:
    names = [(0, "controller"), (1, "broker"), (2, "broker"), (3, "broker"), (4, "producer"), (5, "producer")]
    names += [(6, "consumer"), (7, "consumer")]
    return {
        "format": 1, "title": "chaos", "settled": False, "faults": [], "values": {},
        "hosts": [{"number": n, "name": f"{kind}-{n}", "kind": kind} for n, kind in names],
        "partitions": [{"number": p, "topic": "o", "index": p} for p in range(PARTITIONS)],
        "producers": [
            {"prod": k, "producer": f"P{k}", "name": f"P{k}", "host": 4 + k, "incarnation": 1, "flavour": "java"}
            for k in range(PRODUCERS)
        ],
        "keys": {f"P{k}": list("wxyz") for k in range(PRODUCERS)},
    }  # fmt: skip
