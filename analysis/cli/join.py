"""``korder join``: recordings of clients and dumps of brokers' logs, made one history."""

from __future__ import annotations

import re
from pathlib import Path

from analysis.cli.console import results, steps
from analysis.cli.files import must_be_writable
from sim.errors import InputError

__all__ = ["join_histories"]


def join_histories(recordings: list[Path], logs: list[str], out: Path, *, identity: str, drain: bool) -> int:
    if not recordings and not logs:
        raise InputError("join", "there is nothing to join", "name recordings (.jsonl) and dumps (--log FILE)")
    named = [_log(text) for text in logs]
    for path in (*recordings, *(path for _, path in named)):
        if not path.is_file():
            raise InputError(str(path), "there is no such file", "name a recording or what kafka-dump-log.sh printed")
    must_be_writable(out.parent)
    with steps() as step:
        step.begin("joining")
        from analysis.join import join
        from analysis.jsonl.write import write_events

        joined = join(recordings, named, identity=identity, drain=drain)
        write_events(joined.events(), out)
    console = results()
    console.print(f"{_count(joined.sends, 'record')} sent, {joined.stored:,} in the leaders' logs", soft_wrap=True)
    if joined.stored > joined.known and joined.sends:
        console.print(f"{joined.stored - joined.known:,} of them were sent by nobody who was recorded", soft_wrap=True)
    console.print(f"wrote {out}; now: korder analyze {out}", soft_wrap=True)
    return 0


def _log(text: str) -> tuple[int, Path]:
    """``FILE``, or ``BROKER:FILE``."""
    found = re.fullmatch(r"(\d{1,9}):(.+)", text)
    return (int(found[1]), Path(found[2])) if found else (1, Path(text))


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
