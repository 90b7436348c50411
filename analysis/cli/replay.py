"""The line that shows the same again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from sim.errors import LawBroken

__all__ = ["command_of", "law_broken_in"]


def command_of(file: str, seed: int | None, overrides: Iterable[str] = (), *more: str) -> str:
    """``korder run FILE --seed N``; without a seed, all of the file's seeds are meant."""
    words = ["korder", "check", file] if seed is None else ["korder", "run", file, "--seed", str(seed)]
    words += [word for override in overrides for word in ("--set", override)]
    return shlex.join([*words, *more])


def law_broken_in(broken: LawBroken, file: str, seed: int, overrides: Iterable[str]) -> LawBroken:
    """The same error with a line that replays it: the simulation itself does not know file and overrides."""
    where = broken.context.partition(" Again:")[0] or f"seed {seed}."
    return LawBroken(broken.law, broken.what, f"{where} Again: {command_of(file, seed, overrides, '--check-laws')}")
