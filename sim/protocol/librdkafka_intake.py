"""The application side of librdkafka's producer: produce() calls, the partition of each, what is refused.

Rules: produce() never blocks; with ``queue.buffering.max.messages`` or ``max.kbytes`` reached it fails
(``_QUEUE_FULL``), as it does for a message above ``message.max.bytes``, after a fatal error, and to a topic marked bad
(producer:8.4, 8.5). Before metadata a message waits without a partition and can only time out. More partitions remap
what comes later.

Laws: ``lane.taken`` counts the accepted messages of a lane; accepted and not yet reported messages never exceed the
queue's limit.

Time is looked at when the producer is: between two looks messages only arrive (reports happen at looks), so who found
the queue full follows from the order of calls alone. Where partitions follow from keys, a look costs a bisection or two
a lane; with the first refusal or re-send, and where a partition depends on the moment, messages are laid into lanes one
by one.
Simplified: messages with an explicit partition wait for metadata like all others.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from sim.protocol.error_codes import ErrorCode
from sim.protocol.lanes import FOREVER, Lane, Listener, Sends
from sim.protocol.librdkafka_queue import Toppar
from sim.protocol.partitioner import LibrdkafkaPartitioner
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaProducerSettings

__all__ = ["Intake"]


class _Topic:
    """One topic of the workload; ``toppars`` by partition index, empty before metadata."""

    def __init__(self, number: int, sends: Sends, settings: LibrdkafkaProducerSettings) -> None:
        self.number = number
        self.settled = sends.settled(number) and settings.partitioner != "random"
        self.partitioner = LibrdkafkaPartitioner(settings.partitioner, settings.sticky_linger_us)
        self.keys = sends.key_bytes(number)
        if self.settled and settings.partitioner == "consistent_random":
            self.settled = all(self.keys)  # it takes an empty key for none
        self.toppars: list[Toppar] = []
        self.bad = 0  # error code that produce() returns (TOPIC_AUTHORIZATION_FAILED)

    def available(self) -> list[bool]:
        """By partition index: whether it has a leader."""
        return [toppar.leader >= 0 for toppar in self.toppars]


class Intake:
    """``next``: the send index that comes next; ``lanes``: all, in the order in which they became known; ``stirred``:
    messages came that no lane's future told of (whoever reads it clears it)."""

    def __init__(
        self, port: Port, settings: LibrdkafkaProducerSettings, prod: int, sends: Sends, resend_limit: int = 0
    ) -> None:
        self._port, self._settings, self._prod, self.sends = port, settings, prod, sends
        self.topics = {number: _Topic(number, sends, settings) for number in sends.topic_numbers()}
        self.lanes: list[Lane] = []
        self.next = 0
        self.fatal = False
        self.stirred = False
        self.listener: Listener | None = None
        self.resends: list[tuple[int, int, int]] = []
        self._resend_limit = resend_limit
        self._resent: dict[int, int] = {}  # times, by original send index
        self._waiting = 0  # accepted and not yet reported
        self._waiting_bytes = 0
        self._homeless = 0  # messages below this one have a partition or are gone
        self._gone: set[int] = set()  # refused or timed out before metadata; asked for membership only
        self._checks_size = sends.largest_bytes > settings.message_max_bytes

    # --- metadata ----------------------------------------------------------------------------------------------------
    def learned(self, topic: int, partitions: Sequence[int], toppar_of: Callable[[int, int], Toppar]) -> None:
        """The topic's partitions by index, as new metadata shows them. A topic marked bad is good again."""
        state = self.topics.get(topic)
        if state is None:
            return
        state.bad = 0
        known = len(state.toppars)
        if len(partitions) <= known:
            return
        state.toppars = [toppar_of(partition, topic) for partition in partitions]
        self.lanes.extend(toppar.lane for toppar in state.toppars[known:])
        if state.settled:
            self._cut_lanes(state, self.next if known else 0)
            self._accept_settled(state, self.next)
        elif known == 0:
            self._lay(state, 0, self.next)

    def _cut_lanes(self, state: _Topic, start: int) -> None:
        count = len(state.toppars)
        of_key = [state.partitioner.partition(key, count, (), 0, self._draw) for key in state.keys]
        lanes = self.sends.split(state.number, of_key, count, start)
        for index, toppar in enumerate(state.toppars):
            toppar.lane.settle(lanes.get(index))

    # --- looking -----------------------------------------------------------------------------------------------------
    def advance(self, now_us: int) -> None:
        """Take the calls made by now."""
        sends = self.sends
        if self.next >= sends.count or sends.times[self.next] > now_us:
            return
        end = bisect_right(sends.times, now_us, self.next, sends.count)
        if self._all_fit(end):
            self._accept(self.next, end)
        else:
            self._one_by_one(end)
        self.stirred = self.stirred or not all(state.settled for state in self.topics.values())

    @property
    def done(self) -> bool:
        """All calls are made, and all that were accepted are reported."""
        return self.next >= self.sends.count and self._waiting == 0

    def reported(self, count: int, size_bytes: int) -> None:
        self._waiting -= count
        self._waiting_bytes -= size_bytes

    def next_us(self) -> int:
        """When a call may give the producer something to do that no lane's future tells."""
        sends = self.sends
        if self.next >= sends.count:
            return FOREVER
        if self.fatal:
            return sends.times[sends.count - 1]  # all that is left is refused, in one go
        if all(state.settled or not state.toppars for state in self.topics.values()):
            return FOREVER
        settings = self._settings
        first_us = sends.times[self.next]
        if settings.linger_us == 0:
            return first_us
        limit, limit_bytes = settings.batch_num_messages, settings.batch_size_bytes
        # A queue that holds a batch already waits for something else than calls.
        filling = [
            toppar for state in self.topics.values() for toppar in state.toppars
            if toppar.queued < limit and toppar.queued_bytes < limit_bytes
        ]  # fmt: skip
        if not filling:
            return FOREVER
        missing = limit - max(toppar.queued for toppar in filling)
        missing_bytes = limit_bytes - max(toppar.queued_bytes for toppar in filling)
        by_bytes = bisect_left(sends.cum, sends.cum[self.next] + missing_bytes, self.next) - 1
        full = max(self.next, min(self.next + missing - 1, by_bytes))
        return min(first_us + settings.linger_us, sends.times[full] if full < sends.count else FOREVER)

    def _all_fit(self, end: int) -> bool:
        settings, cum = self._settings, self.sends.cum
        if self.fatal or self._checks_size or any(state.bad for state in self.topics.values()):
            return False
        if self._waiting + end - self.next > settings.queue_max_messages:
            return False
        return self._waiting_bytes + cum[end] - cum[self.next] <= settings.queue_max_bytes

    def _accept(self, start: int, end: int) -> None:
        self._waiting += end - start
        self._waiting_bytes += self.sends.cum[end] - self.sends.cum[start]
        self.next = end
        for state in self.topics.values():
            if state.settled:
                self._accept_settled(state, end)
            elif state.toppars:
                self._lay(state, start, end)

    def _accept_settled(self, state: _Topic, end: int) -> None:
        for toppar in state.toppars:
            lane = toppar.lane
            if lane.taken < lane.length and lane.sends[lane.taken] < end:
                lane.taken = bisect_left(lane.sends, end, lane.taken, lane.length)

    def _lay(self, state: _Topic, start: int, end: int) -> None:
        """Choose partitions one by one; the time of a call is the moment of its choice."""
        sends, available = self.sends, state.available()
        for send in range(start, end):
            if sends.topics[send] == state.number and send not in self._gone:
                lane = self._lane_of(state, send, sends.times[send], available)
                lane.lay(send, sends.times[send], sends.cum[send + 1] - sends.cum[send])
                lane.taken = lane.length

    def _lane_of(self, state: _Topic, send: int, time_us: int, available: Sequence[bool]) -> Lane:
        """The partition of a call made at *time_us*."""
        sends, toppars = self.sends, state.toppars
        index = sends.indexes[send]
        if index < 0:
            key = state.keys[sends.keys[send]] if sends.keys[send] >= 0 else None
            index = state.partitioner.partition(key, len(toppars), available, time_us, self._draw)
        return toppars[index].lane

    def _draw(self) -> int:
        return self._port.draw("partition")

    # --- refusals ----------------------------------------------------------------------------------------------------
    def _one_by_one(self, end: int) -> None:
        """Some call may be refused: from now on lanes know no future."""
        for state in self.topics.values():
            self._unsettle(state)
        if self.fatal:
            self._refuse(end, ErrorCode.CLIENT_FATAL)
        while self.next < end:
            code = self._refusal(self.next)
            stop = self.next + 1
            if code == 0:
                self._accept(self.next, stop)
                continue
            while stop < end and self._refusal(stop) == code:
                stop += 1
            self._refuse(stop, code)

    def _unsettle(self, state: _Topic) -> None:
        if state.settled:
            state.settled = False
            for toppar in state.toppars:
                toppar.lane.settle(None)

    def _refusal(self, send: int) -> int:
        """Why this call fails, 0 if it does not."""
        sends, settings = self.sends, self._settings
        state, size = self.topics[sends.topics[send]], sends.cum[send + 1] - sends.cum[send]
        if state.bad:
            return state.bad
        if state.toppars and sends.indexes[send] >= len(state.toppars):
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if size > settings.message_max_bytes:
            return ErrorCode.CLIENT_RECORD_TOO_LARGE
        full = self._waiting >= settings.queue_max_messages or self._waiting_bytes + size > settings.queue_max_bytes
        return ErrorCode.CLIENT_BUFFER_EXHAUSTED if full else 0

    def _refuse(self, end: int, code: int) -> None:
        self._record(self.next, end, code)
        self.next = end

    def _record(self, start: int, end: int, code: int) -> None:
        self._port.record(Kind.REFUSED, cause=-1, prod=self._prod, lo=start, hi=end, code=code)
        self._gone.update(range(start, end))
        if self.listener is not None:
            self.listener.refused(start, end, code)

    def resend(self, lane: Lane, lo: int, hi: int, now_us: int) -> None:
        """The application hands over again what was reported failed or unknown, at most so many times a record."""
        if self._resend_limit == 0 or self.fatal:
            return
        for send in list(lane.sends[lo:hi]):
            original = send if send < self.sends.count else self.resends[send - self.sends.count][0]
            times = self._resent.get(original, 0)
            if times < self._resend_limit:
                self._resent[original] = times + 1
                self._again(original, now_us)

    def _again(self, original: int, now_us: int) -> None:
        sends, new = self.sends, self.sends.count + len(self.resends)
        for state in self.topics.values():
            self._unsettle(state)
        self.resends.append((original, now_us, self.next))
        code = self._refusal(original)
        if code:
            self._port.record(Kind.REFUSED, prod=self._prod, lo=new, hi=new + 1, code=code)
            return
        size = sends.cum[original + 1] - sends.cum[original]
        state = self.topics[sends.topics[original]]
        lane = self._lane_of(state, original, now_us, state.available())
        lane.lay(new, now_us, size)
        lane.taken = lane.length
        self._waiting += 1
        self._waiting_bytes += size
        self.stirred = True

    def expire_homeless(self, now_us: int, timeout_us: int) -> None:
        """Messages that found no metadata within message.timeout.ms (they never had a place in a lane)."""
        sends = self.sends
        end = bisect_right(sends.times, now_us - timeout_us, 0, self.next)
        for send in range(self._homeless, end):
            state = self.topics[sends.topics[send]]
            if not state.toppars and send not in self._gone:
                self._unsettle(state)
                self._record(send, send + 1, ErrorCode.CLIENT_DELIVERY_TIMEOUT)
                self.reported(1, sends.cum[send + 1] - sends.cum[send])
        self._homeless = max(self._homeless, end)

    def homeless_expire_at_us(self, timeout_us: int) -> int:
        """When the oldest message without metadata times out."""
        if self._homeless >= self.sends.count or all(state.toppars for state in self.topics.values()):
            return FOREVER
        return self.sends.times[self._homeless] + timeout_us
