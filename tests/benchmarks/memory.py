"""Peak memory per record, in a process of its own: how far a long run lifts the peak that a short one left.

The short run loads every module and fills every cache, so that what remains is what records cost. Prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sim.protocol.rows import Kind  # noqa: E402
from tests.benchmarks.runs import BATCHED, simulated  # noqa: E402


def peak_bytes() -> int:
    """The most memory that this program has had. Linux hands ``ru_maxrss`` down from whoever started the process, so
    there the kernel's own figure of this program is read."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    simulated(BATCHED, "producers.app.workload[0].rate=2000/s")
    before = peak_bytes()
    trace = simulated(BATCHED).trace
    lifted = peak_bytes() - before
    records = len(trace.sends["i"])
    appends = int((trace.events["kind"] == Kind.APPEND).sum())
    told = {"records": records, "records_per_batch": records / appends, "bytes_per_record": lifted / records}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
