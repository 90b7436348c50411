"""Small scenarios, and the command line run inside the test or as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

QUIET = """\
title: Nothing happens
question: Is a run without failures in order?
answer: It is.
seeds: 0..3
run: 1s
settle: 2s
brokers: {count: 3}
topics:
  orders: {partitions: 2, replication.factor: 3, config: {min.insync.replicas: 2}}
producers:
  shop:
    config: {acks: all}
    workload: {topic: orders, rate: 100/s, keys: {count: 5}}
consumers:
  reader: {topics: [orders], config: {auto.offset.reset: earliest}}
expect: {append-reorder: never, duplicate-append: never, lost-acked: never}
"""

# The first request to orders-0 is answered, but the answer is thrown away: without idempotence it is sent again.
DUPLICATED = """\
title: A lost answer
question: Does a lost answer store a record twice?
seeds: 0..3
run: 1s
settle: 3s
brokers: {count: 3}
topics:
  orders: {partitions: 1, replication.factor: 3}
producers:
  shop:
    config: {acks: all, enable.idempotence: false, linger.ms: 0}
    workload: {topic: orders, rate: 20/s}
faults:
  - {do: drop_response, producer: shop, partition: orders-0, nth: 3, after_answered: 3}
expect: {duplicate-append: never, lost-acked: never}
"""


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    return _file(tmp_path / "quiet.yaml", QUIET)


@pytest.fixture
def duplicated(tmp_path: Path) -> Path:
    return _file(tmp_path / "duplicated.yaml", DUPLICATED)


def _file(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def korder(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line within this process: quick."""
    from analysis.cli.main import status_of

    def run(*arguments: str | Path) -> Said:
        capfd.readouterr()
        status = status_of([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Said(status, out, err)

    return run


def started(*arguments: str | Path, **options: object) -> subprocess.Popen[str]:
    """The command line as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "analysis.cli", *(str(argument) for argument in arguments)]
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip
