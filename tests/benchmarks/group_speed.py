"""A large group: records delivered in a second, kernel events for a delivered batch, and a thousand rebalances.

Absolute bars, and so in seconds of the processor: other programs on the machine do not count. What is timed is the
whole run, its producer and brokers included. A delivered batch is what one poll hands over of one batch of the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

from tests.benchmarks.measured import Measured

if TYPE_CHECKING:
    from sim.trace import Trace

T = TypeVar("T")

__all__ = ["GROUP", "deliveries", "rebalanced", "rebalances"]

GROUP = Path(__file__).resolve().parent / "group.yaml"
MEMBERS, REBALANCES = 20, 1000
EVERY_MS, AWAY_MS, SETTLED_MS = 1250, 800, 6000
SHORT = {"session.timeout.ms": 600, "heartbeat.interval.ms": 200}


def deliveries(rounds: int) -> list[Measured]:
    """A million records through a group of 20 over 100 partitions."""
    from tests.benchmarks.parts import clocked, in_words
    from tests.benchmarks.runs import delivered, simulated

    rates = []
    for _ in range(rounds):
        run, took = _processor_s(lambda: simulated(GROUP))
        records, batches = delivered(run.trace)
        rates.append(records / took)
    with clocked() as spent:
        simulated(GROUP)
    return [
        Measured("records delivered to a group of 20, a second", median(rates), "", 500_000, detail=in_words(spent),
                 rounds=rates),
        Measured("kernel events per delivered batch", run.kernel_events / batches, "", 6, more=False,
                 detail=f"{run.kernel_events:,} events, {batches:,} batches, {records:,} records"),
    ]  # fmt: skip


def rebalances(rounds: int) -> list[Measured]:
    """A thousand rebalances of that group. Once: it is long, and each rebalance is a round of its own."""
    from sim.run import simulate
    from sim.scenario import from_dict
    from tests.benchmarks.parts import clocked, in_words

    scenario = from_dict(rebalanced(REBALANCES // 2))
    with clocked() as spent:
        trace, took = _processor_s(lambda: simulate(scenario, 0))
    generations = _generations(trace)
    detail = f"{generations:,} generations; {in_words(spent)}"
    return [Measured("1,000 rebalances of that group", took * REBALANCES / generations, "s", 30, more=False,
                     detail=detail)]  # fmt: skip


def _processor_s(work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def _generations(trace: Trace) -> int:
    from sim.protocol.rows import Kind

    return int((trace.events["kind"] == Kind.GENERATION).sum())


def rebalanced(deaths: int) -> dict[str, Any]:
    """The group with a short session, a little to do, and member after member that dies and comes back: each makes two
    rebalances, as its session ends and as it joins."""
    import yaml

    tree: dict[str, Any] = yaml.safe_load(GROUP.read_text(encoding="utf-8"))
    tree["run"] = f"{SETTLED_MS + deaths * EVERY_MS}ms"
    tree["brokers"]["config"] = {"group.min.session.timeout.ms": 100}
    tree["producers"]["app"]["workload"] = {"topic": "load", "rate": "20/s", "keys": {"count": 1000}}
    ledger = tree["consumers"]["ledger"]
    ledger["start"] = "0s"
    ledger["config"].update(SHORT)
    tree["faults"] = [
        {"at": f"{SETTLED_MS + k * EVERY_MS}ms", "kill": f"ledger-{k % MEMBERS + 1}", "restart_after": f"{AWAY_MS}ms"}
        for k in range(deaths)
    ]
    return tree
