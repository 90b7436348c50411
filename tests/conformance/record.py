"""``make confirm``: play the scripts on real Kafka, compare with what is recorded and with the simulator.

    python tests/conformance/record.py [--repeat N] [--keep] [--into FILE] [--kafka 4.3] [SCRIPT]...

One line a script; ``--keep`` writes the outcomes in which all repeats agree, with each other and with what was recorded
before, into ``scripts.json``. Exit status 1 if a
script ends otherwise than recorded or simulated. Repeats may differ in how often something was sent and in which order
several partitions were reported; then these are not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import sys
import time
from collections import deque
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis.outcome import FIELDS, GROUP_FIELDS, first_difference  # noqa: E402
from sim.errors import InputError  # noqa: E402
from sim.real.jars import RELEASES, find  # noqa: E402
from sim.real.result import result_of  # noqa: E402
from sim.real.run import Stage, interruptible  # noqa: E402
from sim.scenario import Scenario, load  # noqa: E402
from tests.conformance.scripts import (  # noqa: E402
    KNOWN_DIFFERENCES,
    RECORDED,
    SCRIPTS,
    Recording,
    compare,
    read,
    scenario_of,
    script_file,
    write,
)

MAY_DIFFER = ("attempts", "callbacks")
# How often a jittered back-off fits into seconds is chance.
LONG_RETRIES = ("insync_", "partitions_one_broker_refused_java_idempotent")


def main() -> int:
    arguments = _arguments()
    suite = Suite(arguments, {(one["script"], one["kafka"]): one for one in read(arguments.into)})
    total = len(suite.wanted)
    interruptible(suite.play)
    print(f"{total - suite.bad} of {total} agree")
    return 1 if suite.bad else 0


class Suite:
    """The scripts that are wanted, on several clusters at once: they wait more than they work."""

    def __init__(self, arguments: argparse.Namespace, known: dict[tuple[str, str], Recording]) -> None:
        self._arguments, self._known = arguments, known
        chosen = arguments.scripts or sorted(path.stem for path in SCRIPTS.glob("*.yaml"))
        wanted = [(name, kafka) for name in chosen for kafka in arguments.kafka or self._releases(name)]
        wanted = [one for one in wanted if not arguments.new or one not in known]
        # Those that share a cluster stand behind each other, and each worker takes from an end of its own.
        self.wanted = deque(sorted(wanted, key=lambda one: (one[1], _cluster(*one), one[0])))
        self.bad = 0

    def _releases(self, name: str) -> list[str]:
        """The releases that a script is recorded on; a new one: that of its file."""
        return [kafka for script, kafka in self._known if script == name] or [load(str(script_file(name))).kafka]

    async def play(self) -> None:
        await asyncio.gather(*(self._work(number) for number in range(self._arguments.jobs)))

    async def _work(self, number: int) -> None:
        async with Stage() as stage:
            while self.wanted:
                name, kafka = self.wanted.pop() if number % 2 else self.wanted.popleft()
                began = time.monotonic()
                told = await self._judge(stage, name, kafka)
                self.bad += told != "agrees" and name not in KNOWN_DIFFERENCES
                print(f"{name:<58} {kafka:<4} {time.monotonic() - began:5.1f} s  {told}", flush=True)

    async def _judge(self, stage: Stage, name: str, kafka: str) -> str:
        known = self._known.get((name, kafka))
        racy = [] if known is None else known["differing"]  # one repeat alone does not show what is left to chance
        recording, words = await _record(stage, name, kafka, self._arguments.repeat, racy)
        if recording is None:
            return words or ""
        if known is not None:
            first, again = known["outcome"], recording["outcome"]
            both = [field for field in again if field not in known["differing"]]
            words = words or first_difference({field: first[field] for field in both if field in first}, again, both)
        if self._arguments.keep and words is None:
            self._known[name, kafka] = recording
            write(list(self._known.values()), self._arguments.into)
        return words or compare(recording) or "agrees"


def _cluster(name: str, kafka: str) -> str:
    brokers = scenario_of(name, kafka).brokers
    return f"{brokers.count} {sorted(brokers.config.items())}"


async def _record(
    stage: Stage, name: str, kafka: str, repeat: int, chance: list[str]
) -> tuple[Recording | None, str | None]:
    """The recording, or why there is none. *chance*: fields in which repeats are known to differ."""
    scenario = scenario_of(name, kafka)
    outcomes: list[dict[str, Any]] = []
    try:
        for _ in range(repeat):
            played = await stage.play(scenario, scenario.seeds[0], find(RELEASES[kafka]))
            if not played.settled:
                return None, f"did not settle: {'; '.join(played.unsettled)}"
            outcomes.append(result_of(played))
    except InputError as error:
        return None, str(error)
    racy = list(chance)
    racy += ["callbacks"] if _several_leaders(scenario) else []  # whose answers come first is nobody's rule
    racy += ["attempts"] if name.startswith(LONG_RETRIES) else []
    fields = [field for field in (*FIELDS, *GROUP_FIELDS) if field in outcomes[0]]
    unequal = [field for field in fields if any(one[field] != outcomes[0][field] for one in outcomes)]
    differing = [field for field in fields if field in (*racy, *unequal)]
    forbidden = [field for field in differing if field not in MAY_DIFFER]
    first = next((told for one in outcomes if (told := first_difference(outcomes[0], one, forbidden))), None)
    recording = {
        "script": name,
        "kafka": kafka,
        "release": RELEASES[kafka],
        "librdkafka": version("confluent-kafka"),
        "date": datetime.date.today().isoformat(),
        "repeats": repeat,
        "differing": differing,
        "outcome": {field: outcomes[0][field] for field in fields if field not in differing},
    }
    return recording, f"repeats differ: {first}" if forbidden else None


def _several_leaders(scenario: Scenario) -> bool:
    return len({row[0] for topic in scenario.topics.values() for row in topic.assignment or []}) > 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="play the scripts on real Kafka and compare")
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help="names (default: all)")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=3, help="clusters at once (default: 3: they mostly wait)")
    parser.add_argument("--new", action="store_true", help="only scripts that are not recorded yet")
    parser.add_argument("--keep", action="store_true", help="write what all repeats agree in to scripts.json")
    parser.add_argument("--into", type=Path, default=RECORDED, metavar="FILE", help="default: scripts.json")
    parser.add_argument("--kafka", action="append", choices=list(RELEASES), help="releases (default: as recorded)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
