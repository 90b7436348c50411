"""Delivery reports of librdkafka's producer, and what failed requests leave behind.

Laws: a message is reported once; ``FAIL`` says that no transmission can be in the log.
Order (producer:8.6): each answer reports its messages in msgid order; implicit acknowledgements precede the one that
implied them; a permanent failure is reported when its answer comes.
"""

from __future__ import annotations

from collections.abc import Iterable

from sim.protocol.client_network import LibrdkafkaBackoff
from sim.protocol.error_codes import PRODUCE_ERRORS, ErrorCode
from sim.protocol.lanes import Listener
from sim.protocol.librdkafka_intake import Intake
from sim.protocol.librdkafka_queue import Part, Request, Toppar
from sim.protocol.port import Port
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaProducerSettings

__all__ = ["Reports", "combined"]


def combined(request: Request) -> Part:
    """A request's messages as the one part that the idempotent producer must build again exactly so."""
    parts = request.parts
    return Part(
        request.lo, request.hi, max(part.retries for part in parts), 0, True, max(part.sent for part in parts),
        any(part.stained for part in parts), parts[0].row,
    )  # fmt: skip


class Reports:
    def __init__(self, port: Port, settings: LibrdkafkaProducerSettings, prod: int, intake: Intake) -> None:
        self._port, self._settings, self._prod, self._intake = port, settings, prod, intake
        self.listener: Listener | None = None
        self._backoff = LibrdkafkaBackoff(settings.retry_backoff_us, settings.retry_backoff_max_us)

    def delivered(self, toppar: Toppar, lo: int, hi: int, offset: int, row: int) -> None:
        self._port.record(
            Kind.ACK, cause=row, partition=toppar.partition, prod=self._prod, lo=lo, hi=hi, offset=offset
        )
        self._intake.reported(hi - lo, toppar.lane.size(lo, hi))
        self._tell(toppar, lo, hi, 0)

    def failed(self, toppar: Toppar, parts: Iterable[Part], code: int, now_us: int, row: int) -> None:
        for part in parts:
            self._port.record(
                Kind.UNKNOWN if part.stained else Kind.FAIL, cause=row, partition=toppar.partition, prod=self._prod,
                lo=part.lo, hi=part.hi, code=int(code),
            )  # fmt: skip
            self._intake.reported(part.hi - part.lo, toppar.lane.size(part.lo, part.hi))
            self._tell(toppar, part.lo, part.hi, int(code))
            self._intake.resend(toppar.lane, part.lo, part.hi, now_us)

    def _tell(self, toppar: Toppar, lo: int, hi: int, code: int) -> None:
        if self.listener is not None:
            self.listener.reported(toppar.partition, lo, hi, code)

    def expired(self, toppar: Toppar, parts: Iterable[Part], now_us: int) -> None:
        for part in parts:
            row = self._port.record(
                Kind.EXPIRE, cause=part.row, partition=toppar.partition, prod=self._prod, lo=part.lo, hi=part.hi
            )
            self.failed(toppar, (part,), ErrorCode.CLIENT_DELIVERY_TIMEOUT, now_us, row)

    def stain(self, request: Request, code: int) -> None:
        """After this answer (or none), may the transmission be in the log?"""
        error = PRODUCE_ERRORS.get(code)
        if request.sent and (error is None or error.in_log):
            for part in request.parts:
                part.stained = True

    def retry(self, request: Request, counted: bool, whole: bool, now_us: int, row: int) -> list[Part]:
        """Put a request's messages back, with one back-off draw for all. The parts that have no retry left.

        A retry that is not counted waits all the same (``rd_kafka_retry_msgq``).
        """
        raw = self._port.draw("retry")
        spent: list[Part] = []
        for part in [combined(request)] if whole else request.parts:
            if part.retries + counted > self._settings.retries:
                spent.append(part)
                continue
            part.retries += counted
            part.not_before_us = now_us + self._backoff.delay_us(part.retries, raw)
            part.row = row
            request.toppar.put_back(part)
        return spent
