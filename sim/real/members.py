"""Members of groups on real brokers: when they start, are closed, die and come back, and whether they are at rest.

The same calendar as in ``sim.world.members``. A member that a fault strikes has a process of its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.plan import MemberPlan, Plan
from sim.protocol.settings import LibrdkafkaMemberSettings
from sim.real.driver import Driver
from sim.real.outcome import Event
from sim.streams import quantile, quantile_table, stream

if TYPE_CHECKING:
    from sim.real.play import Play

__all__ = ["OFFSETS_TOPIC", "Members", "client_ids", "lacking_in", "members_of", "offsets_topic", "work_of"]

OFFSETS_TOPIC = "__consumer_offsets"
DRAWS = 4096  # times of work where they are drawn; then they begin again
QUIET_S = 1.5  # nothing more of a group that was at rest for so long
LEAVING_S = 5.0
LOOK_S = 0.05
Name = tuple[str, int]


def members_of(plan: Plan) -> tuple[MemberPlan, ...]:
    return plan.groups.members if plan.groups is not None else ()


def lacking_in(plan: Plan) -> list[str]:
    """What of the plan's readers and members no real run can give, in words."""
    calls = "calls (the drivers pause, resume and seek nothing)"
    found = [f"consumers.{one.name}: {calls}" for one in plan.readers if one.calls]
    for one in members_of(plan):
        does = one.processing
        told = {
            "client: librdkafka in a group (its driver reads assigned partitions)": isinstance(
                one.settings, LibrdkafkaMemberSettings
            ),
            calls: bool(one.calls),
            "processing.failure.percent (drawn by the simulator alone; nth is given)": does.fails_ppm > 0,
            "processing.threads (the drivers work in the thread that polls)": does.threads > 0,
            "a topic that it sends to (the drivers' members send nothing)": bool(one.outlets),
        }
        found += [f"consumers.{one.name}: {what}" for what, asked in told.items() if asked]
    return found


def client_ids(plan: Plan) -> dict[str, int]:
    """The client.id of every member, and its host: its own where it has one that no other has, else its name.

    The proxy knows a connection by it. Members are ordered by it when partitions are assigned (consumer:F6.11)."""
    members = members_of(plan)
    taken = Counter(one.options.get("client.id", "") for one in members)
    taken.update(one.name for one in plan.producers)
    taken.update(one.name for one in plan.readers)
    ids: dict[str, int] = {}
    for one in members:
        own = one.options.get("client.id", "")
        ids[own if own and taken[own] == 1 else one.name] = one.host
    return ids


def work_of(plan: MemberPlan, seed: int) -> dict[str, Any]:
    """What the application does, for the driver: ``sim.protocol.settings.ProcessingSettings`` as JSON."""
    does = plan.processing
    times = [plan.time.parameters["value"]] if plan.time.name == "constant" else _drawn(plan, seed)
    return {
        "times": times, "per_poll": does.per_poll, "commit": does.commit, "commit_async": does.commit_async,
        "commit_in_revoke": does.commit_in_revoke, "fails": list(does.fails_nth), "on_failure": does.on_failure,
    }  # fmt: skip


def _drawn(plan: MemberPlan, seed: int) -> list[int]:
    """The draws of the simulated member, in order."""
    table, draws = quantile_table(plan.time), stream(seed, f"{plan.name}/processing")
    return [quantile(table, draws.getrandbits(32)) for _ in range(DRAWS)]


@dataclass
class Member:
    plan: MemberPlan
    client_id: str
    driver: Driver | None = None
    life: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    owned: set[Name] = field(default_factory=set)
    waits: bool = False  # its process is there and was not told to go
    up: bool = False
    over: bool = False  # closed, and not started again
    resting: bool = False

    @property
    def called(self) -> str:
        """The present process's name, for its driver."""
        return self.plan.name if self.life == 1 else f"{self.plan.name}#{self.life}"


