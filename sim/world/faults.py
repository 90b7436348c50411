"""The fault schedule, applied: each action at its time, or at random times that depend on nothing but the seed.

A random fault is a Poisson process over time from a stream of its own, so that an option of a client changes neither
when it strikes nor when any other does. Targets that are roles are resolved when the fault strikes. Every strike is a
row, the cause of all that follows from it. When the run's time is over everything is lifted: links heal, hosts go on,
and whoever is down is started.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sim.plan import Action, Distribution, Target
from sim.protocol.rows import Kind
from sim.streams import quantile, quantile_table, stream
from sim.world.cluster import CONTROLLER, Cluster
from sim.world.links import Link

__all__ = ["Faults", "strike_times"]

SECOND_US = 1_000_000


def strike_times(action: Action, seed: int, run_us: int) -> list[int]:
    """When an action strikes: a function of the action, the seed and the run's length."""
    if not action.rate_per_s:
        return [action.at_us]
    table = quantile_table(Distribution("exponential", {"mean": max(1, round(SECOND_US / action.rate_per_s))}))
    draws = stream(seed, f"fault/{action.index}")
    times: list[int] = []
    now, until = action.from_us, min(action.until_us or run_us, run_us)
    while True:
        now += max(1, quantile(table, draws.getrandbits(32)))
        if now >= until:
            return times
        times.append(now)


class Lasting:
    """A fault that goes on until it is lifted."""

    __slots__ = ("action", "cause", "lifted", "undo")

    def __init__(self, action: Action, cause: int, undo: Callable[[int], None]) -> None:
        self.action, self.cause, self.undo = action, cause, undo
        self.lifted = False


