"""librdkafka's offset commits: of the application, of the timer, and of what is unassigned (``rd_kafka_commit``).

A commit is sent at once if the coordinator is there. Errors that may pass are tried twice more; a commit without a
coordinator waits for one, ``session.timeout.ms`` at most. In a group of KIP-848 one of the client's own that came with
an old member epoch is sent with the present one each time the thread wakes, for as long; the application's fails. All
else ends it, with the coordinator's error: nothing is checked here, so a member that was put out learns it from the
answer (consumer:F3.38).

Law: every commit ends once. New partitions are not begun while a commit is outstanding (``wait_commit_cnt``): what they
begin at may be what it stores.

Sources: ``rd_kafka_cgrp_offsets_commit``, ``rd_kafka_cgrp_op_handle_OffsetCommit``,
``rd_kafka_handle_OffsetCommit_error``, ``rd_kafka_cgrp_defer_offset_commit``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sim.protocol.client_network import LibrdkafkaBackoff
from sim.protocol.coordinator_client import CoordinatorClient, moved
from sim.protocol.error_codes import ErrorCode
from sim.protocol.group_messages import OffsetCommitRequest, OffsetCommitResponse
from sim.protocol.offset_client import Offsets, Then
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaMemberSettings

__all__ = ["Commits"]

_RETRIES = 2  # RD_KAFKA_REQUEST_DEFAULT_RETRIES
_WITHOUT_COORDINATOR = frozenset(
    (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NETWORK_EXCEPTION)
)
_MAY_PASS = _WITHOUT_COORDINATOR | {ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.REQUEST_TIMED_OUT}


class _Commit:
    """``until_us``: how long it may still wait for a coordinator, -1 while it never had to."""

    __slots__ = ("auto", "not_before_us", "offsets", "retries", "then", "until_us")

    def __init__(self, offsets: Offsets, auto: bool, then: Then) -> None:
        self.offsets, self.auto, self.then = offsets, auto, then
        self.retries = self.not_before_us = 0
        self.until_us = -1


class Commits:
    """``outstanding``: commits that have not ended. *who*: generation and member id; *stale*: is told of a member epoch
    that was; *ended*: what every end does."""

    __slots__ = (
        "_backoff", "_coordinator", "_ended", "_group", "_port", "_settings", "_stale", "_waiting", "_who",
        "outstanding",
    )  # fmt: skip

    def __init__(
        self, port: Port, group: int, settings: LibrdkafkaMemberSettings, coordinator: CoordinatorClient,
        who: Callable[[], tuple[int, str]], stale: Callable[[int, int], None],
        ended: Callable[[Offsets, int, int], None],
    ) -> None:  # fmt: skip
        self._port, self._group, self._settings, self._coordinator = port, group, settings, coordinator
        self._who, self._stale, self._ended = who, stale, ended
        self._backoff = LibrdkafkaBackoff(settings.retry_backoff_us, settings.retry_backoff_max_us)
        self._waiting: list[_Commit] = []
        self.outstanding = 0

    def commit(self, offsets: Offsets, auto: bool, then: Then, now_us: int) -> None:
        """*then* is called with the error (0: stored) and the time."""
        self.outstanding += 1
        self._send(_Commit(offsets, auto, then), now_us)

    def _send(self, one: _Commit, now_us: int) -> None:
        peer = self._coordinator.ready(now_us)
        if peer is None:
            self._wait(one, now_us)
            return
        generation, member = self._who()
        request = OffsetCommitRequest(self._group, generation, member, self._settings.instance, one.offsets, one.auto)
        self._coordinator.ask(peer, request, lambda answer, then_us: self._answered(one, answer, then_us), now_us)

    def _wait(self, one: _Commit, now_us: int) -> None:
        """``rd_kafka_cgrp_defer_offset_commit``, ``rd_kafka_cgrp_consumer_defer_offset_commit``"""
        if one.until_us < 0:
            one.until_us = now_us + self._settings.session_timeout_us
        self._waiting.append(one)

    def _answered(self, one: _Commit, answer: object | None, now_us: int) -> None:
        error = answer.error if isinstance(answer, OffsetCommitResponse) else int(ErrorCode.NETWORK_EXCEPTION)
        if moved(error) or error == ErrorCode.REQUEST_TIMED_OUT:
            self._coordinator.unknown()
        if error in _MAY_PASS and one.retries < _RETRIES:
            one.retries += 1
            one.not_before_us = now_us + self._backoff.delay_us(one.retries, self._port.draw("member-commit"))
            self._waiting.append(one)
        elif error in _WITHOUT_COORDINATOR and one.until_us < 0:
            self._wait(one, now_us)
        elif error == ErrorCode.STALE_MEMBER_EPOCH and one.auto and not 0 <= one.until_us <= now_us:
            self._stale(error, now_us)
            self._wait(one, now_us)
        else:
            self._end(one, error, now_us)

    def go_on(self, now_us: int) -> None:
        """Those that wait for their next attempt, or for a coordinator, may go on."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if 0 <= one.until_us <= now_us:
                self._refuse(one, now_us)
            elif one.not_before_us <= now_us and self._coordinator.ready(now_us) is not None:
                self._send(one, now_us)
            else:
                self._waiting.append(one)

    def _refuse(self, one: _Commit, now_us: int) -> None:
        """``_WAIT_COORD``: the coordinator never heard of it."""
        code = int(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        for partition, (offset, _) in one.offsets.items():
            self._port.record(Kind.COMMIT, partition=partition, offset=offset, n=0, code=code, seq=int(one.auto))
        self._end(one, code, now_us)

    def _end(self, one: _Commit, error: int, now_us: int) -> None:
        self.outstanding -= 1
        self._ended(one.offsets, error, now_us)
        one.then(error, now_us)

    def deadlines(self) -> Iterator[int]:
        for one in self._waiting:
            yield one.not_before_us
            if one.until_us >= 0:
                yield one.until_us
