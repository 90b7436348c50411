"""The fault schedule of a plan, carried out on real processes and connections.

Roles are resolved when a fault strikes, by asking the brokers. ``VERBS`` are those that a real run can give; what else
a scenario asks for is a set difference (``lacking``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from sim.plan import Action, Plan, Target
from sim.real.driver import Refusal
from sim.real.members import members_of
from sim.world.faults import strike_times

if TYPE_CHECKING:
    from sim.real.play import Play

__all__ = ["VERBS", "Faults", "lacking", "strikes_between_brokers"]

VERBS = frozenset((
    "kill", "shutdown", "pause", "restart", "rolling_restart", "cut", "slow", "lossy", "reset", "preferred_election",
    "unclean_election", "add_partitions", "move_controller", "restart_producer",
))  # fmt: skip
LINKS = ("cut", "slow", "lossy", "reset")


def lacking(plan: Plan) -> list[str]:
    """What of the plan's faults no real run on this machine can give, in words."""
    found = [f"{action.text} (no {action.do} on real brokers)" for action in plan.actions if action.do not in VERBS]
    for action in plan.actions:
        if action.do in ("kill", "pause", "shutdown") and action.target.kind in ("controller", "everybody"):
            found.append(f"{action.text} (strike brokers or clients, one by one)")
        if action.do in LINKS and not _passes_the_proxy(plan, action):
            found.append(f"{action.text} (only links between clients and brokers and among brokers pass the proxy)")
    return found


def strikes_between_brokers(plan: Plan) -> bool:
    """Whether a fault strikes links among brokers, so that these must pass the proxy as well."""
    return any(action.do in LINKS and _sides(plan, action) == {"broker"} for action in plan.actions)


def _passes_the_proxy(plan: Plan, action: Action) -> bool:
    return _sides(plan, action) in ({"client", "broker"}, {"broker"})


def _sides(plan: Plan, action: Action) -> set[str]:
    return {_side(plan, action.target), _side(plan, action.parameters["to"])}


def _side(plan: Plan, target: Target) -> str:
    if target.kind == "host":
        return "broker" if 1 <= target.number <= plan.brokers else "client"
    return {"clients": "client", "leader": "broker", "follower": "broker", "brokers": "broker"}.get(
        target.kind, target.kind
    )