class Faults:
    """Carries out the actions of a plan on a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._kernel = cluster, cluster.kernel
        self._run_us = cluster.plan.run_us
        self._lasting: list[Lasting] = []
        self._pauses: dict[int, list[Lasting]] = {}  # by host
        self._downtime: dict[int, int | None] = {}  # of brokers in a controlled shutdown; None: for good
        cluster.on_stopped = self._stopped
        for action in cluster.plan.actions:
            for time_us in strike_times(action, cluster.seed, self._run_us):
                self._at(time_us, lambda action=action: self._strike(action))  # type: ignore[misc]
        self._at(self._run_us, self._lift_all)

    def _at(self, time_us: int, act: Callable[[], object]) -> None:
        self._kernel.call_at(time_us, lambda _: act())

    def _after(self, delay_us: int, act: Callable[[], object]) -> None:
        """Within the run's time; whatever lies behind its end is done by lifting."""
        if self._kernel.now_us + delay_us < self._run_us:
            self._at(self._kernel.now_us + delay_us, act)

    # --- striking -----------------------------------------------------------------------------------------------------
    def _strike(self, action: Action) -> None:
        verb: Callable[[Action, list[int]], None] = getattr(self, f"_do_{action.do}")
        verb(action, self._resolve(action.target))

    def _row(self, action: Action, host: int = -1, conn: int = -1, partition: int = -1) -> int:
        return self._cluster.record(Kind.FAULT, host=host, conn=conn, partition=partition, n=action.index)

    def _resolve(self, target: Target) -> list[int]:
        """Host numbers, ascending; empty if nobody has the role now."""
        plan = self._cluster.plan
        brokers = list(self._cluster.broker_numbers)
        clients = [producer.host for producer in plan.producers] + [reader.host for reader in plan.readers]
        clients += self._cluster.members.hosts()
        if target.kind in ("leader", "follower"):
            state = self._cluster.controller.partitions[target.partition]
            if target.kind == "leader":
                return [state.leader] if state.leader >= 0 else []
            followers = [broker for broker in state.replicas if broker != state.leader]
            return followers[target.number : target.number + 1]
        process = self._cluster.members.companions(target.number)
        several = {"host": process, "controller": [CONTROLLER], "brokers": brokers, "clients": clients}
        return several[target.kind] if target.kind in several else [CONTROLLER, *brokers, *clients]

    # --- hosts --------------------------------------------------------------------------------------------------------
    def _do_kill(self, action: Action, hosts: list[int], lossy: bool = False) -> None:
        after = action.parameters.get("restart_after_us")
        for host in hosts:
            row = self._row(action, host)
            if not self._cluster.host(host).is_up:
                continue
            self._forget_pauses(host)
            died = self._cluster.crash(host, row, lossy)
            if after is not None:
                self._after(after, lambda host=host, died=died: self._cluster.restart(host, died))  # type: ignore[misc]

    def _do_power_off(self, action: Action, hosts: list[int]) -> None:
        self._do_kill(action, hosts, lossy=True)

    def _do_restart(self, action: Action, hosts: list[int]) -> None:
        for host in hosts:
            self._cluster.restart(host, self._row(action, host))

    def _do_restart_producer(self, action: Action, hosts: list[int]) -> None:
        if action.parameters.get("resend"):
            self._cluster.again.update(dict.fromkeys(hosts, []))
        self._do_kill(replace(action, parameters={"restart_after_us": action.parameters["after_us"]}), hosts)

    def _do_shutdown(self, action: Action, hosts: list[int]) -> None:
        for host in hosts:
            self._shut_down(action, host, action.parameters.get("restart_after_us"))

    def _shut_down(self, action: Action, host: int, downtime_us: int | None) -> None:
        row = self._row(action, host)
        broker = self._cluster.host(host)
        if not broker.is_up or host in self._downtime:
            return
        self._downtime[host] = downtime_us
        role: Any = broker.role
        broker.tell(lambda: role.shut_down(self._kernel.now_us), row)

    def _stopped(self, host: int, cause: int) -> None:
        """A controlled shutdown has ended: the broker is down from now on."""
        downtime = self._downtime.pop(host, None)
        self._forget_pauses(host)
        if self._kernel.now_us >= self._run_us:
            self._at(self._kernel.now_us, lambda: self._cluster.restart(host, cause))
        elif downtime is not None:
            self._after(downtime, lambda: self._cluster.restart(host, cause))

    def _do_rolling_restart(self, action: Action, hosts: list[int]) -> None:
        downtime = action.parameters["downtime_us"]
        for turn, host in enumerate(hosts):
            self._after(
                turn * action.parameters["every_us"],
                lambda host=host: self._shut_down(action, host, downtime),  # type: ignore[misc]
            )

    def _do_pause(self, action: Action, hosts: list[int]) -> None:
        for host in hosts:
            row = self._row(action, host)
            if not self._cluster.host(host).is_up:
                continue
            active = self._pauses.setdefault(host, [])
            if not active:
                row = self._cluster.record(Kind.PAUSE, host=host, cause=row)
                self._cluster.host(host).pause()
            self._last(action, row, lambda _, host=host: self._resume(host), active)  # type: ignore[misc]

    def _resume(self, host: int) -> None:
        """One pause less; the last one gone, the host goes on."""
        active = [pause for pause in self._pauses.get(host, []) if not pause.lifted]
        self._pauses[host] = active
        if not active:
            row = self._cluster.record(Kind.RESUME, host=host)
            self._cluster.host(host).resume(row)

    def _forget_pauses(self, host: int) -> None:
        for pause in self._pauses.pop(host, []):
            pause.lifted = True

    def _do_slow_disk(self, action: Action, hosts: list[int]) -> None:
        by_us = action.parameters["by_us"]
        for host in hosts:
            row = self._row(action, host)
            self._cluster.host(host).slow_disk(by_us)

            def undo(cause: int, host: int = host) -> None:
                self._heal(action, cause, host)
                self._cluster.host(host).slow_disk(-by_us)

            self._last(action, row, undo)

    # --- links --------------------------------------------------------------------------------------------------------
    def _pairs(self, action: Action, hosts: list[int]) -> list[tuple[int, int]]:
        """Ordered pairs of hosts between the two targets, both ways unless the fault is one-way."""
        others = self._resolve(action.parameters["to"])
        pairs = [(a, b) for a in hosts for b in others if a != b]
        if not action.parameters.get("one_way"):
            pairs += [(b, a) for a, b in pairs]
        return list(dict.fromkeys(pairs))

    def _on_links(
        self, action: Action, hosts: list[int], do: Callable[[Link], object], undo: Callable[[Link], object]
    ) -> None:
        pairs = self._pairs(action, hosts)
        row = self._row(action, pairs[0][0] if pairs else -1)
        links = [self._cluster.network.link(a, b) for a, b in pairs]
        for link in links:
            do(link)

        def lift(cause: int) -> None:
            self._heal(action, cause, pairs[0][0] if pairs else -1)
            for link in links:
                undo(link)

        self._last(action, row, lift)

    def _do_cut(self, action: Action, hosts: list[int]) -> None:
        self._on_links(action, hosts, lambda link: link.cut(), self._cluster.network.mend)

    def _do_slow(self, action: Action, hosts: list[int]) -> None:
        by_us = action.parameters["by_us"]
        self._on_links(action, hosts, lambda link: link.slow_by(by_us), lambda link: link.slow_by(-by_us))

    def _do_lossy(self, action: Action, hosts: list[int]) -> None:
        share = action.parameters["parts_per_million"]
        self._on_links(action, hosts, lambda link: link.lose(share), lambda link: link.lose_no_more(share))

    def _do_reset(self, action: Action, hosts: list[int]) -> None:
        """Every open connection between the two targets breaks."""
        network = self._cluster.network
        between = self._pairs(action, hosts)
        numbers = sorted({number for a, _ in between for number in self._cluster.host(a).connections})
        struck = [conn for conn in (network.connections[n] for n in numbers) if (conn.client, conn.server) in between]
        if not struck:
            self._row(action, hosts[0] if hosts else -1)
        for conn in struck:
            network.reset(conn, self._row(action, conn.server, conn.number))

    # --- the controller -----------------------------------------------------------------------------------------------
    def _ask_controller(self, action: Action, partition: int, act: Callable[[int, int], object]) -> None:
        """An operator's request, by way of the controller's host."""
        row = self._row(action, CONTROLLER, partition=partition)
        self._cluster.host(CONTROLLER).tell(lambda: act(self._kernel.now_us, row), row)

    def _do_preferred_election(self, action: Action, _: list[int]) -> None:
        topic = action.parameters.get("topic")
        self._ask_controller(action, -1, lambda now, _: self._cluster.controller.elect_preferred(now, topic))

    def _do_unclean_election(self, action: Action, _: list[int]) -> None:
        partition = action.parameters["partition"]
        self._ask_controller(action, partition, lambda now, _: self._cluster.controller.elect_unclean(now, partition))

    def _do_add_partitions(self, action: Action, _: list[int]) -> None:
        topic, count = action.parameters["topic"], action.parameters["count"]
        self._ask_controller(action, -1, lambda _, row: self._cluster.add_partitions(topic, count, row))

    def _do_move_controller(self, action: Action, _: list[int]) -> None:
        outage = action.parameters["outage_us"]
        self._ask_controller(action, -1, lambda now, _: self._cluster.controller.fail_over(now, outage))

    # --- lifting ------------------------------------------------------------------------------------------------------
    def _last(
        self, action: Action, cause: int, undo: Callable[[int], None], among: list[Lasting] | None = None
    ) -> None:
        """Keep a fault until its time is over."""
        lasting = Lasting(action, cause, undo)
        self._lasting.append(lasting)
        if among is not None:
            among.append(lasting)
        self._after(action.parameters["for_us"], lambda: self._lift(lasting))

    def _lift(self, lasting: Lasting) -> None:
        if not lasting.lifted:
            lasting.lifted = True
            self._lasting.remove(lasting)
            lasting.undo(lasting.cause)

    def _heal(self, action: Action, cause: int, host: int) -> None:
        self._cluster.record(Kind.HEAL, host=host, cause=cause, n=action.index)

    def _lift_all(self) -> None:
        """The run's time is over."""
        for lasting in list(self._lasting):
            self._lift(lasting)
        for number in self._cluster.network.hosts:
            if number != CONTROLLER and hasattr(self._cluster.host(number), "role"):
                self._cluster.restart(number, -1)
