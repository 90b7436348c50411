"""The commented scenario that ``korder new`` writes; it runs as it is."""

from __future__ import annotations

__all__ = ["template"]

_TEMPLATE = """\
# yaml-language-server: $schema=scenario.schema.json
# A scenario: a Kafka deployment, what happens to it, and what is expected. Run it: korder run FILE.
# Times and sizes carry a unit (250ms, 30s, 2m, 20MiB); options of Kafka stand as Kafka writes them, without one.
title: A broker dies under load
question: Does a failover reorder, duplicate or lose records?
kafka: "4.3"                    # release whose defaults and rules hold: "3.9" or "4.3"
seeds: 0..19                    # 'korder check' runs every one, both ends included
run: 20s                        # records are offered and faults happen for so long
settle: 10s                     # then nothing new, so that "not yet" becomes "lost"

brokers:
  count: 3
  # config: {replica.lag.time.max.ms: 30000}

topics:
  payments:
    partitions: 3
    replication.factor: 3
    config: {min.insync.replicas: 2}

producers:
  billing:
    client: java                # or librdkafka: other defaults, other retry rules
    # config may also name a properties file beside this one: config: producer.properties
    config: {acks: all, enable.idempotence: true}
    workload:
      topic: payments
      rate: 100/s               # or sends: [{at: 10ms, key: a, value: T1}]
      keys: {count: 20}         # or names: [a, b]; skew: uniform, zipf or round_robin
      value.bytes: 200
    # instances: 2              # so many alike, billing-1, billing-2
    # resend.after.failure: 1   # the application sends a failed record again

consumers:
  ledger:
    topics: [payments]
    config: {auto.offset.reset: earliest}

network:
  latency: {distribution: lognormal, median: 500us, p99: 5ms}

faults:
  # One verb an entry: kill, power_off, shutdown, pause, slow_disk, cut, slow, lossy, reset, preferred_election,
  # unclean_election, add_partitions, move_controller, restart_producer, start, rolling_restart; or do, for messages.
  - {at: 5s, kill: leader of payments-0, restart_after: 4s}
  # - {rate: 2/min, pause: broker 2, for: 300ms}
  # - {do: drop_response, producer: billing, partition: payments-1, nth: 3}

expect:                         # never, sometimes, always, {max: 3} a seed, {rate: "< 1 %"} over all seeds
  append-reorder: never
  duplicate-append: never
  lost-acked: never
"""


def template() -> str:
    """A scenario that loads, compiles and runs, with its choices in comments."""
    return _TEMPLATE
