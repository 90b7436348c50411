"""A scenario on real brokers: everything from the check of what can be given to the last file removed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sim.errors import InputError
from sim.plan import Plan
from sim.real.cluster import RealCluster
from sim.real.faults import lacking, strikes_between_brokers
from sim.real.household import Household
from sim.real.jars import Kafka, find, release_of
from sim.real.members import lacking_in, offsets_topic
from sim.real.outcome import Outcome
from sim.real.play import Play
from sim.real.record_batches import READABLE_CODECS
from sim.scenario import Scenario, compile_plan

__all__ = ["Stage", "interruptible", "must_be_possible", "play_real", "played_otherwise"]

T = TypeVar("T")
Say = Callable[[str], None]
FACTOR, PARTITIONS = "offsets.topic.replication.factor", "offsets.topic.num.partitions"
GROUP_DEFAULTS = {PARTITIONS: "50", "group.initial.rebalance.delay.ms": "3000"}  # Kafka's, in place of quiet ones
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def must_be_possible(scenario: Scenario, plan: Plan) -> None:
    """Name all that a real run cannot give, in one message."""
    found = lacking(plan) + lacking_in(plan)
    for name, producer in scenario.producers.items():
        codec = producer.config.get("compression.type", producer.config.get("compression.codec", "none"))
        if codec not in READABLE_CODECS:
            found.append(f"producers.{name}: compression.type {codec} (read back are {', '.join(READABLE_CODECS)})")
        if producer.resend_after_failure:
            found.append(f"producers.{name}: resend.after.failure (the drivers do not send again)")
    if found:
        raise InputError("confirm", f"a real run cannot give: {'; '.join(found)}", "leave these out for confirm")


def played_otherwise(scenario: Scenario) -> list[str]:
    """What a real run gives in its own way, whatever the scenario says."""
    found = []
    between = strikes_between_brokers(compile_plan(scenario))
    for words, latency in (("broker.latency", scenario.network.broker_latency),
                           ("controller.latency", scenario.network.controller_latency)):  # fmt: skip
        if latency is not None and not (between and words == "broker.latency"):
            found.append(f"network.{words}: links among brokers are this machine's loopback")
    return found


def _offsets_partitions(scenario: Scenario) -> int:
    return int(scenario.brokers.config.get(PARTITIONS, GROUP_DEFAULTS[PARTITIONS]))


@dataclass
class Stage:
    """A cluster that several runs share, as long as they want the same one; an asynchronous context manager."""

    keep: bool = False
    say: Say = lambda text: None
    _home: Household | None = None
    _cluster: RealCluster | None = None
    _wanted: Any = None
    _topics: list[str] = field(default_factory=list)

    async def play(self, scenario: Scenario, seed: int, kafka: Kafka) -> Outcome:
        """One run."""
        plan = compile_plan(scenario)
        must_be_possible(scenario, plan)
        cluster = await self._cluster_for(scenario, plan, kafka)
        if self._topics:
            await cluster.delete(self._topics)
        if plan.groups is not None:
            await cluster.ensure(offsets_topic(plan, _offsets_partitions(scenario)))
        self._topics = [topic.name for topic in plan.topics]
        self.say(f"playing seed {seed}")
        options = {name: dict(topic.config) for name, topic in scenario.topics.items()}
        outcome = await Play(cluster, plan, seed, options).run()
        if plan.actions and not outcome.settled:
            self._wanted = None  # what a fault left behind must not reach the next run
        if plan.groups is not None and not await cluster.forget(plan.groups.names):
            self._wanted = None
        return outcome

    async def _cluster_for(self, scenario: Scenario, plan: Plan, kafka: Kafka) -> RealCluster:
        brokers, controller = dict(scenario.brokers.config), dict(scenario.controller.config)
        if plan.groups is not None:
            brokers = GROUP_DEFAULTS | {FACTOR: str(len(plan.groups.topic.replicas[0]))} | brokers
        controllers = 3 if any(action.do == "move_controller" for action in plan.actions) else 1
        between = strikes_between_brokers(plan)
        wanted = (kafka, plan.brokers, controllers, between, sorted(brokers.items()), sorted(controller.items()))
        if self._cluster is not None and wanted == self._wanted:
            return self._cluster
        self.close()
        self._home = Household(self.keep)
        self._cluster = RealCluster(
            self._home, kafka, plan.brokers, controllers,
            broker_options=brokers, controller_options=brokers | controller, say=self.say, between=between,
        )  # fmt: skip
        await self._cluster.start()
        self._wanted = wanted
        return self._cluster

    @property
    def folder(self) -> str:
        return "" if self._home is None else str(self._home.folder)

    def close(self) -> None:
        cluster, home = self._cluster, self._home
        self._cluster = self._home = self._wanted = None
        self._topics = []
        if cluster is not None:
            cluster.close()
        if home is not None:
            home.close()

    async def __aenter__(self) -> Stage:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.close()


def play_real(
    scenario: Scenario, seed: int, *, release: str | None = None, repeat: int = 1, keep: bool = False,
    say: Say = lambda text: None,
) -> list[Outcome]:  # fmt: skip
    """*scenario* on real brokers, *repeat* times; blocking. *say* is told what is going on."""
    must_be_possible(scenario, compile_plan(scenario))
    kafka = find(release or release_of(scenario.kafka))

    async def runs() -> list[Outcome]:
        async with Stage(keep, say) as stage:
            outcomes = [await stage.play(scenario, seed, kafka) for _ in range(repeat)]
            if keep:
                say(f"kept {stage.folder}")
            return outcomes

    return interruptible(runs)


def interruptible(main: Callable[[], Awaitable[T]]) -> T:
    """Run *main*; SIGINT, SIGTERM and SIGHUP end it in good order, wherever it is."""

    async def guarded() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        caught: list[signal.Signals] = []

        def stop(number: signal.Signals) -> None:
            if not caught:  # a second one must not interrupt the tidying up
                caught.append(number)
                task.cancel()

        for number in INTERRUPTS:
            loop.add_signal_handler(number, stop, number)
        try:
            return await main()
        except asyncio.CancelledError:
            if caught and caught[0] != signal.SIGINT:
                raise SystemExit(128 + caught[0]) from None
            raise KeyboardInterrupt from None

    before = {number: signal.getsignal(number) for number in INTERRUPTS}
    try:
        return asyncio.run(guarded())
    finally:
        for number, handler in before.items():  # the loop leaves the system's defaults behind
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
