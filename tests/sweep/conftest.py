"""A scenario that runs in a few hundredths of a second and has something to count."""

from __future__ import annotations

from pathlib import Path

import pytest

SMALL = """\
title: Lost answers at random
seeds: 0..5
run: 2s
settle: 3s
brokers: {count: 3}
topics:
  orders: {partitions: 1, replication.factor: 3, config: {min.insync.replicas: 2}}
producers:
  shop:
    config: {acks: all, enable.idempotence: false, linger.ms: 0}
    workload: {topic: orders, rate: 50/s}
consumers:
  reader: {topics: [orders], config: {auto.offset.reset: earliest}}
network: {latency: {distribution: lognormal, median: 20ms, p99: 60ms}}
faults:
  - {rate: 60/min, reset: [shop, brokers]}
expect: {lost-acked: never}
"""
VARY = ("max.in.flight.requests.per.connection=1,5", "enable.idempotence=false,true")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path
