"""What stands in the brokers' log files, read while they run or when they are dead."""

from __future__ import annotations

from collections.abc import Iterable

from sim.real.cluster import RealCluster
from sim.real.record_batches import Batch, batches_in

__all__ = ["leader_epoch", "read_logs"]

Name = tuple[str, int]  # topic, partition index


def read_logs(cluster: RealCluster, partitions: Iterable[Name]) -> dict[Name, dict[int, list[Batch]]]:
    """The batches in the segment files of every replica, by partition and broker."""
    found: dict[Name, dict[int, list[Batch]]] = {}
    for topic, index in partitions:
        replicas = found[topic, index] = {}
        for broker in cluster.numbers:
            folder = cluster.log_folder(broker) / f"{topic}-{index}"
            if folder.is_dir():
                data = b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))
                replicas[broker] = list(batches_in(data))
    return found


def leader_epoch(cluster: RealCluster, broker: int, name: Name) -> int:
    """The last epoch that a leader knows of (``LeaderEpochCheckpointFile``: version, count, then epoch and start)."""
    path = cluster.log_folder(broker) / f"{name[0]}-{name[1]}" / "leader-epoch-checkpoint"
    lines = path.read_text().split("\n") if path.is_file() else []
    entries = [line.split() for line in lines[2:] if line.strip()]
    return int(entries[-1][0]) if entries else 0