class Members:
    """All members of a plan, by name; ``changed``: when one of them last said or met something."""

    def __init__(self, play: Play) -> None:
        self._play = play
        groups, plans = play.plan.groups, members_of(play.plan)
        ids = {host: name for name, host in client_ids(play.plan).items()}
        self._members = {one.name: Member(one, ids[one.host]) for one in plans}
        self._by_host = {one.plan.host: one for one in self._members.values()}
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling = True
        self.names = list(self._members)
        self.groups = {one.name: groups.names[one.group] for one in plans} if groups is not None else {}
        self.changed = 0.0

    def holds(self, host: int) -> bool:
        return host in self._by_host

    def knows(self, name: str) -> bool:
        """Whether this is a member, in any of its lives."""
        return name.split("#")[0] in self._members

    # --- life ---------------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        for member in self._members.values():
            await self._open(member)

    def begin(self) -> None:
        """Each starts, and is closed, at its time."""
        for member in self._members.values():
            self._go(member, member.plan.start_us)
            if member.plan.stop_us >= 0:
                self._spawn(self._close_at(member, member.plan.stop_us))

    async def _open(self, member: Member) -> None:
        """A new process (or thread) of a member, which waits to be told to go."""
        play, plan = self._play, member.plan
        member.life += 1
        member.ready.clear()
        member.driver = await play.driver(plan, True)
        member.resting, member.owned = False, set()
        group = self.groups[plan.name]
        config = play.client_config({**plan.options, "group.id": group}, member.client_id)
        topics = [topic.name for topic in play.plan.topics if topic.number in plan.topics]
        member.driver.say(
            "open", kind="member", name=member.called, config=config, topics=topics, work=work_of(plan, play.seed)
        )
        await play.wait(member.called, member.ready)
        member.waits = True

    def _go(self, member: Member, at_us: int) -> None:
        assert member.driver is not None
        member.up, member.waits = True, False
        member.driver.say("go", name=member.called, at=self._play.clock.start_ns + 1000 * at_us)

    async def _close_at(self, member: Member, at_us: int) -> None:
        await self._play.until(at_us)
        member.over = True
        self._close(member)

    def _close(self, member: Member) -> None:
        if member.driver is not None and member.up:
            member.driver.say("close", name=member.called)

    def kill(self, host: int, restart_after_us: int | None) -> None:
        """A member's process dies; the next one gets ready meanwhile and begins at its time."""
        member = self._by_host[host]
        assert member.driver is not None
        member.driver.end()
        self._play.note("crash", who=member.plan.name)
        member.up, member.owned = False, set()
        if restart_after_us is not None:
            self._spawn(self._again(member, self._play.now_us() + restart_after_us))

    async def _again(self, member: Member, at_us: int) -> None:
        if not member.waits:
            await self._open(member)
        await self._play.until(at_us)
        self._go(member, at_us)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def lift(self) -> None:
        """The run's time is over: who is down is started."""
        for task in list(self._tasks):
            task.cancel()
        for member in self._members.values():
            if not member.up and not member.over:
                await self._again(member, self._play.now_us())

    async def finish(self) -> None:
        """All leave their groups, and nothing more is told."""
        self._telling = False
        for member in self._members.values():
            self._close(member)
        deadline = asyncio.get_running_loop().time() + LEAVING_S
        while any(one.up for one in self._members.values()) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(LOOK_S)

    # --- what they say ------------------------------------------------------------------------------------------------
    def says(self, event: Event) -> None:
        name, kind = event["name"], event["e"]
        member = self._members[name.split("#")[0]]
        if name != member.called:
            return  # the last words of a process that was killed
        event["name"] = member.plan.name
        self.changed = asyncio.get_running_loop().time()
        if kind == "ready":
            member.ready.set()
        elif kind == "rest":
            member.resting = True
        elif kind == "closed":
            self._closed(member, event)
        elif kind == "callback":
            member.resting = False
            partitions = {(topic, index) for topic, index in event["partitions"]}
            member.owned = member.owned | partitions if event["what"] == "assigned" else member.owned - partitions
            event["owned"] = sorted(member.owned)
        elif kind == "poll":
            member.resting = False
        if self._telling and kind not in ("ready", "rest", "ended", "closed"):
            self._play.events.append(event)

    def _closed(self, member: Member, event: Event) -> None:
        member.up, member.owned = False, set()
        if not self._telling:
            return
        after_us = member.plan.restart_after_us
        if event["failed"] and after_us >= 0:
            self._spawn(self._again(member, self._play.now_us() + after_us))
        else:
            member.over = True

    # --- rest ---------------------------------------------------------------------------------------------------------
    async def until_rest(self, end_us: int) -> None:
        """Until every group is at rest and stays so, or *end_us*."""
        loop = asyncio.get_running_loop()
        while self._play.now_us() < end_us and (self.unsettled() or loop.time() < self.changed + QUIET_S):
            await asyncio.sleep(LOOK_S)

    def unsettled(self) -> list[str]:
        """Members that are not at rest, and partitions of their topics that nobody has."""
        reasons = []
        owned: dict[str, set[Name]] = {}
        wanted: dict[str, set[Name]] = {}
        for name, member in self._members.items():
            if member.over:
                continue
            if not member.up:
                reasons.append(f"consumer {name} is down")
            elif not member.resting:
                reasons.append(f"consumer {name} has not come to rest in its group")
            group = self.groups[name]
            owned.setdefault(group, set()).update(member.owned)
            topics = {topic.name for topic in self._play.plan.topics if topic.number in member.plan.topics}
            wanted.setdefault(group, set()).update(part for part in self._play.partitions if part[0] in topics)
        for group, partitions in wanted.items():
            if missing := len(partitions - owned[group]):
                reasons.append(f"group {group} leaves {missing} of its partitions to nobody")
        return reasons

    def reads(self) -> set[Name]:
        """What the groups read."""
        return {name for member in self._members.values() for name in member.owned}

    async def committed(self) -> dict[str, dict[Name, int]]:
        """By group, the offsets that its coordinator has."""
        found: dict[str, dict[Name, int]] = {}
        for group in dict.fromkeys(self.groups.values()):
            rows = await self._play.cluster.operator.ask("offsets", group=group)
            found[group] = {(topic, index): offset for topic, index, offset in sorted(rows)}
        return found


def offsets_topic(plan: Plan, count: int) -> dict[str, Any]:
    """``__consumer_offsets`` as the plan has it, so that the same brokers coordinate (``GroupCoordinatorService
    .partitionFor``)."""
    assert plan.groups is not None
    factor = len(plan.groups.topic.replicas[0])
    assignment = [[(index + copy) % plan.brokers + 1 for copy in range(factor)] for index in range(count)]
    made_with = {"cleanup.policy": "compact", "segment.bytes": "104857600", "compression.type": "producer"}
    return {"name": OFFSETS_TOPIC, "assignment": assignment, "config": made_with}
