"""Prints grids of librdkafka's own assignors, one JSON object a line, as AssignorGrids does for Java's.

    python tests/conformance/librdkafka_grids.py DRIVER SEED GROUPS > librdkafka.jsonl

DRIVER is ``librdkafka_assignors.c``, built. Groups change from step to step; each cooperative group goes on until no
partition changes hands. Where the driver dies the answer is null: librdkafka's leader would.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import uuid
from typing import Any

TOPICS = ["t", "t1", "t10", "orders", "payments", "clicks.v2", "A", "a-b_c"]
Partitions = list[tuple[str, int]]
Member = dict[str, Any]


def written(partitions: Partitions) -> str:
    """In order, as ``t:0-2,5 u:0``."""
    groups: list[tuple[str, list[list[int]]]] = []
    for topic, index in partitions:
        if not groups or groups[-1][0] != topic:
            groups.append((topic, []))
        runs = groups[-1][1]
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return " ".join(
        topic + ":" + ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) for topic, runs in groups
    )


class Group:
    """A random group of one assignor, as its leader sees it."""

    def __init__(self, draw: random.Random, name: str, driver: str) -> None:
        self.draw, self.name, self.driver = draw, name, driver
        names = draw.sample(TOPICS, draw.randint(1, draw.randint(1, 5)))
        self.topics = {topic: draw.randint(1, draw.choice([3, 8, 20, 100])) for topic in names}
        self.equal, self.style, self.statics = draw.random() < 0.5, draw.randrange(4), draw.choice([0, 0, 1, 0.5])
        self.joined = self.generation = 0
        self.members = [self.member() for _ in range(draw.randint(1, draw.randint(1, 20)))]

    def subscription(self) -> list[str]:
        chosen = [topic for topic in self.topics if self.equal or self.draw.random() < 0.6]
        return (chosen or [next(iter(self.topics))]) + (["unknown"] if self.draw.random() < 0.03 else [])

    def member(self) -> Member:
        self.joined += 1
        random_id = str(uuid.UUID(int=self.draw.getrandbits(128)))
        lettered = f"{chr(65 + self.joined % 26)}-{random_id}"
        name = [f"C{self.joined}", lettered, f"rdkafka-{random_id}", random_id][self.style]
        member: Member = {"id": name, "topics": self.subscription()}
        if self.draw.random() < self.statics:
            member["instance"] = f"i{self.draw.randrange(1000)}-{self.joined}"
            member["id"] = f"{member['instance']}-{random_id}" if self.style else name
        return member

    def change(self) -> None:
        what = self.draw.randrange(10)
        if what < 4:
            self.members += [self.member() for _ in range(min(self.draw.randint(1, 3), 20 - len(self.members)))]
        elif what < 7:
            for _ in range(min(self.draw.randint(1, 3), len(self.members) - 1)):
                self.members.pop(self.draw.randrange(len(self.members)))
        elif what < 8:
            for topic, count in self.topics.items():
                self.topics[topic] = min(100, count + self.draw.choice([0, self.draw.randint(1, 8)]))
        else:
            self.draw.choice(self.members)["topics"] = self.subscription()

    def claim_twice(self) -> None:
        one, other = self.draw.choice(self.members), self.draw.choice(self.members)
        if one is not other and other.get("owned"):
            claimed = self.draw.choice(other["owned"])
            if claimed not in one.get("owned", []):
                one["owned"] = [*one.get("owned", []), claimed]

    def ask(self, order: list[Member]) -> dict[str, Partitions] | None:
        words = [self.name, len(self.topics), *(word for pair in self.topics.items() for word in pair), len(order)]
        for member in order:
            owned = member.get("owned", [])
            words += [member["id"], member.get("instance", "-"), member.get("generation", -1)]
            words += [len(member["topics"]), *member["topics"], len(owned), *(word for pair in owned for word in pair)]
        ran = subprocess.run([self.driver], input=" ".join(map(str, words)), capture_output=True, text=True, timeout=10)
        answer = iter(ran.stdout.split())
        assigned = {name: [(next(answer), int(next(answer))) for _ in range(int(next(answer)))] for name in answer}
        return assigned or None

    def rebalance(self) -> bool:
        """One round; whether another one has to follow."""
        order = self.draw.sample(self.members, len(self.members))
        assigned = self.ask(order)
        shown = [member | ({"owned": written(member["owned"])} if "owned" in member else {}) for member in order]
        answer = assigned and {name: written(partitions) for name, partitions in sorted(assigned.items())}
        row = {"assignor": f"librdkafka-{self.name}", "topics": self.topics, "members": shown, "assigned": answer}
        print(json.dumps(row, separators=(",", ":")))
        self.generation += 1
        if assigned is None or self.name != "cooperative-sticky":
            return False
        again = False
        for member in self.members:
            again |= not set(member.get("owned", [])) <= set(assigned[member["id"]])
            if self.draw.random() < 0.98:  # else this one misses the answer
                member |= {"owned": assigned[member["id"]], "generation": self.generation}
        return again


def main(driver: str, seed: int, groups: int) -> None:
    draw = random.Random(seed)
    for name in ("range", "roundrobin", "cooperative-sticky"):
        for _ in range(groups):
            group = Group(draw, name, driver)
            for step in range(draw.randint(1, 5)):
                if step:
                    group.change()
                if draw.random() < 0.05:
                    group.claim_twice()
                for _round in range(4):
                    if not group.rebalance():
                        break


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
