"""Where Apache Kafka and its Java clients are on this machine, and how to get them.

A release is a folder of jars: ``$KORDER_CACHE/kafka/RELEASE`` (default: ``korder`` in the XDG cache folder), or, where
``KAFKA_HOME`` names an installation of that release, its ``libs``. Nothing is fetched unless it is asked for:
``korder kafka RELEASE`` runs Maven on a pom of five lines.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sim.errors import InputError

__all__ = ["RELEASES", "Kafka", "fetch", "find", "release_of"]

RELEASES = {"4.3": "4.3.0", "3.9": "3.9.1"}  # by the release of a scenario: what korder has been compared with
MEMORY = ("-Xms96m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
SOURCES = tuple(Path(__file__).with_name(name) for name in ("KafkaClients.java", "KafkaMember.java"))
POM = """<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>korder</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{release}</version>
  </dependency></dependencies>
</project>
"""


@dataclass(frozen=True, slots=True)
class Kafka:
    """One release, ready to run."""

    release: str
    jars: Path
    java: str

    def command(self, main: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
        return [self.java, *MEMORY, *options, "-cp", self.class_path(), main, *arguments]

    def class_path(self) -> str:
        return os.pathsep.join((str(_classes(self)), f"{self.jars}/*"))


def release_of(version: str) -> str:
    """The release that ``4.3``, ``4.3.0`` and the like name; :class:`InputError` where none of ours is meant."""
    for short, release in RELEASES.items():
        if version in (short, release):
            return release
    raise InputError("--kafka", f"{version!r} is not a release that korder knows", f"write {' or '.join(RELEASES)}")


def cache() -> Path:
    own = os.environ.get("KORDER_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "korder"


def find(release: str) -> Kafka:
    """That release; :class:`InputError` with the way to get it where it is not here."""
    java = _tool("java")
    _tool("javac")
    home = os.environ.get("KAFKA_HOME")
    folders = [cache() / "kafka" / release, *([Path(home) / "libs"] if home else [])]
    for folder in folders:
        if (folder / f"kafka-clients-{release}.jar").is_file():
            return Kafka(release, folder, java)
    way_out = f"get it once with: korder kafka {release} (it runs Maven), or set KAFKA_HOME to an installation of it"
    raise InputError("confirm", f"Apache Kafka {release} is not on this machine", way_out)


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise InputError("confirm", f"there is no {name} on the path", "install a JDK, version 17 or newer")
    return found


def fetch(release: str) -> Path:
    """Get the jars of *release* with Maven, whole or not at all; the folder they are in."""
    target = cache() / "kafka" / release
    if (target / f"kafka-clients-{release}.jar").is_file():
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise InputError("kafka", "there is no mvn on the path", "install Maven, or set KAFKA_HOME to an installation")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as folder:
        pom, jars = Path(folder) / "pom.xml", Path(folder) / "jars"
        pom.write_text(POM.format(release=release), encoding="utf-8")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        ran = subprocess.run([maven, "-q", "-B", "-f", str(pom), *goal], capture_output=True, text=True, check=False)
        if ran.returncode or not (jars / f"kafka-clients-{release}.jar").is_file():
            said = next((line for line in ran.stdout.splitlines() if "ERROR" in line), f"status {ran.returncode}")
            raise InputError("kafka", f"Maven did not get Apache Kafka {release}: {said}", "see whether mvn works here")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(jars, target)
    return target


def _classes(kafka: Kafka) -> Path:
    """The compiled driver of the clients; made once a source and a release."""
    stamp = hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest()[:16]
    target = cache() / "classes" / f"{kafka.release}-{stamp}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as folder:
        made = Path(folder) / "classes"
        command = [_tool("javac"), "-nowarn", "-cp", f"{kafka.jars}/*", "-d", str(made), *map(str, SOURCES)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            said = " ".join(ran.stderr.split())[:200]
            raise InputError("confirm", f"the driver of the Java clients does not compile: {said}", "use a JDK of 17")
        if not target.is_dir():
            os.replace(made, target)
    return target
