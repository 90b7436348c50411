"""What a real librdkafka pushes through its own in-process mock cluster: records per second of wall time.

confluent-kafka is needed here alone. Without it the comparison is left out and says how to get it.
"""

from __future__ import annotations

import time

__all__ = ["MISSING", "available", "records_per_second"]

MISSING = "confluent-kafka is not installed: pip install '.[bench]'"
KEYS, VALUE_BYTES, BROKERS = 100, 200, 3


def available() -> bool:
    try:
        import confluent_kafka
    except ImportError:
        return False
    return confluent_kafka.__name__ != ""


def records_per_second(records: int) -> float:
    """From the first call of produce() until all is acknowledged, with librdkafka's own batch defaults."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": "", "test.mock.num.brokers": BROKERS, "log_level": 2})
    keys = [f"k{number}".encode() for number in range(KEYS)]
    value = b"x" * VALUE_BYTES
    producer.produce("load", value, keys[0])  # the topic is made, leaders are known
    producer.flush(30)
    start = time.perf_counter()
    for number in range(records):
        _produce(producer, value, keys[number % KEYS])
    left = producer.flush(60)
    took = time.perf_counter() - start
    if left:
        raise RuntimeError(f"the mock cluster left {left} of {records} records unacknowledged")
    return records / took


def _produce(producer: object, value: bytes, key: bytes) -> None:
    while True:
        try:
            producer.produce("load", value, key)  # type: ignore[attr-defined]
            return
        except BufferError:  # its queue is full: let it send
            producer.poll(0.001)  # type: ignore[attr-defined]