class Faults:
    """Strikes at its times from :meth:`start` on; ``pending`` is True while a strike or the end of one is to come."""

    def __init__(self, play: Play) -> None:
        self._play, self._cluster, self._plan = play, play.cluster, play.plan
        self._tasks: set[asyncio.Task[None]] = set()
        self._lasting: list[tuple[Action, Callable[[], None]]] = []
        self._waiting = 0

    @property
    def pending(self) -> bool:
        return self._waiting > 0 or bool(self._lasting)

    def start(self) -> None:
        for action in self._plan.actions:
            for time_us in strike_times(action, self._play.seed, self._plan.run_us):
                self._spawn(self._at(time_us, action))

    def _spawn(self, work: Awaitable[None], counts: bool = True) -> None:
        async def run() -> None:
            self._waiting += counts
            try:
                await work
            except Refusal as refused:
                self._play.note("fault", what=f"refused: {refused}")
            finally:
                self._waiting -= counts

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _at(self, time_us: int, action: Action) -> None:
        await self._play.until(time_us)
        verb: Callable[[Action, list[int]], Awaitable[None]] = getattr(self, f"_do_{action.do}")
        await verb(action, await self._resolve(action.target))

    async def _resolve(self, target: Target) -> list[int]:
        plan = self._plan
        clients = [one.host for one in plan.producers] + [one.host for one in plan.readers]
        clients += [one.host for one in members_of(plan)]
        brokers = list(self._cluster.numbers)
        if target.kind in ("leader", "follower"):
            topic, index = self._play.partition_name(target.partition)
            part = (await self._cluster.describe([topic]))[topic]["partitions"][index]
            followers = [broker for broker in part["replicas"] if broker != part["leader"]]
            chosen = [part["leader"]] if target.kind == "leader" else followers[target.number : target.number + 1]
            return [broker for broker in chosen if broker >= 0]
        if target.kind == "host":
            return [target.number]
        return {"brokers": brokers, "clients": clients}.get(target.kind, [])

    def _note(self, action: Action, host: int = -1) -> None:
        broker = {"b": host} if host in self._cluster.numbers else {}
        self._play.note("fault", what=action.text or action.do, **broker)

    # --- brokers ------------------------------------------------------------------------------------------------------
    async def _do_kill(self, action: Action, hosts: list[int]) -> None:
        for host in hosts:
            self._note(action, host)
            if self._play.members.holds(host):
                self._play.members.kill(host, action.parameters.get("restart_after_us"))
            elif self._cluster.is_up(host):
                self._cluster.kill(host)
                self._play.note("crash", who=f"broker-{host}")
                self._back_later(host, action.parameters.get("restart_after_us"))

    def _back_later(self, host: int, after_us: int | None) -> None:
        """Whether the broker comes back before the end decides nothing that a client was told: it is not waited for."""
        if after_us is not None:
            self._spawn(self._restart(host, self._play.now_us() + after_us), counts=False)

    async def _restart(self, host: int, at_us: int) -> None:
        await self._play.until(at_us)
        if not self._play.over:
            await self._cluster.restart(host)

    async def _do_restart(self, action: Action, hosts: list[int]) -> None:
        for host in hosts:
            self._note(action, host)
            await self._cluster.restart(host)

    async def _do_shutdown(self, action: Action, hosts: list[int]) -> None:
        for host in hosts:
            self._note(action, host)
            if self._cluster.is_up(host):
                await self._cluster.shut_down(host)
                self._back_later(host, action.parameters.get("restart_after_us"))

    async def _do_rolling_restart(self, action: Action, hosts: list[int]) -> None:
        begin = self._play.now_us()
        for turn, host in enumerate(hosts):
            await self._play.until(begin + turn * action.parameters["every_us"])
            self._note(action, host)
            await self._cluster.shut_down(host)
            await self._play.until(self._play.now_us() + action.parameters["downtime_us"])
            await self._cluster.restart(host)

    async def _do_pause(self, action: Action, hosts: list[int]) -> None:
        for host in hosts:
            self._note(action, host)
            self._play.pause(host)
            self._last(action, lambda host=host: self._play.resume(host))  # type: ignore[misc]

    # --- links to brokers ---------------------------------------------------------------------------------------------
    async def _links(self, action: Action, hosts: list[int]) -> list[Any]:
        others = await self._resolve(action.parameters["to"])
        pairs = [(a, b) for a in hosts for b in others if a != b]
        if not action.parameters.get("one_way"):
            pairs += [(b, a) for a, b in pairs]
        return [self._play.link(a, b) for a, b in pairs]

    async def _on_links(
        self, action: Action, hosts: list[int], do: Callable[[Any], object], undo: Callable[[Any], object]
    ) -> None:
        links = await self._links(action, hosts)
        self._note(action)
        for link in links:
            do(link)

        def lift() -> None:
            for link in links:
                undo(link)
            self._cluster.proxy.pump()

        self._last(action, lift)

    async def _do_cut(self, action: Action, hosts: list[int]) -> None:
        await self._on_links(action, hosts, lambda link: link.cut(), lambda link: link.mend())

    async def _do_slow(self, action: Action, hosts: list[int]) -> None:
        by_us = action.parameters["by_us"]
        await self._on_links(action, hosts, lambda link: link.slow_by(by_us), lambda link: link.slow_by(-by_us))

    async def _do_lossy(self, action: Action, hosts: list[int]) -> None:
        share = action.parameters["parts_per_million"]
        await self._on_links(action, hosts, lambda link: link.lose(share), lambda link: link.lose_no_more(share))

    async def _do_reset(self, action: Action, hosts: list[int]) -> None:
        others = await self._resolve(action.parameters["to"])
        sides = {*hosts, *others}
        self._note(action)
        self._cluster.proxy.reset(
            lambda wire: wire.broker in sides and self._play.host_of(wire.client) in sides
        )

    # --- what an operator asks for ------------------------------------------------------------------------------------
    async def _do_preferred_election(self, action: Action, _: list[int]) -> None:
        self._note(action)
        topic = action.parameters.get("topic")
        chosen = [one for one in self._plan.topics if topic is None or one.number == topic]
        rows = [[one.name, index] for one in chosen for index in range(len(one.partitions))]
        await self._cluster.operator.ask("elect", type="PREFERRED", partitions=rows)

    async def _do_unclean_election(self, action: Action, _: list[int]) -> None:
        self._note(action)
        name = list(self._play.partition_name(action.parameters["partition"]))
        await self._cluster.operator.ask("elect", type="UNCLEAN", partitions=[name])

    async def _do_add_partitions(self, action: Action, _: list[int]) -> None:
        self._note(action)
        topic, count = self._plan.topics[action.parameters["topic"]], action.parameters["count"]
        rows = self._play.more_partitions(topic, count)
        await self._cluster.operator.ask("increase", topic=topic.name, count=count, assignment=rows)

    async def _do_move_controller(self, action: Action, _: list[int]) -> None:
        self._note(action)
        await self._cluster.fail_over(action.parameters["outage_us"])

    async def _do_restart_producer(self, action: Action, hosts: list[int]) -> None:
        for host in hosts:
            self._note(action, host)
            unreported = self._play.kill_producer(host)
            await self._play.until(self._play.now_us() + action.parameters["after_us"])
            await self._play.start_successor(host, unreported if action.parameters.get("resend") else [])

    # --- the end ------------------------------------------------------------------------------------------------------
    def _last(self, action: Action, undo: Callable[[], None]) -> None:
        """Keep a fault until its time is over."""
        entry = (action, undo)
        self._lasting.append(entry)

        async def wait() -> None:
            await self._play.until(self._play.now_us() + action.parameters["for_us"])
            self._lift(entry)

        self._spawn(wait(), counts=False)

    def _lift(self, entry: tuple[Action, Callable[[], None]]) -> None:
        if entry in self._lasting:
            self._lasting.remove(entry)
            entry[1]()

    async def lift_all(self) -> None:
        """The run's time is over: links heal, who stands still goes on, who is down is started."""
        for entry in list(self._lasting):
            self._lift(entry)
        for task in list(self._tasks):
            task.cancel()
        for number in self._cluster.numbers:
            await self._cluster.restart(number)
