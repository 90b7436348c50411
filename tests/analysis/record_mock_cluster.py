"""Records real clients of librdkafka at its own mock cluster, and judges what was recorded.

    python tests/analysis/record_mock_cluster.py [--records 200] [--out FILE]

The mock cluster lives in the producer's process (``test.mock.num.brokers``); nothing else is needed but confluent-kafka
(``pip install '.[real]'``). A producer sends, a member of a group reads, commits and reads on after a second member has
taken its place. Every record must be sent, acknowledged and read once, in order, and the analyzer must find nothing;
the exit status is 1 where it is not so. It is no test of ``make test``, which does without the client.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis import judge  # noqa: E402
from analysis.recorder import Recorder  # noqa: E402

TOPIC, MOST_POLLS = "orders", 300
CONSUMERS = {"first": {"group": "ledger"}, "second": {"group": "ledger"}}


def record(path: Path, records: int) -> None:
    from confluent_kafka import Consumer, Producer

    with Recorder(path, consumers=CONSUMERS, drain=True) as recorder:
        config = {"test.mock.num.brokers": 3, "bootstrap.servers": "mock", "log_level": 4, "enable.idempotence": True}
        client = Producer(config)
        producer = recorder.producer(client, "shop-1")
        brokers = ",".join(f"{one.host}:{one.port}" for one in client.list_topics(timeout=10).brokers.values())

        def reader(name: str) -> Any:
            options = {
                "bootstrap.servers": brokers, "group.id": "ledger", "auto.offset.reset": "earliest",
                "enable.auto.commit": False, "session.timeout.ms": 6000, "on_commit": recorder.on_commit(name),
            }  # fmt: skip
            return recorder.consumer(Consumer(options), name)

        half = records // 2
        for name, numbers in (("first", range(half)), ("second", range(half, records))):
            for number in numbers:
                producer.produce(TOPIC, value=f"order-{number}", key=f"customer-{number % 7}")
            producer.flush(20)
            consumer = reader(name)
            consumer.subscribe([TOPIC])
            read(consumer, len(numbers))
            consumer.close()


def read(consumer: Any, wanted: int) -> None:
    """Until so many are read, and committed."""
    got = 0
    for _ in range(MOST_POLLS):
        got += len(consumer.consume(wanted, timeout=0.2))
        if got >= wanted:
            consumer.commit(asynchronous=False)
            return


def faults_of(path: Path, records: int) -> list[str]:
    """What is not as it has to be."""
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()[1:]]
    counts = Counter(event["e"] for event in events)
    read_ones = Counter(v for event in events if event["e"] == "poll" for _, _, v in event["recs"])
    print(", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    verdict = judge(path)
    found = {name: one.count for name, one in verdict.findings.items() if one.count and one.kind == "violation"}
    wrong = [f"{counts[name]} {name}, not {records}" for name in ("send", "ack") if counts[name] != records]
    wrong += [] if len(read_ones) == records else [f"{len(read_ones)} records read, not {records}"]
    wrong += [f"read more than once: {v}" for v, count in read_ones.items() if count > 1][:3]
    wrong += [f"{name}: {count}" for name, count in found.items()]
    wrong += [f"no {name}" for name in ("assign", "revoke", "commit") if not counts[name]]
    return wrong


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--records", type=int, default=200)
    asked.add_argument("--out", type=Path, help="keep the recording here (default: it is thrown away)")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.out or Path(folder) / "recording.jsonl"
        record(path, given.records)
        wrong = faults_of(path, given.records)
    print("\n".join(wrong) or f"{given.records} records sent, acknowledged and read once, in order")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
