"""When the Java client asks for metadata again, and what it then knows (``Metadata``, producer 5.4).

A refresh that was asked for goes out at once, unless the last one was shorter ago than a back-off that grows with
failures in a row, or with answers in a row that told nothing new. While it is on its way none is due.

Law: what is known of a partition never goes back to an older leader epoch.
"""

from __future__ import annotations

from sim.protocol.client_network import Backoff, MetadataCache
from sim.protocol.lanes import FOREVER
from sim.protocol.messages import MetadataResponse
from sim.protocol.port import Port
from sim.protocol.settings import JavaProducerSettings, Rules

__all__ = ["JavaMetadata"]


class JavaMetadata:
    def __init__(self, port: Port, settings: JavaProducerSettings, rules: Rules) -> None:
        self.port, self._max_age_us = port, settings.metadata_max_age_us
        self._grows = rules.exponential_retry_backoff
        self._backoff = Backoff(settings.retry_backoff_us, settings.retry_backoff_max_us)
        self._cache = MetadataCache()
        self._topics: list[int] = []
        self.due_us = 0  # a refresh is due from then on; FOREVER while one is on its way
        self.forgotten = False  # since the last rebootstrap nothing is known
        self._wanted = True
        self._asked_for = 0  # how many topics the request on its way names
        self._in_flight = False
        self._last_us = -FOREVER
        self._answer_us = 0
        self._failures = 0
        self._same_answers = 0

    # --- what is known -----------------------------------------------------------------------------------------------
    def leader(self, partition: int) -> int:
        return -1 if self.forgotten else self._cache.leader(partition)

    def leader_epoch(self, partition: int) -> int:
        return self._cache.leader_epoch(partition)

    def partitions(self, topic: int) -> tuple[int, ...]:
        return () if self.forgotten else self._cache.partitions(topic)

    def hint(self, partition: int, leader: int, epoch: int) -> bool:
        return not self.forgotten and self._cache.hint(partition, leader, epoch)

    def forget(self) -> None:
        """``Metadata.rebootstrap``: leaders and partitions are unknown until the next answer; epochs are remembered."""
        self.forgotten = True
        self.want()

    # --- refreshes ---------------------------------------------------------------------------------------------------
    def want_topic(self, topic: int) -> None:
        """send() waits for a topic: one met for the first time is asked for at once."""
        if topic not in self._topics:
            self._topics.append(topic)
            self._ask_at_once()
            self._wanted = True
            self._schedule()
        self.want()

    def _ask_at_once(self) -> None:
        """``requestUpdateForNewTopics``."""
        self._same_answers = 0
        self._last_us = -FOREVER

    def want(self) -> None:
        if not self._wanted:
            self._wanted = True
            self._schedule()

    def sent(self) -> tuple[int, ...]:
        """The request leaves now: the topics that it names."""
        self._in_flight, self._asked_for = True, len(self._topics)
        self.due_us = FOREVER
        return tuple(self._topics)

    def answered(self, response: MetadataResponse, now_us: int) -> list[int]:
        """Take in the answer; the partitions whose leader or leader epoch changed."""
        changed = self._cache.apply(response)
        self._in_flight, self.forgotten = False, False
        if changed or now_us - self._answer_us >= self._max_age_us:
            self._same_answers = 0
        if not changed:
            self._same_answers += 1
        self._last_us = self._answer_us = now_us
        self._failures = 0
        # Asked for meanwhile: this answer does for it, unless it is about a new topic, or a partition has no leader.
        leaderless = any(self._cache.leaderless(topic) for topic in self._topics)
        self._wanted = leaderless or self._asked_for < len(self._topics)
        if self._asked_for < len(self._topics):  # the send() that waits for it asks again, without a pause
            self._ask_at_once()
        self._schedule()
        return changed

    def failed(self, now_us: int) -> None:
        self._in_flight = False
        self._last_us = now_us
        self._failures += 1
        self._same_answers = 0
        self._wanted = True
        self._schedule()

    def _schedule(self) -> None:
        if self._in_flight:
            return
        earliest = 0
        if self._last_us > -FOREVER:
            waits = [self._delay_us(self._failures)]
            if self._same_answers:
                waits.append(self._delay_us(self._same_answers))
            earliest = self._last_us + max(waits)
        self.due_us = max(earliest, 0 if self._wanted else self._answer_us + self._max_age_us)

    def _delay_us(self, times: int) -> int:
        """The back-off is drawn once when a refresh is asked for; Kafka draws it again at every look (producer 1.3)."""
        if not self._grows:
            return self._backoff.initial_us
        return self._backoff.delay_us(times, self.port.draw("metadata"))
