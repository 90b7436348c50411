"""Faults as plan values: verbs with numbers, targets as roles that the moment resolves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sim.errors import InputError
from sim.plan import WARM_UP_VALUE, Action, MessageFault, Target
from sim.protocol.error_codes import ErrorCode
from sim.scenario import faults as parts
from sim.scenario.compile_workload import ALL, explicit_values, is_default_value
from sim.scenario.model import Scenario
from sim.scenario.names import Names
from sim.scenario.tree import Path
from sim.units import duration_text, rate_text
from sim.wording import did_you_mean, listed, shown

__all__ = ["compile_faults"]

_BROKER = re.compile(r"broker (\d{1,3})")
_ROLE = re.compile(r"(leader|follower) of (\S+)")
_COORDINATOR = re.compile(r"coordinator of (\S+)")
BROKERS_ONLY = ("kill", "power_off", "shutdown", "slow_disk", "start")
NEEDS = {"delay_response": "delay", "answer_error": "error", "append_then_error": "error"}
BELONGS = {
    "error": ("answer_error", "append_then_error"),
    "delay": ("delay_response",),
    "after_answered": ("drop_response",),
    "earlier": ("drop_request",),
    "release": ("hold_request",),
}


def compile_faults(scenario: Scenario, names: Names) -> tuple[tuple[Action, ...], tuple[MessageFault, ...]]:
    """Actions and message faults, each with its position in the file's list."""
    actions: list[Action] = []
    messages: list[MessageFault] = []
    for index, fault in enumerate(scenario.faults):
        one = _One(scenario, names, index)
        if isinstance(fault, parts.MessageFaultPart):
            messages.append(one.message(fault))
        else:
            actions.append(one.action(fault))
    return tuple(actions), tuple(messages)


