"""How fast histories are read and judged.

Judging is measured on columns in memory, in records per second, for batches of a hundred and of one; reading JSON Lines
against the loop that does nothing but parse, with the fastest JSON parser that Python has, in the same rounds.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.benchmarks.measured import Measured, timed

if TYPE_CHECKING:
    from analysis.history import History

__all__ = ["judging", "reading"]

SIZES = (100_000, 1_000_000, 10_000_000)
LINES = 1_000_000
MISSING = "orjson is not installed: pip install '.[bench]'"


def judging(rounds: int, sizes: tuple[int, ...] = SIZES) -> list[Measured]:
    """Log-level names, then all names with their measures, of the largest size; and that cost grows with size alone."""
    found: list[Measured] = []
    for per_batch in (100, 1):
        for name, work, read, bar in (
            ("log-level names", _log_level, False, 2e6), ("all names and measures", _everything, True, 0.5e6),
        ):  # fmt: skip
            rates = {size: _rates(size, per_batch, read, work, rounds) for size in sizes}
            what = f"{name}, {per_batch} record{'s' * (per_batch > 1)} a batch"
            found += _told(what, rates, bar)
    return found


def _told(what: str, rates: dict[int, list[float]], bar: float) -> Iterator[Measured]:
    largest, smallest = max(rates), min(rates)
    cost = {size: 1e9 / median(some) for size, some in rates.items()}
    detail = f"{largest:,} records"
    yield Measured(what, median(rates[largest]), "records/s", bar, detail=detail, rounds=rates[largest])
    detail = ", ".join(f"{size:,}: {ns:,.0f} ns" for size, ns in cost.items())
    name = f"  its cost a record, {largest:,} / {smallest:,}"
    yield Measured(name, cost[largest] / cost[smallest], "", 2, more=False, detail=detail)


def _rates(size: int, per_batch: int, read: bool, work: Callable[[History], None], rounds: int) -> list[float]:
    from tests.benchmarks.histories import in_memory

    history = in_memory(size, per_batch, read=read)
    work(in_memory(10_000, per_batch, read=read))  # loads what is loaded once
    return [len(history.values) / timed(lambda: work(history)) for _ in range(rounds)]


def _log_level(history: History) -> None:
    from analysis.finding import LOG_LEVEL
    from analysis.verdict import judge

    judge(history, names=LOG_LEVEL)


def _everything(history: History) -> None:
    from analysis.verdict import judge

    assert judge(history).measures


def reading(rounds: int) -> list[Measured]:
    """Files as the exchange format's own examples are, as korder exports them, and what it exports of a run."""
    try:
        import orjson
    except ImportError:
        return [Measured("reading JSON Lines / bare loop", None, "", 0.5, detail=MISSING)]
    with tempfile.TemporaryDirectory() as folder:
        return [
            _compared(name, write(Path(folder) / f"{name}.jsonl"), orjson.loads, rounds)
            for name, write in (
                ("plain", _plain), ("exported, with ids", _exported), ("of a run, with ids and causes", _of_a_run),
            )  # fmt: skip
        ]


def _compared(name: str, path: Path, parse: Callable[[bytes], Any], rounds: int) -> Measured:
    from analysis.jsonl.read import read_jsonl

    ours, bare = [], []
    for _ in range(rounds):
        bare.append(timed(lambda: _bare(path, parse)))
        ours.append(timed(lambda: read_jsonl(path)))
    ratios = [one / other for one, other in zip(bare, ours, strict=True)]
    with path.open("rb") as lines:
        size = f"{sum(1 for _ in lines):,} lines, {path.stat().st_size >> 20} MiB"
    detail = f"{size}: {median(ours):.2f} s against {median(bare):.2f} s"
    what = f"reading JSON Lines / bare loop, {name}"
    return Measured(what, median(ratios), "", 0.5, detail=detail, rounds=ratios)


def _bare(path: Path, parse: Callable[[bytes], Any]) -> None:
    with path.open("rb") as lines:
        for line in lines:
            parse(line)


def _plain(path: Path) -> Path:
    """Sends, appends, acknowledgements, and polls of ten: the lines of the format's first example."""
    with path.open("w") as out:
        header = {"format": "korder-history", "version": 1, "time_unit": "us", "drain": True}
        out.write(json.dumps(header | {"consumers": {"C1": {"group": "G", "isolation": "read_committed"}}}) + "\n")
        polled: list[list[Any]] = []
        for k in range(LINES * 10 // 31):
            p, o, v, t = f"orders-{k % 12}", k // 12, f"a{k}", 10 * k
            told = [
                {"t": t, "e": "send", "prod": "P1", "i": k, "v": v, "p": p, "k": f"customer-{k % 1000}"},
                {"t": t + 3, "e": "append", "p": p, "o": o, "v": v, "b": 1, "lep": 0},
                {"t": t + 5, "e": "ack", "prod": "P1", "v": v, "p": p, "o": o},
            ]
            polled.append([p, o, v])
            if len(polled) == 10:
                told.append({"t": t + 8, "e": "poll", "con": "C1", "recs": polled})
                polled = []
            out.writelines(json.dumps(line) + "\n" for line in told)
    return path


def _exported(path: Path) -> Path:
    """What ``write_jsonl`` makes of a run: several replicas, high watermarks, an id on every event."""
    from analysis.jsonl.write import write_jsonl
    from tests.benchmarks.histories import in_memory

    history = in_memory(LINES // 5, 20, read=True)
    sends = history.records
    history.values = [f"P{prod}/{i}" for prod, i in zip(sends.prod.tolist(), sends.i.tolist(), strict=True)]
    return write_jsonl(history, path)


def _of_a_run(path: Path) -> Path:
    """Few records a batch, so lines of many kinds: with sequences and without, lists of every length."""
    from analysis.jsonl.write import write_jsonl
    from tests.benchmarks.runs import simulated

    scenario = Path(__file__).resolve().parents[2] / "scenarios" / "payments_failover.yaml"
    return write_jsonl(simulated(scenario, f"run={max(LINES // 8, 10_000)}ms").trace, path)
