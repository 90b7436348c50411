"""Scripts with random faults: real Kafka and the simulator compared by rate, over seeds that both share.

    python tests/conformance/rates.py [--record N] [SCRIPT]...

``random/NAME.yaml`` is the scenario; links and random faults are the same function of the seed on both sides, but no
two runs end the same, so rates are compared: later copies, and late records, in a thousand records sent. Equivalent are
two means where the 90 % interval of their difference lies within the margin on both sides (two one-sided tests at 5 %).
Margins were stated before anything was recorded. ``rates.json`` holds the real numbers by seed.

How fast brokers and links are is no rule, and differs from machine to machine and with its load. Newer recordings say
what brokers took for a request and messages on the proxy's links (``broker_us``, ``link_us``: median and 99th
percentile), and the simulator is given as much; half of what brokers took is the latency between brokers, which an
append with acks=all crosses twice.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, variance
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis.outcome import outcome_of  # noqa: E402
from sim import simulate  # noqa: E402
from sim.real.jars import RELEASES, find  # noqa: E402
from sim.real.outcome import Outcome  # noqa: E402
from sim.real.result import result_of  # noqa: E402
from sim.real.run import Stage, interruptible  # noqa: E402
from sim.scenario import Scenario, load, with_overrides  # noqa: E402

__all__ = ["MARGIN", "MEASURES", "OPEN", "RATES", "WIDER", "equivalent", "rates_of", "read", "scenario_of", "simulated"]

HERE = Path(__file__).resolve().parent
RATES = HERE / "rates.json"
MARGIN = 5.0  # in a thousand records
WIDER = {"lossy_java_plain_window_5": 15.0}  # eight times as many copies as in the others
MEASURES = ("copies", "late")
OPEN: set[tuple[str, str]] = set()  # not shown to be equivalent, and not explained: (script, measure)
NORMAL_95 = 1.645


def scenario_of(script: str) -> Scenario:
    return load(str(HERE / "random" / f"{script}.yaml"))


def rates_of(outcome: dict[str, Any]) -> dict[str, float]:
    """Later copies and late first copies of the log, in a thousand records sent. Values are ``p/NUMBER``."""
    values = [value for log in outcome["log"].values() for batch in log for value in batch[1]]
    sent = sum(len(calls) for calls in outcome["attempts"].values())
    seen: set[str] = set()
    highest = late = 0
    for value in values:
        number = int(value.partition("/")[2])
        if value not in seen:
            late += number < highest
        seen.add(value)
        highest = max(highest, number)
    return {"copies": 1000 * (len(values) - len(seen)) / sent, "late": 1000 * late / sent}


def simulated(script: str, recorded: dict[str, Any] | None = None) -> dict[str, list[float]]:
    """The rates of all seeds, on a network as fast as that of the recording."""
    scenario = scenario_of(script)
    if recorded and "broker_us" in recorded:
        took, longest = recorded["broker_us"]
        scenario = with_overrides(scenario, [
            f"network.broker.latency={_lognormal(took // 2, longest // 2)}",
            f"network.latency={_lognormal(*recorded['link_us'])}",
        ])  # fmt: skip
    rates = [rates_of(outcome_of(simulate(scenario, seed))) for seed in scenario.seeds]
    return {measure: [rate[measure] for rate in rates] for measure in MEASURES}


def _lognormal(median_us: int, p99_us: int) -> str:
    return f"{{distribution: lognormal, median: {median_us}us, p99: {p99_us}us}}"


def equivalent(real: list[float], ours: list[float], margin: float) -> tuple[bool, float, float]:
    """Whether the means are; the 90 % interval of their difference (real minus simulated)."""
    difference = fmean(real) - fmean(ours)
    half = NORMAL_95 * (variance(real) / len(real) + variance(ours) / len(ours)) ** 0.5
    return -margin <= difference - half and difference + half <= margin, difference - half, difference + half


def broker_times(outcomes: list[Outcome]) -> list[int]:
    """What brokers took for a produce request."""
    return spread(seen["took_us"] for one in outcomes for seen in one.sightings if seen["kind"] == "answered")


def spread(times: Iterable[int]) -> list[int]:
    """Median and 99th percentile."""
    took = sorted(times)
    return [took[len(took) // 2], took[len(took) * 99 // 100]]


def read() -> list[dict[str, Any]]:
    recorded: list[dict[str, Any]] = json.loads(RATES.read_text(encoding="utf-8")) if RATES.is_file() else []
    return recorded


def record(scripts: list[str], runs: int) -> None:
    known = {one["script"]: one for one in read()}

    async def play() -> None:
        async with Stage() as stage:
            for script in scripts:
                scenario = scenario_of(script)
                kafka = find(RELEASES[scenario.kafka])
                outcomes = [await stage.play(scenario, seed, kafka) for seed in range(runs)]
                rates = [rates_of(result_of(outcome)) for outcome in outcomes]
                known[script] = {
                    "script": script, "release": kafka.release, "librdkafka": version("confluent-kafka"),
                    "date": datetime.date.today().isoformat(), "seeds": runs, "broker_us": broker_times(outcomes),
                    "link_us": spread(took for one in outcomes for took in one.crossings),
                    **{measure: [round(rate[measure], 3) for rate in rates] for measure in MEASURES},
                }  # fmt: skip
                lines = ",\n".join(json.dumps(known[name], separators=(",", ":")) for name in sorted(known))
                RATES.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
                print(f"{script:<36} recorded", flush=True)

    interruptible(play)


def main() -> int:
    parser = argparse.ArgumentParser(description="compare rates under random faults with real Kafka")
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT")
    parser.add_argument("--record", type=int, default=0, metavar="N", help="play seeds 0..N-1 on real Kafka first")
    arguments = parser.parse_args()
    chosen = arguments.scripts or sorted(path.stem for path in (HERE / "random").glob("*.yaml"))
    if arguments.record:
        record(chosen, arguments.record)
    bad = 0
    for one in read():
        if one["script"] not in chosen:
            continue
        ours = simulated(one["script"], one)
        for measure in MEASURES:
            holds, low, high = equivalent(one[measure], ours[measure], WIDER.get(one["script"], MARGIN))
            bad += not holds and (one["script"], measure) not in OPEN
            told = f"real {fmean(one[measure]):6.2f}, simulated {fmean(ours[measure]):6.2f} in 1000"
            words = "equivalent" if holds else "NOT equivalent"
            print(f"{one['script']:<36} {measure:<7} {told}, difference {low:+.2f} .. {high:+.2f}: {words}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
