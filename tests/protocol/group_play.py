"""A classic group in a home that the test plays: time, the log, and what was answered to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sim.protocol.broker_channels import Channel
from sim.protocol.group_classic import ClassicGroup
from sim.protocol.group_messages import (
    GroupRecord,
    HeartbeatRequest,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    OffsetCommitRequest,
    Subscription,
    SyncGroupRequest,
)
from sim.protocol.rows import Kind
from sim.protocol.settings import CoordinatorSettings
from tests.protocol.scripted_port import Wire

MS, S = 1_000, 1_000_000
ANSWERS_NOTHING = ("none yet",)


@dataclass
class GroupPlay:
    """``answers``: by member name as the test calls it, everything that was answered to it, newest last."""

    settings: CoordinatorSettings = field(default_factory=CoordinatorSettings)
    session_us: int = 10 * S
    rebalance_us: int = 60 * S
    now: int = 0
    holds_writes: bool = False

    def __post_init__(self) -> None:
        self.group = ClassicGroup(self, 0)
        self.answers: dict[str, list[Any]] = {}
        self.ids: dict[str, str] = {}
        self.generation: dict[str, int] = {}
        self.rows: list[tuple[Kind, int, int]] = []
        self.written: list[GroupRecord] = []
        self.held: list[Callable[[int, int], None]] = []
        self._channels: dict[int, str] = {}
        self._timers: list[tuple[int, int, Callable[[int], None]]] = []

    # --- the home -----------------------------------------------------------------------------------------------------
    def write(self, record: GroupRecord, now_us: int, then: Callable[[int, int], None]) -> None:
        self.written.append(record)
        if self.holds_writes:
            self.held.append(then)
        else:
            then(0, now_us)

    def reply(self, channel: Channel, response: object, now_us: int) -> None:
        name = self._channels[channel.conn.number]
        self.answers.setdefault(name, []).append(response)
        if isinstance(response, JoinGroupResponse) and response.member:
            self.ids[name] = response.member
            if not response.error:
                self.generation[name] = response.generation

    reply_in_order = reply

    def at(self, time_us: int, ring: Callable[[int], None]) -> None:
        self._timers.append((time_us, len(self._timers), ring))

    def record(self, kind: Kind, group: int, epoch: int, n: int, code: int = 0) -> None:
        self.rows.append((kind, n, code))

    def new_member_id(self, client: str, channel: Any) -> str:
        return f"{client}-{len(self.ids)}"

    # --- time ---------------------------------------------------------------------------------------------------------
    def run_to(self, time_us: int) -> None:
        while due := sorted(timer for timer in self._timers if timer[0] <= time_us):
            self._timers.remove(due[0])
            self.now = max(self.now, due[0][0])
            due[0][2](self.now)
        self.now = time_us

    # --- members ------------------------------------------------------------------------------------------------------
    def _channel(self, name: str) -> Channel:
        number = len(self._channels)
        self._channels[number] = name
        return Channel(Wire(number, 100 + sorted({*self._channels.values()}).index(name), 1))

    def join(self, name: str, *, instance: str = "", protocols: Any = ("range",), owned: tuple[int, ...] = ()) -> Any:
        """JoinGroup, twice where an id has to be fetched first; the last answer, if one has come."""
        for _ in range(2):
            before = len(self.answers.get(name, []))
            said = tuple((protocol, Subscription((0,), owned)) for protocol in protocols)
            request = JoinGroupRequest(
                0, self.ids.get(name, ""), instance, name, self.session_us, self.rebalance_us, said
            )
            self.group.join(self._channel(name), request, self.now)
            if len(self.answers.get(name, [])) == before:
                return ANSWERS_NOTHING
            if self.answers[name][-1].error != 79:  # MEMBER_ID_REQUIRED
                break
        return self.answers[name][-1]

    def sync(self, name: str, **shares: tuple[int, ...]) -> Any:
        """SyncGroup, as leader with the shares of members by name."""
        assignments = {self.ids[other]: share for other, share in shares.items()}
        request = SyncGroupRequest(0, self.generation[name], self.ids[name], "", assignments)
        before = len(self.answers[name])
        self.group.sync(self._channel(name), request, self.now)
        return self.answers[name][-1] if len(self.answers[name]) > before else ANSWERS_NOTHING

    def beat(self, name: str, instance: str = "", member: str | None = None) -> int:
        request = HeartbeatRequest(0, self.generation[name], member or self.ids[name], instance)
        self.group.heartbeat(self._channel(name), request, self.now)
        error: int = self.answers[name][-1].error
        return error

    def leave(self, name: str) -> int:
        self.group.leave(self._channel(name), LeaveGroupRequest(0, self.ids[name], ""), self.now)
        error: int = self.answers[name][-1].error
        return error

    def objection(self, name: str, generation: int | None = None, instance: str = "", member: str | None = None) -> int:
        """What a commit of that member meets."""
        known = self.generation[name] if generation is None else generation
        return self.group.objection(
            OffsetCommitRequest(0, known, self.ids[name] if member is None else member, instance, {0: (1, 0)})
        )

    def stable(self, *names: str, **instances: str) -> None:
        """All of them in one generation, the first as leader; partition k to the k-th."""
        for name in names:
            self.join(name, instance=instances.get(name, ""))
        self.run_to(self.now + 2 * self.settings.initial_rebalance_delay_us)
        for name in names:
            shares = {other: (place,) for place, other in enumerate(names)} if self.leads(name) else {}
            self.sync(name, **shares)

    def leads(self, name: str) -> bool:
        return self.group.roster.leader == self.ids[name]
