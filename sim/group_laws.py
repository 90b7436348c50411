"""Laws of consumers and groups, checked over the rows of a whole run: what must hold whatever the configuration.

- GROUP-1: of one generation (or member epoch) of a group at most one member has a partition.
- GROUP-2: an offset is stored only for a member, in the group's generation, as of the append. With KIP-848: in the
  member's epoch, or in an older one if nobody else was assigned the partition since; by nobody's member only where the
  group has no members (consumer:F3.26).
- GROUP-3: a position moves by delivery, reset and seek alone, and begins at what is committed or by a reset.
- GROUP-4: what is delivered is below a high watermark that a leader had announced.

GROUP-1 as the coordinator sees it stands in ``ClassicGroup.assigned`` and ``ConsumerGroup``; that a delivered record is
the one in the log is ``Laws.delivered``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sim.errors import LawBroken
from sim.protocol.rows import Kind

__all__ = ["COLUMNS", "KINDS", "GroupLaws"]

COLUMNS = ("kind", "host", "partition", "offset", "epoch", "n", "pid", "lo", "hi", "code")
KINDS = (
    Kind.ASSIGN, Kind.REVOKE, Kind.CRASH, Kind.POLL, Kind.RESET, Kind.SEEK, Kind.COMMIT, Kind.GENERATION, Kind.MEMBER,
    Kind.COORDINATES, Kind.HIGH_WATERMARK,
)  # fmt: skip
_NOBODY, _NEW, _LOADED, _MOVED = -1, 0, 4, 5


@dataclass(slots=True)
class _Group:
    """A group in time: (row, generation); by host (row, how many members it has there: an old process may not be out
    yet when the next one is in)."""

    generations: list[tuple[int, int]] = field(default_factory=lambda: [(-1, 0)])
    members: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    epochs: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # by host: (row, member epoch)
    coordinator: int = _NOBODY  # who took it over last: what an older one still believes does not count

    def generation_at(self, row: int) -> int:
        return next(generation for at, generation in reversed(self.generations) if at < row)

    def has(self, host: int, row: int) -> bool:
        return next((count > 0 for at, count in reversed(self.members.get(host, [])) if at < row), False)

    def epoch_at(self, host: int, row: int) -> int:
        return next((epoch for at, epoch in reversed(self.epochs.get(host, [])) if at < row), -1)

    def is_empty(self, row: int) -> bool:
        return not any(self.has(host, row) for host in self.members)

    def member(self, row: int, host: int, more: int) -> None:
        known = self.members.setdefault(host, [])
        known.append((row, (known[-1][1] if known else 0) + more))


class GroupLaws:
    """One pass over the rows. *group_of*: group number by host of a member; hosts that are not in it are readers.
    *modern*: groups of KIP-848."""

    def __init__(self, group_of: Mapping[int, int], modern: Collection[int] = ()) -> None:
        self._group_of, self._modern = group_of, modern
        self._groups = {group: _Group() for group in group_of.values()}
        self._owners: dict[tuple[int, int], dict[int, int]] = {}  # (group, partition) -> generation by host
        self._given: dict[tuple[int, int], list[tuple[int, int, int]]] = {}  # ... -> every (row, host, member epoch)
        self._positions: dict[tuple[int, int], int] = {}  # by host and partition
        self._may_begin: dict[tuple[int, int], list[int]] = {}  # where a new owner may begin
        self._committed: dict[tuple[int, int], int] = {}  # by group and partition
        self._marks: dict[int, int] = {}

    def check(self, rows: Iterable[tuple[int, ...]]) -> None:
        """*rows*: (row, *COLUMNS) of the kinds in ``KINDS``, in order. Raise if a law does not hold."""
        for row, kind, host, partition, offset, epoch, n, pid, lo, hi, code in rows:
            match kind:
                case Kind.HIGH_WATERMARK:
                    if n == 1:
                        self._marks[partition] = max(offset, self._marks.get(partition, 0))
                case Kind.POLL:
                    self._delivered(host, partition, offset, hi - lo)
                case Kind.ASSIGN:
                    self._assigned(row, host, partition, n)
                case Kind.REVOKE:
                    self._gone(host, partition)
                case Kind.RESET | Kind.SEEK:
                    self._positions[host, partition] = offset
                case Kind.CRASH:
                    self._crashed(host)
                case Kind.COMMIT:
                    if n == 1:
                        self._stored(host, partition, offset, epoch, lo)
                case Kind.GENERATION | Kind.COORDINATES | Kind.MEMBER:
                    self._coordinated(row, kind, host, self._groups[pid], epoch, n, code)
                case _:
                    raise ValueError(f"a row of kind {kind} is none of these laws' affairs")

    @staticmethod
    def _coordinated(row: int, kind: int, host: int, group: _Group, epoch: int, n: int, code: int) -> None:
        """A row of a coordinator."""
        if kind == Kind.COORDINATES:  # the members are those of the log, whatever the last coordinator thought
            group.coordinator = host
            for known in group.members.values():
                known.append((row, 0))
        elif group.coordinator not in (_NOBODY, host):
            return
        if kind != Kind.MEMBER:
            group.generations.append((row, epoch))
            return
        if code in (_NEW, _LOADED, _MOVED):
            group.epochs.setdefault(n, []).append((row, epoch))
        if code != _MOVED:
            group.member(row, n, 1 if code in (_NEW, _LOADED) else -1)

    def _assigned(self, row: int, host: int, partition: int, generation: int) -> None:
        self._positions.pop((host, partition), None)
        group = self._group_of.get(host)
        if group is None:
            return
        owners = self._owners.setdefault((group, partition), {})
        for other, its_generation in owners.items():
            if its_generation == generation and other != host:
                what = f"hosts {other} and {host} both have partition {partition} in generation {generation}"
                raise LawBroken("GROUP-1", what)
        owners[host] = generation
        if group in self._modern:
            self._given.setdefault((group, partition), []).append((row, host, generation))
        committed = self._committed.get((group, partition))
        self._may_begin[host, partition] = [] if committed is None else [committed]

    def _gone(self, host: int, partition: int) -> None:
        self._positions.pop((host, partition), None)
        self._may_begin.pop((host, partition), None)
        self._owners.get((self._group_of.get(host, _NOBODY), partition), {}).pop(host, None)

    def _crashed(self, host: int) -> None:
        for owner, partition in [key for key in self._positions if key[0] == host]:
            del self._positions[owner, partition]
        for owners in self._owners.values():
            owners.pop(host, None)

    def _stored(self, host: int, partition: int, offset: int, generation: int, append: int) -> None:
        number = self._group_of[host]
        group = self._groups[number]
        what = f"host {host} stored {offset} of partition {partition} in generation {generation}"
        if number in self._modern:
            reason = self._objection(number, host, partition, generation, append)
            if reason:
                raise LawBroken("GROUP-2", f"{what}, {reason}")
        elif generation != group.generation_at(append) or not group.has(host, append):
            raise LawBroken("GROUP-2", f"{what}, the group was in {group.generation_at(append)}")
        self._committed[number, partition] = offset
        for (_, other), begins in self._may_begin.items():
            if other == partition:
                begins.append(offset)

    def _objection(self, number: int, host: int, partition: int, epoch: int, append: int) -> str:
        """Why a member of KIP-848 should not have stored an offset, "" if it may."""
        group = self._groups[number]
        if epoch < 0:
            return "" if group.is_empty(append) else "the group had members"
        if not group.has(host, append):
            return "it was no member"
        known = group.epoch_at(host, append)
        if epoch > known:
            return f"its epoch was {known}"
        given = self._given.get((number, partition), []) if epoch < known else []
        if any(at < append and other != host and since > epoch for at, other, since in given):
            return "another member had the partition in a later epoch"
        return ""

    def _delivered(self, host: int, partition: int, offset: int, count: int) -> None:
        place = (host, partition)
        position = self._positions.get(place)
        begins = [position] if position is not None else self._may_begin.pop(place, [])
        if offset not in begins:
            raise LawBroken("GROUP-3", f"host {host} got {offset} of partition {partition}, it stood at {begins}")
        if offset + count > self._marks.get(partition, 0):
            what = f"host {host} got {offset + count - 1} of partition {partition}"
            raise LawBroken("GROUP-4", f"{what}, announced was {self._marks.get(partition, 0)}")
        self._positions[place] = offset + count
