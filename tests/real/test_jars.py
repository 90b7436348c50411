"""Which Kafka is meant, where it is looked for, and what is said where it is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sim.errors import InputError
from sim.real import jars


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with java, javac and mvn that do nothing, and an empty cache."""
    for name in ("java", "javac", "mvn"):
        tool = tmp_path / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("KORDER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    return tmp_path


def test_a_release_by_its_short_and_its_full_name() -> None:
    assert jars.release_of("4.3") == jars.release_of("4.3.0") == "4.3.0"
    with pytest.raises(InputError, match="'4.4' is not a release that korder knows; write 4.3 or 3.9"):
        jars.release_of("4.4")


def test_missing_jars_are_named_with_the_command_that_gets_them(tools: Path) -> None:
    with pytest.raises(InputError, match="Apache Kafka 4.3.0 is not on this machine; get it once with: korder kafka"):
        jars.find("4.3.0")


def test_the_cache_comes_first_and_an_installation_does_too(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tools / "kafka_2.13-4.3.0"
    for folder in (home / "libs", tools / "cache" / "kafka" / "3.9.1"):
        folder.mkdir(parents=True)
    (home / "libs" / "kafka-clients-4.3.0.jar").touch()
    (tools / "cache" / "kafka" / "3.9.1" / "kafka-clients-3.9.1.jar").touch()
    monkeypatch.setenv("KAFKA_HOME", str(home))
    assert jars.find("4.3.0").jars == home / "libs"
    assert jars.find("3.9.1").jars == tools / "cache" / "kafka" / "3.9.1"


def test_without_java_one_line_says_what_to_install(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(InputError, match="there is no java on the path; install a JDK"):
        jars.find("4.3.0")


def test_maven_that_fails_leaves_no_half_of_a_folder(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        out = next(word for word in command if word.startswith("-DoutputDirectory=")).partition("=")[2]
        Path(out).mkdir()
        (Path(out) / "half.jar").touch()
        return subprocess.CompletedProcess(command, 1, "[ERROR] no way to the registry\n", "")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(InputError, match="Maven did not get Apache Kafka 4.3.0: .* no way to the registry"):
        jars.fetch("4.3.0")
    assert list((tools / "cache" / "kafka").iterdir()) == []


def test_a_command_line_has_the_jars_behind_the_driver(tools: Path) -> None:
    kafka = jars.Kafka("4.3.0", tools / "jars", "java")
    stamped = tools / "cache" / "classes"

    stamp = jars.hashlib.sha256(b"".join(source.read_bytes() for source in jars.SOURCES)).hexdigest()[:16]
    (stamped / f"4.3.0-{stamp}").mkdir(parents=True)
    command = kafka.command("kafka.Kafka", "node-1.properties")
    assert command[0] == "java"
    assert command[-4:-2] == ["-cp", f"{stamped / f'4.3.0-{stamp}'}:{tools / 'jars'}/*"]
    assert command[-2:] == ["kafka.Kafka", "node-1.properties"]
    assert "-Xmx384m" in command
