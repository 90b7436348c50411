"""An application that hands what ``poll()`` returned to a pool of threads, and how far it has got (consumer section 5).

Orders of a pool: *none*, one queue from which any free thread takes the next record; *key*, a queue a thread, chosen by
the hash of the record's key (records without a key: by their partition); *partition*, a queue a thread, chosen by the
partition. So work on records of one key (of one partition) is begun in order, each after the one before it has ended,
within one assignment; a pool without order begins in order and ends in any.

A group stores one number a partition, so what may be committed safely is the *watermark*: the offset of the lowest
record that was handed over and is not done (consumer:F5.1, F5.2). Records are followed in the order in which they were
handed over, not by arithmetic on offsets, because logs have gaps.

Laws: the watermark of a partition never falls within one assignment; a thread works on one record at a time. A
partition that is given up and comes back is followed anew: what is still under way from before counts for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable

from sim.protocol.application import runs_of
from sim.protocol.port import Port
from sim.protocol.reader_buffer import Slice
from sim.protocol.settings import ProcessingSettings
from sim.protocol.work import Desk, Done, Run, Work, Worker

__all__ = ["WorkerPool"]

Mark = tuple[int, int]  # next offset to read, leader epoch of the record before it


class _Progress:
    """One partition in one assignment."""

    __slots__ = ("done", "mark", "told", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Run] = deque()  # handed over, from the lowest that is not done on
        self.done: set[int] = set()  # offsets behind that one
        self.mark: Mark | None = None  # the watermark, once there is one
        self.told: Mark | None = None  # the one that was committed last

    def over(self, run: Run) -> None:
        self.done.add(run.offset)
        waiting, done = self.waiting, self.done
        while waiting and waiting[0].offset in done:
            first = waiting.popleft()
            done.discard(first.offset)
            self.mark = (waiting[0].offset if waiting else first.offset + 1, first.epoch)


class WorkerPool:
    """Threads of one application. Offsets that it names are next offsets to read, as they are committed."""

    __slots__ = ("_ended", "_of", "_order", "_progress", "_queues", "_workers", "_work", "open", "desk")

    def __init__(
        self, port: Port, time_us: Callable[[], int], settings: ProcessingSettings, desk: Desk | None,
        wake: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._work, self._order, self.desk = Work(port, time_us, settings, desk, wake), settings.order, desk
        self._workers = [Worker() for _ in range(settings.threads)]
        queues = 1 if settings.order == "none" else settings.threads
        self._queues: list[deque[tuple[_Progress, Run]]] = [deque() for _ in range(queues)]
        self._of: list[_Progress | None] = [None] * settings.threads  # of the record each thread works on
        self._progress: dict[int, _Progress] = {}
        self._ended: list[tuple[int, Mark]] = []  # partition and offset behind each record that ended, in that order
        self.open = 0  # records handed over that are not done

    # --- records ------------------------------------------------------------------------------------------------------
    def hand_over(self, slices: Iterable[Slice], now_us: int) -> None:
        """A poll returned these; threads that are free begin at once."""
        for run in runs_of(slices):
            progress = self._progress.setdefault(run.partition, _Progress())
            for step in range(run.hi - run.lo):
                lo = run.lo + step
                one = Run(run.partition, run.prod, lo, lo + 1, run.offset + step, run.epoch)
                progress.waiting.append(one)
                self._queues[self._queue_of(one)].append((progress, one))
                self.open += 1
        self.go_on(now_us)

    def _queue_of(self, run: Run) -> int:
        if self._order == "none":
            return 0
        key = self.desk.key(run) if self._order == "key" and self.desk is not None else -1
        return (run.partition if key < 0 else key) % len(self._queues)

    def go_on(self, now_us: int) -> None:
        """Whatever is over by now has ended; threads that are free take the next record."""
        moved = True
        while moved:
            moved = False
            for number, worker in enumerate(self._workers):
                if worker.run is not None and worker.until_us <= now_us:
                    self._look(number, worker, now_us)
                    moved = True
                if worker.run is None and self._next(number, worker, now_us):
                    moved = True

    def _look(self, number: int, worker: Worker, now_us: int) -> None:
        run, progress = worker.run, self._of[number]
        assert run is not None and progress is not None
        done = self._work.go_on(worker, now_us)
        if done is Done.NOT_YET:
            return
        self.open -= 1
        progress.over(run)
        if done is Done.ENDED:
            self._ended.append((run.partition, (run.offset + 1, run.epoch)))

    def _next(self, number: int, worker: Worker, now_us: int) -> bool:
        queue = self._queues[number % len(self._queues)]
        if not queue:
            return False
        self._of[number], run = queue.popleft()
        self._work.begin(worker, run, self._work.time_us(), now_us)
        return True

    # --- what the application asks ------------------------------------------------------------------------------------
    def next_us(self) -> int | None:
        """When the next work is over."""
        return min((worker.until_us for worker in self._workers if worker.run is not None), default=None)

    def busy_with(self, partitions: Collection[int]) -> bool:
        """Whether anything of these is handed over and not done, as far as it counts for this assignment."""
        return any(self._progress[p].waiting for p in partitions if p in self._progress)

    def moved(self) -> bool:
        """Whether some watermark is not the one that was committed last."""
        return any(one.mark != one.told for one in self._progress.values())

    def marks(self) -> list[tuple[int, Mark]]:
        """All watermarks there are, by partition."""
        return [(partition, one.mark) for partition, one in self._progress.items() if one.mark is not None]

    def watermarks(self, partitions: Collection[int] | None = None) -> dict[int, Mark]:
        """Watermarks (of *partitions*; else all) that have moved since they were asked for last."""
        found = {}
        for partition, one in self._progress.items():
            if one.mark is not None and one.mark != one.told and (partitions is None or partition in partitions):
                found[partition] = one.told = one.mark
        return found

    def ended(self) -> list[tuple[int, Mark]]:
        """Every record that has ended since this was asked last, also of partitions that are gone."""
        ended, self._ended = self._ended, []
        return ended

    @property
    def some_ended(self) -> bool:
        return bool(self._ended)

    # --- partitions that go -------------------------------------------------------------------------------------------
    def throw_away(self, partitions: Collection[int]) -> None:
        """What is queued of these is not begun any more; what is under way goes on."""
        for queue in self._queues:
            kept = [entry for entry in queue if entry[1].partition not in partitions]
            self.open -= len(queue) - len(kept)
            queue.clear()
            queue.extend(kept)
        at_work = {(worker.run.partition, worker.run.offset) for worker in self._workers if worker.run is not None}
        for partition in partitions:
            one = self._progress.get(partition)
            if one is not None:
                one.waiting = deque(run for run in one.waiting if (partition, run.offset) in at_work)

    def forget(self, partitions: Iterable[int]) -> None:
        """These are not this consumer's any more; what is handed over of them goes on and counts for nothing."""
        for partition in partitions:
            self._progress.pop(partition, None)
