"""The measurements of the simulator. Each returns what it measured, with its bar and its aim.

``rounds`` is how often; of a ratio's two sides one round is taken after the other, so that both meet the same machine,
and the median of the rounds' ratios counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from tests.benchmarks import mock_cluster
from tests.benchmarks.bare_loop import BareLoop
from tests.benchmarks.measured import Measured, timed

__all__ = ["batched_records", "failover_check", "memory_per_record", "real_failover", "round_trips"]

HERE = Path(__file__).resolve().parent
BARE_REQUESTS = 30_000
MOCK_RECORDS = 300_000
SEEDS, JOBS = "0..199", 2


def round_trips(rounds: int) -> list[Measured]:
    """Unbatched produce round trips against the same six kernel events with no protocol and no trace."""
    from tests.benchmarks.runs import ROUND_TRIPS, produce_requests, simulated

    ratios, ours, bare = [], [], []
    for _ in range(rounds):
        bare.append(BARE_REQUESTS / timed(BareLoop(BARE_REQUESTS).run))
        run = simulated(ROUND_TRIPS)
        requests = produce_requests(run.trace)
        ours.append(requests / run.seconds)
        ratios.append(ours[-1] / bare[-1])
    detail = f"{median(ours):,.0f} against {median(bare):,.0f} round trips/s"
    return [
        Measured("unbatched round trips / bare loop", median(ratios), "", 0.10, 0.20, detail=detail, rounds=ratios),
        Measured("kernel events per produce request", run.kernel_events / requests, "", 10, 6, more=False,
                 detail=f"{run.kernel_events:,} events, {requests:,} requests"),
    ]  # fmt: skip


def batched_records(rounds: int) -> list[Measured]:
    """Batched records with faults on, against a real librdkafka and its own mock cluster."""
    from tests.benchmarks.runs import BATCHED, acknowledged_records, simulated

    name = "batched records / librdkafka's mock cluster"
    if not mock_cluster.available():
        return [Measured(name, None, "", 2, 4, detail=mock_cluster.MISSING)]
    ratios, ours, mock = [], [], []
    for _ in range(rounds):
        mock.append(mock_cluster.records_per_second(MOCK_RECORDS))
        run = simulated(BATCHED)
        ours.append(acknowledged_records(run.trace) / run.seconds)
        ratios.append(ours[-1] / mock[-1])
    detail = f"{median(ours):,.0f} against {median(mock):,.0f} records/s"
    return [Measured(name, median(ratios), "", 2, 4, detail=detail, rounds=ratios)]


def memory_per_record(rounds: int) -> list[Measured]:
    """How far a run of many records lifts the peak of a fresh process, over the records."""
    bytes_each, detail = [], ""
    for _ in range(rounds):
        done = subprocess.run([sys.executable, str(HERE / "memory.py")], capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        bytes_each.append(told["bytes_per_record"])
        detail = f"{told['records']:,} records, {told['records_per_batch']:.0f} a batch"
    return [
        Measured("peak memory, trace included", median(bytes_each), "bytes/record", 100, more=False, detail=detail,
                 rounds=bytes_each)
    ]  # fmt: skip


def failover_check(rounds: int) -> list[Measured]:
    """``korder check`` of 200 seeds of a failover, as a user would run it. Once: it is long, and far from its bar."""
    command = [sys.executable, "-m", "analysis.cli", "check", str(HERE / "failover.yaml")]
    command += ["--seeds", SEEDS, "--jobs", str(JOBS)]
    status: list[int] = []
    took = timed(lambda: status.append(subprocess.run(command, capture_output=True, cwd=HERE.parents[1]).returncode))
    detail = f"200 seeds on {min(JOBS, os.cpu_count() or 1)} processes, exit status {status[0]}"
    value = took if status[0] in (0, 1) else None
    return [Measured("korder check, 200 seeds of a failover", value, "s", 120, 60, more=False, detail=detail)]


def real_failover(rounds: int) -> list[Measured]:
    """The payments failover on real brokers, their start included, against one simulated seed. Real ones once: it is
    long, and waits more than it works."""
    from sim.errors import InputError
    from sim.real.jars import RELEASES, find
    from sim.real.run import play_real
    from sim.run import simulate
    from sim.scenario import load

    name, scenario = "payments failover, real / simulated", load("payments_failover")
    try:
        find(RELEASES[scenario.kafka])
    except InputError as missing:
        return [Measured(name, None, "", 50, 100, detail=str(missing))]
    real = timed(lambda: play_real(scenario, 0))
    simulated = [timed(lambda seed=seed: simulate(scenario, seed)) for seed in range(rounds)]  # type: ignore[misc]
    detail = f"{real:.1f} s against {median(simulated):.2f} s"
    return [Measured(name, real / median(simulated), "", 50, 100, detail=detail, rounds=[real / s for s in simulated])]