@dataclass(slots=True)
class _One:
    scenario: Scenario
    names: Names
    index: int

    def refuse(self, key: str | tuple[str | int, ...], rule: str, way_out: str) -> InputError:
        return InputError(self.place(key), rule, way_out)

    def place(self, key: str | tuple[str | int, ...]) -> str:
        path: Path = ("faults", self.index, *((key,) if isinstance(key, str) else key))
        return self.scenario._origin.place(path)

    def action(self, fault: Any) -> Action:
        verb = next(name for name, part in parts.PARTS.items() if isinstance(fault, part))
        at_us, rate, from_us, until_us = self.time(verb, fault)
        target, parameters = self.verb(verb, fault)
        return Action(
            index=self.index,
            do="restart" if verb == "start" else verb,
            target=target,
            at_us=at_us,
            rate_per_s=rate,
            from_us=from_us,
            until_us=until_us,
            parameters=parameters,
            text=self.text(fault),
        )

    def time(self, verb: str, fault: parts.Scheduled) -> tuple[int, float, int, int]:
        run = self.scenario.run
        if (fault.at is None) == (fault.rate is None):
            raise self.refuse(verb, f"{verb} needs either at or rate", "write at: 5s, or rate: 2/min")
        if fault.at is not None:
            for name, value in (("from", fault.from_), ("until", fault.until)):
                if value is not None:
                    raise self.refuse(name, f"{name} has no meaning beside at", f"remove {name}, or write rate: 2/min")
            if fault.at > run:
                raise self.refuse(
                    "at", f"{duration_text(fault.at)} is after the end of run", "lengthen run, or strike earlier"
                )
            return fault.at, 0.0, 0, 0
        start, end = fault.from_ or 0, run if fault.until is None else fault.until
        if end > run:
            raise self.refuse("until", f"{duration_text(end)} is after the end of run", "leave it out, or lengthen run")
        if start >= end:
            raise self.refuse(
                "from", f"{duration_text(start)} is not before {duration_text(end)}", "let it begin earlier"
            )
        if verb in ("add_partitions", "rolling_restart"):
            raise self.refuse("rate", f"{verb} cannot happen at random", "write at: 5s")
        assert fault.rate is not None
        if fault.rate * (end - start) / 1_000_000 > 100_000:
            raise self.refuse("rate", f"{rate_text(fault.rate)} makes more than 100000 faults", "lower the rate")
        return 0, float(fault.rate), start, end

    def verb(self, verb: str, fault: Any) -> tuple[Target, dict[str, Any]]:
        """The target and the parameters that the plan knows for *verb*."""
        controller = Target("controller")
        if isinstance(fault, parts.Cut | parts.Slow | parts.Lossy | parts.Reset):
            return self.between(verb, fault)
        if isinstance(fault, parts.PreferredElection):
            return controller, {"topic": self.topic_or_all(fault.preferred_election)}
        if isinstance(fault, parts.UncleanElection):
            place = self.place("unclean_election")
            return controller, {"partition": self.names.partition(fault.unclean_election, place)}
        if isinstance(fault, parts.AddPartitions):
            return controller, self.more_partitions(fault)
        if isinstance(fault, parts.MoveController):
            return controller, {"outage_us": fault.outage}
        if isinstance(fault, parts.RestartProducer):
            host = self.names.producer(fault.restart_producer, self.place("restart_producer"))
            self.refuse_fed(fault.restart_producer)
            return Target("host", number=host), {"after_us": fault.after, "resend": fault.resend}
        if isinstance(fault, parts.RollingRestart):
            return Target("brokers"), self.rolling(fault)
        target = self.target(verb, getattr(fault, verb))
        self.refuse_wrong_side(verb, target, getattr(fault, verb))
        if isinstance(fault, parts.Kill | parts.PowerOff | parts.Shutdown):
            return target, {"restart_after_us": fault.restart_after}
        if isinstance(fault, parts.SlowDisk):
            return target, {"for_us": fault.for_, "by_us": fault.by}
        return target, {"for_us": fault.for_} if isinstance(fault, parts.Pause) else {}

    def refuse_wrong_side(self, verb: str, target: Target, text: str) -> None:
        brokers = self.scenario.brokers.count
        is_client = target.kind in ("clients", "everybody") or (target.kind == "host" and target.number > brokers)
        if verb in ("kill", "start") and target.kind == "host" and target.number in self.names.member_hosts:
            return
        if verb in BROKERS_ONLY and is_client:
            way_out = (
                "write restart_producer for a producer" if verb == "kill" else "name a broker, or leader of payments-0"
            )
            raise self.refuse(verb, f"{verb} is for brokers, not for {shown(text)}", way_out)
        if verb in (*BROKERS_ONLY, "pause") and target.kind == "controller":
            way_out = "write move_controller: controller"
            raise self.refuse(verb, f"{verb} is not for the controller", way_out)

    def refuse_fed(self, text: str) -> None:
        """A producer behind a consumer dies with it."""
        for name, producer in self.scenario.producers.items():
            if text in self.names.instances_of(name, producer) and not producer.workload:
                rule = f"{text} lives in the process of a consumer"
                raise self.refuse("restart_producer", rule, "write kill, and name the consumer")

    def between(self, verb: str, fault: Any) -> tuple[Target, dict[str, Any]]:
        words: list[str] = getattr(fault, verb)
        first, second = (self.target((verb, side), word) for side, word in enumerate(words))
        if first == second and first.kind != "brokers":
            raise self.refuse(verb, f"both sides are {shown(words[0])}", "name two sides")
        parameters: dict[str, Any] = {"to": second}
        if isinstance(fault, parts.Reset):
            return first, parameters
        parameters |= {"for_us": fault.for_, "one_way": fault.one_way}
        if isinstance(fault, parts.Slow):
            parameters["by_us"] = fault.by
        if isinstance(fault, parts.Lossy):
            if fault.percent * 10_000 != int(fault.percent * 10_000) or not fault.percent:
                raise self.refuse("percent", "the share is 0% or finer than 0.0001%", "write percent: 5%")
            parameters["percent"] = _plain(fault.percent)
            parameters["parts_per_million"] = int(fault.percent * 10_000)
        return first, parameters

    def topic_or_all(self, word: str) -> int | None:
        if word in self.scenario.topics:
            return list(self.scenario.topics).index(word)
        if word == "all":
            return None
        guess = did_you_mean(word, (*self.scenario.topics, "all")) or "write the name of a topic, or all"
        raise self.refuse("preferred_election", f"{shown(word)} is not a topic of the scenario", guess)

    def more_partitions(self, fault: parts.AddPartitions) -> dict[str, Any]:
        if fault.add_partitions not in self.scenario.topics:
            guess = (
                did_you_mean(fault.add_partitions, self.scenario.topics) or f"topics: {listed(self.scenario.topics)}"
            )
            raise self.refuse("add_partitions", f"{shown(fault.add_partitions)} is not a topic of the scenario", guess)
        now = self.scenario.topics[fault.add_partitions].partitions
        if fault.to <= now:
            rule = f"InvalidPartitionsException: the topic has {now} partitions, {fault.to} would not be an increase"
            raise self.refuse("to", rule, f"write at least {now + 1}")
        number = list(self.scenario.topics).index(fault.add_partitions)
        return {"topic": number, "count": fault.to, "to": fault.to}

    def rolling(self, fault: parts.RollingRestart) -> dict[str, Any]:
        if fault.downtime >= fault.every:
            rule = f"a downtime of {duration_text(fault.downtime)} is not below every {duration_text(fault.every)}"
            raise self.refuse("downtime", rule, "restart one broker before the next one stops")
        return {"downtime_us": fault.downtime, "every_us": fault.every}

    def target(self, key: str | tuple[str | int, ...], text: str) -> Target:
        """Words to a role or a host."""
        if text in ("controller", "brokers", "clients", "everybody"):
            return Target(text)
        if match := _BROKER.fullmatch(text):
            number, count = int(match[1]), self.scenario.brokers.count
            if not 1 <= number <= count:
                raise self.refuse(key, f"broker {number} does not exist", f"brokers are numbered 1..{count}")
            return Target("host", number=number)
        if match := _ROLE.fullmatch(text):
            return Target(match[1], number=0, partition=self.names.partition(match[2], self.place(key)))
        if match := _COORDINATOR.fullmatch(text):
            return Target("leader", partition=self.names.home(match[1], self.place(key)))
        known = {**self.names.producer_hosts, **self.names.consumer_hosts}
        if text in known:
            return Target("host", number=known[text])
        words = ("controller", "brokers", "clients", "everybody", "broker 1", *known)
        if text in self.scenario.producers or text in self.scenario.consumers:
            self.names.client(text, self.place(key))
        guess = did_you_mean(text, words) or "write broker 2, leader of payments-0, controller, or a client's name"
        raise self.refuse(key, f"{shown(text)} is not a target", guess)

    def message(self, fault: parts.MessageFaultPart) -> MessageFault:
        self.check_keys(fault)
        producer, partition = self.whose(fault), self.which(fault)
        self.check_value(fault.value, producer)
        release = fault.release or parts.Release()
        error = 0 if fault.error is None else int(ErrorCode[fault.error])
        return MessageFault(
            index=self.index,
            do=fault.do,
            producer=producer,
            partition=partition,
            nth=tuple(fault.nth or ()),
            value=fault.value,
            attempt=fault.attempt,
            from_us=fault.at or fault.from_ or 0,
            until_us=fault.until,
            after_answered=fault.after_answered,
            earlier=fault.earlier or "now",
            error=error,
            delay_us=fault.delay or 0,
            release_callbacks=release.callbacks,
            release_after_us=release.after,
            text=self.text(fault),
        )

    def check_keys(self, fault: parts.MessageFaultPart) -> None:
        """Keys that belong together, or to another verb."""
        for key, verbs in BELONGS.items():
            if getattr(fault, key) is not None and fault.do not in verbs:
                raise self.refuse(key, f"{key} has no meaning for {fault.do}", f"remove it, or write do: {verbs[0]}")
        needed = NEEDS.get(fault.do)
        if needed and getattr(fault, needed) is None:
            example = "delay: 300ms" if needed == "delay" else "error: NOT_ENOUGH_REPLICAS"
            raise self.refuse("do", f"{fault.do} needs {needed}", f"write {example}")
        if (fault.nth is None) == (fault.value is None):
            raise self.refuse(
                "do", f"{fault.do} needs either nth or value", "write nth: 1, or value: T1 and attempt: 1"
            )
        if fault.attempt is not None and fault.value is None:
            raise self.refuse("attempt", "attempt has no meaning beside nth", "write value in place of nth")
        if fault.at is not None and fault.from_ is not None:
            raise self.refuse("at", "at and from are the same thing", "keep one of the two")
        start = fault.at or fault.from_ or 0
        if fault.until is not None and fault.until <= start:
            raise self.refuse("until", "until is not after from", "let it end later")

    def check_value(self, value: str | None, producer: int) -> None:
        """A fault that waits for a value that is never sent would never strike."""
        if value is None or value in (ALL, WARM_UP_VALUE) or is_default_value(self.scenario, value):
            return
        known = [
            text
            for name, part in self.scenario.producers.items()
            if producer in (self.names.producer_hosts[one] for one in Names.instances_of(name, part))
            for _, text in explicit_values(self.scenario, name)
        ]
        if value not in known:
            guess = (
                did_you_mean(value, known) or "write a value of its sends, its name and a number as billing/7, or all"
            )
            raise self.refuse("value", f"{shown(value)} is no value that this producer sends", guess)

    def whose(self, fault: parts.MessageFaultPart) -> int:
        if fault.producer is not None:
            return self.names.producer(fault.producer, self.place("producer"))
        hosts = list(self.names.producer_hosts.values())
        if len(hosts) > 1:
            way_out = f"write producer: {next(iter(self.names.producer_hosts))}"
            raise self.refuse("do", f"{fault.do} needs producer, as there are {len(hosts)}", way_out)
        return hosts[0]

    def which(self, fault: parts.MessageFaultPart) -> int:
        if isinstance(fault.partition, str):
            return self.names.partition(fault.partition, self.place("partition"))
        first = next(iter(self.scenario.topics))
        if fault.partition is None and len(self.names.topic_of) > 1:
            rule = f"{fault.do} needs partition, as there are {len(self.names.topic_of)}"
            raise self.refuse("do", rule, f"write partition: {first}-0")
        if len(self.scenario.topics) > 1:
            raise self.refuse(
                "partition", "a bare number is not enough with several topics", f"write partition: {first}-0"
            )
        return self.names.partition(f"{first}-{fault.partition or 0}", self.place("partition"))

    def text(self, fault: Any) -> str:
        """The entry in one line, as the file could have it."""
        data = fault.model_dump(by_alias=True, exclude_unset=True)
        return ", ".join(f"{key}: {_short(value)}" for key, value in data.items())


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_short(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_short(item)}' for key, item in value.items())}}}"
    return str(value)


def _plain(number: Fraction) -> int | float:
    return number.numerator if number.denominator == 1 else float(number)
