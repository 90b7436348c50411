"""``make mutations``: break a rule of the protocol on purpose, and see whether a recording of real Kafka notices.

Each mutation is a change of one place in ``sim/protocol``, made in a copy, and the recordings that should notice. One
line each: the first that does, or ``SURVIVES``; exit status 1 if one survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300


@dataclass(frozen=True)
class Mutation:
    rule: str
    module: str  # of sim/protocol
    before: str
    after: str
    recordings: str  # names, with *: cells as ID.client, scripts as NAME


MUTATIONS = (
    Mutation("Java, plain: a batch that is retried goes to the head", "java_batches",
             "            batches.appendleft(batch)", "            batches.append(batch)", "batches_*_java_plain"),
    Mutation("Java, idempotent: retried batches are in sequence", "java_batches",
             "if queued.seq < 0 or queued.seq >= batch.seq:", "if True:", "batches_*_java_idempotent"),
    Mutation("Java: retries=0 means none", "java_outcomes",
             "if batch.done or batch.attempts >= settings.retries:", "if batch.done:", "retries_0_*java"),
    Mutation("Java: nothing new is sent while one of a sequence is out", "java_sequences",
             "return bool(sequenced) and sequenced[0].seq != first.seq", "return False", "*.java"),
    Mutation("Java: an epoch bump raises the epoch", "java_sequences",
             "            self.epoch += 1", "            pass", "batches_refused_for_good_java_idempotent"),
    Mutation("Java: too large a batch is taken apart and sent again", "java_outcomes",
             "if code == ErrorCode.MESSAGE_TOO_LARGE and batch.hi - batch.lo > 1 and not batch.done:", "if False:",
             "batches_too_large_java_*"),
    Mutation("NOT_LEADER_OR_FOLLOWER is retried", "error_codes",
             'ProduceError("retry", "retry", "retry_free", "retry_free", True, True)',
             'ProduceError("fail", "fail", "fail", "fail", True, True)', "partitions_*_refused_*"),
    Mutation("librdkafka: what comes back keeps its place", "librdkafka_queue",
             "insort(self.parts, part, key=_first)", "self.parts.append(part)", "*.librdkafka"),
    Mutation("librdkafka: who leads is asked while the leader is down", "librdkafka_network",
             "if stranded and now_us >= self._scan_us:", "if False:", "leader_killed_*librdkafka*"),
    Mutation("broker: a sequence it has is no new batch", "producer_state",
             "return _OUT_OF_ORDER if self.original(batch) is None else DUPLICATE", "return ACCEPT",
             "batches_response_lost_*_idempotent"),
    Mutation("broker: a gap in the sequence is refused", "producer_state",
             "if seq == (entry.last_seq + 1) % _SEQUENCES:", "if seq > entry.last_seq:", "*.java"),
    Mutation("broker: a new epoch begins at sequence 0", "producer_state",
             "return ACCEPT if seq == 0 else _OUT_OF_ORDER", "return _OUT_OF_ORDER",
             "batches_refused_for_good_*_idempotent"),
    Mutation("broker: too few in sync, nothing is appended", "broker_produce",
             "if part.gated and acks == -1:", "if False:", "insync_before_append_*_plain"),
    Mutation("broker: five batches of a producer are remembered", "producer_state",
             "deque(maxlen=5)", "deque(maxlen=1)", "I5.*"),
    Mutation("Java: key to partition by a positive murmur2", "partitioner",
             "return to_positive(murmur2(key)) % count", "return murmur2(key) % count", "keyed_java"),
    Mutation("librdkafka: key to partition by CRC32", "partitioner",
             '"consistent": zlib.crc32,', '"consistent": fnv1a,', "keyed_librdkafka"),
    Mutation("Java: partitions in the order of the client's Cluster", "java_order",
             "    capacity = 1\n    while", "    capacity = 16\n    while", "round_robin_4_3"),
    Mutation("Java: a lost connection fails the oldest request first", "java_network",
             "requests = [request.about for request in node.in_flight]",
             "requests = [request.about for request in reversed(node.in_flight)]", "batches_response_lost_java_*"),
)  # fmt: skip

PROGRAM = """
import sys
from fnmatch import fnmatch
from tests.conformance import cells, run, scripts
for path in run.RECORDED:
    for cell in cells.read_cells(path):
        if fnmatch(f"{cell['id']}.{cell['client']}", sys.argv[1]) and run.first_difference(cell):
            sys.exit(print(cell["id"], cell["client"]))
for one in scripts.read():
    if fnmatch(one["script"], sys.argv[1]) and one["script"] not in scripts.KNOWN_DIFFERENCES:
        try:
            found = scripts.compare(one)
        except Exception as error:
            found = type(error).__name__
        if found:
            sys.exit(print(one["script"], one["kafka"]))
"""


def noticed_by(mutation: Mutation, folder: Path) -> str:
    """The first recording that notices the mutation, made in a copy in *folder*; empty if none does."""
    for name in ("sim", "analysis", "tests", "scenarios"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "sim" / "protocol" / f"{mutation.module}.py"
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.before) != 1:
        raise SystemExit(f"{mutation.module}: {mutation.before!r} stands there {text.count(mutation.before)} times")
    path.write_text(text.replace(mutation.before, mutation.after), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, mutation.recordings], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}, timeout=PATIENCE_S,
    )  # fmt: skip
    if ran.returncode:
        raise SystemExit(f"{mutation.rule}: {ran.stderr.strip().splitlines()[-1]}")
    return ran.stdout.strip()


def main(arguments: list[str]) -> int:
    chosen = [one for one in MUTATIONS if not arguments or any(fnmatch(one.module, word) for word in arguments)]
    survivors = 0
    for mutation in chosen:
        with tempfile.TemporaryDirectory() as folder:
            noticed = noticed_by(mutation, Path(folder))
        survivors += not noticed
        print(f"{mutation.rule:<62} {f'noticed by {noticed}' if noticed else 'SURVIVES'}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} broken rules are noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
