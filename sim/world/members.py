"""Members of groups in time: when they start, are closed, die and come back, and whether they have come to rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from sim.plan import CallPlan, GroupsPlan, MemberPlan, Plan
from sim.protocol.group_consumer import GroupConsumer
from sim.protocol.librdkafka_consumer import LibrdkafkaConsumer
from sim.protocol.rows import Kind
from sim.protocol.settings import LibrdkafkaMemberSettings
from sim.streams import quantile, quantile_table
from sim.world.desks import Desk, Desks
from sim.world.host import Host
from sim.world.kernel import Kernel

__all__ = ["Members"]

Role = GroupConsumer | LibrdkafkaConsumer


class Members:
    """All members of a run, by host number."""

    def __init__(
        self, groups: GroupsPlan | None, hosts: Mapping[int, Host], kernel: Kernel,
        topics: Mapping[int, tuple[int, ...]], plan: Plan, desks: Desks,
    ) -> None:  # fmt: skip
        self._hosts, self._kernel, self._topics, self._plan, self._desks = hosts, kernel, topics, plan, desks
        self._plans: dict[int, MemberPlan] = {one.host: one for one in groups.members} if groups is not None else {}
        self._groups = groups
        self._names: dict[int, tuple[str, int]] = {}  # topic and index of each partition
        self.more_partitions()

    def more_partitions(self) -> None:
        """Topics have the partitions that they have now."""
        for topic in self._plan.topics:
            self._names.update((number, (topic.name, at)) for at, number in enumerate(self._topics[topic.number]))

    def hosts(self) -> list[int]:
        return list(self._plans)

    def companions(self, host: int) -> list[int]:
        """The hosts of all clients in one process with *host*, producers first; of a process that has not begun yet,
        or whose consumer was closed, the consumer alone, as its producers are not to be struck."""
        for member, plan in self._plans.items():
            fed = list(dict.fromkeys(outlet.producer for outlet in plan.outlets))
            if host == member or host in fed:
                idle = not self._hosts[member].is_up and any(self._hosts[one].is_up for one in fed)
                return [member] if idle else [*fed, member]
        return [host]

    def holds(self, host: int) -> bool:
        return host in self._plans

    def closed(self, host: int) -> bool:
        """Whether the consumer there was closed, or its application ended by itself."""
        role = self._role(host)
        return role is not None and role.ended

    def stopped(self, host: int, cause: int) -> None:
        """A process has ended by itself; one whose application failed may be started anew."""
        role, plan = self._role(host), self._plans[host]
        if role is not None and role.failed and plan.restart_after_us >= 0:
            again = self._kernel.now_us + plan.restart_after_us

            def restart(_: object) -> None:
                self._record_restart(host, cause)
                self.start(host, self._hosts[host].cause)

            self._kernel.call_at(again, restart)

    def _record_restart(self, host: int, cause: int) -> None:
        there = self._hosts[host]
        there.cause = there.record(Kind.RESTART, cause=cause)

    def begin(self) -> None:
        """Each starts, and is closed, at its time."""
        for host, plan in self._plans.items():
            self._kernel.call_at(plan.start_us, self._calling(self.start, host))
            for call in plan.calls:
                self._kernel.call_at(call.at_us, self._making(host, call))
            if plan.stop_us >= 0:
                self._kernel.call_at(plan.stop_us, self._calling(self._close, host))

    @staticmethod
    def _calling(act: Callable[[int, int], None], host: int) -> Callable[[object], None]:
        return lambda _: act(host, -1)

    def _making(self, host: int, call: CallPlan) -> Callable[[object], None]:
        def make(_: object) -> None:
            there, role = self._hosts[host], self._role(host)
            if there.is_up and role is not None:
                there.tell(lambda: role.call(call.verb, call.partitions, call.to, self._kernel.now_us), -1)

        return make

    def start(self, host: int, cause: int) -> None:
        """A new process of the member."""
        plan, there = self._plans[host], self._hosts[host]
        table = quantile_table(plan.time)
        brokers = tuple(range(1, self._plan.brokers + 1))

        def time_us() -> int:
            return quantile(table, there.draw("processing"))

        role: Role
        desk = Desk(self._desks, there, plan.outlets)
        if isinstance(plan.settings, LibrdkafkaMemberSettings):
            role = LibrdkafkaConsumer(
                there, plan.group, plan.settings, plan.reader, plan.processing, plan.topics, brokers, self._names,
                time_us, desk,
            )  # fmt: skip
        else:
            role = GroupConsumer(
                there, plan.group, plan.settings, plan.reader, plan.processing, plan.topics, brokers, self._names,
                time_us, desk,
            )  # fmt: skip
        there.start(role, cause)

    def _close(self, host: int, cause: int) -> None:
        there, role = self._hosts[host], self._role(host)
        if there.is_up and role is not None:
            there.tell(lambda: role.close(self._kernel.now_us), cause)

    def _role(self, host: int) -> Role | None:
        return cast("Role | None", getattr(self._hosts[host], "role", None)) if host in self._plans else None

    def unsettled(self) -> list[str]:
        """Members that are not at rest, and partitions of their topics that nobody has."""
        reasons = []
        owned: dict[int, set[int]] = {}
        for host, plan in self._plans.items():
            role = self._role(host)
            if role is None or (role.ended and not (role.failed and plan.restart_after_us >= 0)):
                continue
            if not self._hosts[host].is_up:
                reasons.append(f"consumer {plan.name} is down")
            elif not role.caught_up():
                reasons.append(f"consumer {plan.name} has not come to rest in its group")
            owned.setdefault(plan.group, set()).update(role.owned())
        for group, partitions in owned.items():
            topics = dict.fromkeys(t for one in self._plans.values() if one.group == group for t in one.topics)
            nobodys = [p for topic in topics for p in self._topics[topic] if p not in partitions]
            if nobodys and self._groups is not None:
                reasons.append(f"group {self._groups.names[group]} leaves {len(nobodys)} of its partitions to nobody")
        return reasons
