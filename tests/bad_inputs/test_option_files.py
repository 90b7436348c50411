"""Broken option files, and broken references to them: one line with the option file's own name and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.errors import InputError
from sim.scenario import load

SCENARIO = """\
topics: {payments: {}}
producers:
  billing:
    client: CLIENT
    config: FILE
    workload: {topic: payments, rate: 5/s}
"""

# name: (client, text of the file, line of the mistake, words of the message)
CASES = {
    "contradiction": ("java", "acks=1\nenable.idempotence=true\n", 1, "ConfigException: acks=1"),
    "contradiction of retries": ("java", "# two\nretries: 0\nenable.idempotence true\n", 2, "needs retries above 0"),
    "window above five": ("java", "max.in.flight.requests.per.connection=6", 1, "at most 5 requests in flight"),
    "deadline too short": (
        "java",
        "linger.ms=1000\n\nrequest.timeout.ms=1\ndelivery.timeout.ms=1000",
        4,
        "below linger.ms + request.timeout.ms = 1001",
    ),
    "misspelt": ("java", "acks=all\nbatch.sise=1", 2, "did you mean batch.size?"),
    "not a number": ("java", "batch.size=many", 1, "must be a whole number, not 'many'"),
    "not a switch": ("java", "enable.idempotence=maybe", 1, "must be true or false, not 'maybe'"),
    "not one of the words": ("java", "compression.type=rar", 1, "must be none, gzip, snappy, lz4 or zstd"),
    "a placeholder": ("java", "linger.ms=${file:/etc/x:y}", 1, "must be a whole number of milliseconds"),
    "continued line": ("java", "acks=\\\n  two\n", 1, "acks must be all, -1, 0 or 1, not 'two'"),
    "broken escape": ("java", "acks=all\nclient.id=\\u12", 2, "is not a Unicode escape"),
    "no name": ("java", "acks=all\n=5", 2, "a property has no name"),
    "transactions": ("java", "transactional.id=pay-1", 1, "transactions are not modelled yet"),
    "transactions without idempotence": (
        "java",
        "acks=0\ntransactional.id=pay-1",
        2,
        "a transactional producer must be idempotent",
    ),
    "own partitioning interceptor": ("java", "interceptor.classes=com.acme.X", 1, "may change, drop or add records"),
    "old partitioner": (
        "java",
        "partitioner.class=org.apache.kafka.clients.producer.UniformStickyPartitioner",
        1,
        "before KIP-794",
    ),
    "C: retries": ("librdkafka", "enable.idempotence=true\nretries=0", 2, "retries=0 must be at least 1"),
    "C: window": ("librdkafka", "enable.idempotence=true\nmax.in.flight=6", 2, "max.in.flight=6 must be at most 5"),
    "C: pressure": ("librdkafka", "enable.idempotence=true\nqueue.buffering.backpressure.threshold=2", 2, "must be 1"),
    "C: gapless": ("librdkafka", "enable.gapless.guarantee=true", 1, "without enable.idempotence=true"),
    "C: deadline": ("librdkafka", "linger.ms=5\nmessage.timeout.ms=5", 2, "is not above linger.ms=5"),
    "C: back-off": ("librdkafka", "reconnect.backoff.ms=20000", 1, "is below reconnect.backoff.ms=20000"),
    "C: one option by two names": (
        "librdkafka",
        "delivery.timeout.ms=1000\nmessage.timeout.ms=2000",
        2,
        "one option with two values",
    ),
    "C: out of range": ("librdkafka", "socket.timeout.ms=5", 1, "must be from 10 to 300000"),
    "C: name of the Java client": (
        "librdkafka",
        "buffer.memory=1000",
        1,
        "its name here is queue.buffering.max.kbytes",
    ),
    "C: unknown": ("librdkafka", "nonsense=1", 1, "not an option of a librdkafka producer"),
}


def refused(folder: Path, client: str, file: str = "producer.properties") -> str:
    path = folder / "scenario.yaml"
    path.write_text(SCENARIO.replace("CLIENT", client).replace("FILE", file))
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value).isprintable()
    assert caught.value.way_out
    return str(caught.value)


@pytest.mark.parametrize("name", CASES)
def test_a_broken_option_file_is_named_with_its_own_line(name: str, tmp_path: Path) -> None:
    client, text, line, words = CASES[name]
    (tmp_path / "producer.properties").write_text(text)

    message = refused(tmp_path, client)

    assert message.startswith(f"{tmp_path / 'producer.properties'}:{line}")
    assert words in message


def test_an_option_file_that_is_not_there_gets_a_guess(tmp_path: Path) -> None:
    (tmp_path / "producer.properties").write_text("acks=all")
    message = refused(tmp_path, "java", "producer.propertys")
    assert "scenario.yaml:5: producers.billing.config" in message
    assert "there is no file 'producer.propertys'; did you mean producer.properties?" in message


@pytest.mark.parametrize("path", ["../outside.properties", "/etc/hostname", "inner/../../outside.properties"])
def test_an_option_file_outside_the_folder_is_not_read(path: str, tmp_path: Path) -> None:
    (tmp_path / "outside.properties").write_text("acks=1")
    folder = tmp_path / "scenarios"
    (folder / "inner").mkdir(parents=True)
    assert "leads out of the scenario's folder" in refused(folder, "java", path)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.properties").write_text("acks=1")
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "producer.properties").symlink_to(tmp_path / "outside.properties")
    assert "leads out of the scenario's folder" in refused(folder, "java")


def test_a_folder_is_no_option_file(tmp_path: Path) -> None:
    (tmp_path / "producer.properties").mkdir()
    assert "there is no file" in refused(tmp_path, "java")


def test_an_option_file_above_one_mebibyte_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "producer.properties").write_bytes(b"#" * (2 << 20))
    assert "at most 1048576 are read" in refused(tmp_path, "java")


def test_a_file_that_is_no_path_is_refused(tmp_path: Path) -> None:
    assert "5 is not a path" in refused(tmp_path, "java", "{file: 5}")
