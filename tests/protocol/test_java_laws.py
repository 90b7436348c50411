"""Laws of the Java producer under random answers, lost connections, moving leaders and clock steps.

Whatever the brokers say (they need not make sense), and whatever the options: at most one batch of a partition in a
request; with one request in flight at most one unanswered batch of a partition; at most retries + 1 transmissions;
every accepted record is reported exactly once in the end, and memory is free again; ``FAIL`` is only said of what no
log can have; first transmissions of an epoch number a partition without gaps.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.protocol.error_codes import PRODUCE_ERRORS
from sim.protocol.error_codes import ErrorCode as E
from sim.protocol.rows import Kind
from tests.protocol.java_play import REPORTS, Play

S = 1_000_000
MS = 1_000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWX"
CODES = (0, 0, 0, 0, 19, 6, 7, 5, 45, 46, 59, 87, 29)
STORED = (0, 7, 20)


class Stage:
    """Brokers that do what the schedule says, and the laws looked after at every step."""

    def __init__(self, calls: str, options: dict[str, Any]) -> None:
        self.play = Play(calls, leaders={0: 1, 1: 1, 2: 2}, **options)
        self.denied: Counter[str] = Counter()  # answers after which the batch is certainly not in a log
        self.play.start()

    def step(self, what: int, which: int, wait_ms: int) -> None:
        play = self.play
        play.run(wait_ms)
        if what == 0:
            self._disconnect(1 + which % 2)
        elif what == 1:
            partition, epoch = which % 3, play.leaders[which % 3][1] + 1
            play.leaders[partition] = ((1, 2, -1)[which // 3 % 3], epoch)
        elif play.live():
            self._answer(which)
        self.check()

    def _disconnect(self, broker: int) -> None:
        if any(wire.server == broker and wire.number not in self.play.port.closed for wire in self.play.port.wires):
            self.play.disconnect(broker)

    def _answer(self, which: int) -> None:
        """Answer the oldest request of some connection, every batch with some code."""
        play = self.play
        first = play.live()[which % len(play.live())]
        oldest = next(one for one in play.pending if one.wire == first.wire)
        codes = [CODES[(which + 5 * turn) % len(CODES)] for turn in range(len(oldest.letters))]
        for name, code in zip(oldest.letters, codes, strict=True):
            if code in STORED[1:]:
                play.store(name)
            if code and not PRODUCE_ERRORS[code].in_log:
                self.denied[name] += 1
        hint = {"leader": 2, "leader_epoch": which % 4} if which % 2 else {}
        play.answer("+".join(oldest.letters), *codes, log_start=which % 3 - 1, **hint)

    def finish(self) -> None:
        """Leaders for all, and every request is acknowledged."""
        play = self.play
        for partition, (leader, epoch) in play.leaders.items():
            if leader < 0:
                play.leaders[partition] = (1, epoch + 1)
        for _ in range(400):
            if play.role.idle():
                return
            play.flow(play.now_us / MS + 500, 5)
        raise AssertionError("not idle")

    # --- laws --------------------------------------------------------------------------------------------------------
    def check(self) -> None:
        for one in self.play.live():
            partitions = [batch.partition for batch in one.request.batches]
            assert len(partitions) == len(set(partitions)), "two batches of a partition in one request"
        if self.play.settings.max_in_flight == 1:
            unanswered = [batch.partition for one in self.play.live() for batch in one.request.batches]
            assert len(unanswered) == len(set(unanswered)), "two unanswered batches of a partition"

    def check_end(self) -> None:
        play = self.play
        reported = Counter(
            (row.partition, position) for row in play.rows(*REPORTS) for position in range(row.lo, row.hi)
        )
        accepted = {(lane.partition, at) for lane in play.role.sent().lanes for at in range(lane.taken)}
        assert set(reported) == accepted and set(reported.values()) <= {1}
        assert play.role.reports == len(accepted)
        assert play.role.intake.buffer.free_bytes == play.settings.buffer_memory_bytes
        assert max((row.n for row in play.rows(Kind.ATTEMPT)), default=0) <= play.settings.retries + 1
        self._check_failures()
        self._check_numbers()

    def _check_failures(self) -> None:
        play = self.play
        transmitted = Counter(one.letters for one in play.transmissions)
        for row in play.rows(Kind.FAIL):
            name = play.name(row.partition, row.lo, row.hi)
            assert name not in play.offsets, f"{name} is stored"
            assert transmitted[name] <= self.denied[name], f"{name} was sent oftener than refused"

    def _check_numbers(self) -> None:
        """Every first transmission goes on where the one before it in its epoch ended."""
        following: dict[tuple[int, int, int], int] = {}
        for row in self.play.rows(Kind.ATTEMPT):
            if row.n == 1 and row.seq >= 0 and row.pid >= 0:
                identity = (row.partition, row.pid, row.epoch)
                assert row.seq == following.get(identity, row.seq)
                following[identity] = row.seq + row.hi - row.lo


waits = st.sampled_from([0, 0, 1, 20, 110, 700])
steps = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 400), waits), max_size=45)
calls = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 1, 30, 200])), min_size=1, max_size=len(LETTERS))


def words(drawn: list[tuple[int, int]]) -> str:
    at, found = 0, []
    for letter, (partition, gap) in zip(LETTERS, drawn, strict=False):
        at += gap
        found.append(f"{letter}/{partition}@{at}")
    return " ".join(found)


@settings(max_examples=250, deadline=None)
@given(
    drawn=calls,
    schedule=steps,
    idempotence=st.booleans(),
    window=st.sampled_from([1, 2, 5]),
    retries=st.sampled_from([1, 3, 2**31 - 1]),
    batch_size=st.sampled_from([1, 461]),
    linger_ms=st.sampled_from([0, 10]),
    memory=st.sampled_from([3000, 1 << 25]),
    resend=st.sampled_from([0, 0, 1]),
)
def test_the_producers_laws_hold_whatever_the_brokers_do(
    drawn: list[tuple[int, int]],
    schedule: list[tuple[int, int, int]],
    idempotence: bool,
    window: int,
    retries: int,
    batch_size: int,
    linger_ms: int,
    memory: int,
    resend: int,
) -> None:
    stage = Stage(words(drawn), {
        "idempotence": idempotence, "max_in_flight": window, "retries": retries, "batch_size_bytes": batch_size,
        "linger_us": linger_ms * MS, "buffer_memory_bytes": memory, "resend": resend,
        "request_timeout_us": 2 * S, "delivery_timeout_us": 5 * S,
    })  # fmt: skip
    for what, which, wait_ms in schedule:
        stage.step(what, which, wait_ms)
    stage.finish()
    stage.check_end()


@settings(max_examples=80, deadline=None)
@given(drawn=calls, schedule=steps, window=st.sampled_from([1, 2, 5]), idempotence=st.booleans())
def test_with_sane_brokers_every_record_is_acknowledged_exactly_once(
    drawn: list[tuple[int, int]], schedule: list[tuple[int, int, int]], window: int, idempotence: bool
) -> None:
    """Lost connections and leaders that move, but nothing refused for good: no record fails, and with idempotence and
    leaders that recognise what they have each is stored once, in order."""
    play = Play(words(drawn), leaders={0: 1, 1: 1, 2: 2}, idempotence=idempotence, max_in_flight=window).start()
    for what, which, wait_ms in schedule:
        play.run(wait_ms)
        if what == 0 and play.live():
            play.disconnect(play.live()[which % len(play.live())].wire.server)
        elif what > 1 and play.live():
            _answer_sanely(play, which)
    while not play.role.idle():
        play.run(5)
        if play.live():
            _answer_sanely(play, 0)
    assert {row.kind for row in play.rows(*REPORTS)} == {Kind.ACK}
    assert sorted(play.callbacks().split()) == sorted(play.calls.letters)
    if idempotence:
        for partition in range(3):
            sent = [word[0] for word in words(drawn).split() if word[2] == str(partition)]
            assert play.log(partition).split() == sent


def _answer_sanely(play: Play, which: int) -> None:
    """Like a leader with the producer's state: stores what comes next, recognises what it has, refuses what leaves a
    gap; now and then it refuses, or stores and its answer is an error."""
    first = play.live()[which % len(play.live())]
    oldest = next(one for one in play.pending if one.wire == first.wire)
    codes, offsets = [], []
    for batch, name in zip(oldest.request.batches, oldest.letters, strict=True):
        code = E.NOT_ENOUGH_REPLICAS if which % 7 == 6 else 0
        if name in play.offsets and batch.seq >= 0:
            code = 0
        elif batch.seq > len(play.logs.get(batch.partition, [])):
            code = E.OUT_OF_ORDER_SEQUENCE_NUMBER
        elif code == 0:
            play.store(name)
            code = E.REQUEST_TIMED_OUT if which % 5 == 4 else 0
        codes.append(int(code))
        offsets.append(play.offsets.get(name, -1))
    play.respond(oldest, codes, offsets)
