"""What happened in a run, in a few lines: faults as they struck, what became of the records, whether it settled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from analysis.cli.wording import seconds
from sim.protocol.rows import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from sim.trace import Trace

__all__ = ["fates", "fault_words", "tell_run"]

MOST_FAULTS = 12
MOST_SHOWN = 30  # records whose logs are shown whole


def tell_run(console: Console, trace: Trace) -> None:
    _tell_faults(console, trace)
    sent, told = trace.send_count, fates(trace)
    words = [f"{count:,} {fate}" for fate, count in told.items() if count]
    open_ones = sent - sum(told.values())
    words += [f"{open_ones:,} still open"] if open_ones else []
    console.print(f"{sent:,} records sent: {', '.join(words)}", soft_wrap=True)
    simulated = seconds(trace.header["run_us"] + trace.header["settle_us"])
    if trace.header["settled"]:
        console.print(f"settled within {simulated} of simulated time")
    else:
        why = "; ".join(trace.header.get("unsettled") or []) or "something was still under way"
        console.print(f"did not settle within {simulated} of simulated time: {why}", style="yellow", soft_wrap=True)


def tell_logs(console: Console, trace: Trace) -> None:
    """Of a run that fits on a screen, what every partition holds in the end: ``payments-0: T1 T2 T3``."""
    if not 0 < trace.send_count <= MOST_SHOWN:
        return
    from analysis.from_trace import history_of
    from analysis.logs import Logs

    history = history_of(trace)
    records = Logs(history).records
    console.print()
    for number, name in enumerate(history.partitions):
        here = np.flatnonzero(records.partition == number)
        here = here[np.argsort(records.offset[here], kind="stable")]
        values = " ".join(str(history.values[code]) for code in records.value[here].tolist())
        console.print(f"{name}: {values or 'nothing'}", soft_wrap=True, markup=False)


def _tell_faults(console: Console, trace: Trace) -> None:
    """Who was struck when; a role such as "leader of payments-0" is a host only at that moment."""
    rows = np.flatnonzero(trace.events["kind"] == Kind.FAULT)
    for row in rows[:MOST_FAULTS].tolist():
        console.print(fault_words(trace, row), soft_wrap=True)
    if len(rows) > MOST_FAULTS:
        console.print(f"and {len(rows) - MOST_FAULTS:,} more faults")


def fault_words(trace: Trace, row: int) -> str:
    """``at 5 s: kill: leader of payments-0 -> broker-1``."""
    hosts = {int(host["number"]): str(host["name"]) for host in trace.header["hosts"]}
    faults, event = trace.header.get("faults") or [], trace.row(row)
    text = _what(str(faults[event["n"]])) if 0 <= event["n"] < len(faults) else "fault"
    struck = f" -> {hosts[event['host']]}" if event["host"] in hosts else ""
    return f"at {seconds(event['t_us'])}: {text}{struck}"


def _what(text: str) -> str:
    """The fault without its time, which stands before it: ``kill: leader of payments-0``."""
    return re.sub(r"^at: [^,]+, ", "", text)


def fates(trace: Trace) -> dict[str, int]:
    """Records by what the application was told of them."""
    kind = trace.events["kind"]
    size = trace.events["hi"].astype(np.int64) - trace.events["lo"]
    words = {"acknowledged": Kind.ACK, "unknown": Kind.UNKNOWN, "failed": Kind.FAIL, "refused by send()": Kind.REFUSED}
    return {word: int(size[kind == what].sum()) for word, what in words.items()}
