"""The faults of a scenario: one entry, one verb.

Most verbs are a key of their own (``kill: leader of payments-0``) and happen at a time (``at``) or at random (``rate``,
within ``from`` and ``until``). ``do`` names a fault of messages, in the vocabulary of the recorded runs.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from sim.protocol.error_codes import PRODUCE_ERRORS, ErrorCode
from sim.scenario.base import Duration, Part, Percent, Rate, SomeTime
from sim.wording import Wrong, did_you_mean, listed, shown

__all__ = ["VERBS", "Fault", "MessageFaultPart", "Scheduled"]

PRODUCE_ERROR_NAMES = tuple(ErrorCode(code).name for code in PRODUCE_ERRORS if code < 1000)
DO = (
    "drop_response", "drop_request", "answer_error", "append_then_error", "swallow", "delay_response", "hold_request",
)  # fmt: skip
MOST_NTH = 1_000_000


def _target(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"{shown(value)} is not a target", "write broker 2, leader of payments-0, or a client's name")
    return " ".join(value.split())


def _pair(value: object) -> list[str]:
    if not isinstance(value, list) or len(value) != 2:
        raise Wrong(f"{shown(value)} is not a pair of targets", "write [broker 1, broker 2] or [billing, brokers]")
    return [_target(item) for item in value]


Target = Annotated[
    str,
    BeforeValidator(_target),
    WithJsonSchema(
        {"type": "string", "examples": ["broker 2", "leader of payments-0", "follower of payments-0", "controller"]}
    ),
]
Pair = Annotated[
    list[str],
    BeforeValidator(_pair),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}),
]


class Scheduled(Part):
    """When: ``at`` once, or ``rate`` at random (a Poisson process) from ``from`` until ``until``."""

    at: Duration | None = Field(default=None, description="Once, so long after the start.")
    rate: Rate | None = Field(default=None, description="At random with this rate, in place of at.")
    from_: Duration | None = Field(
        default=None, alias="from", description="Random faults begin here (default: the start)."
    )
    until: Duration | None = Field(default=None, description="Random faults end here (default: the end of run).")


class Kill(Scheduled):
    """A broker process dies; what it wrote to the page cache stays."""

    kill: Target
    restart_after: SomeTime | None = Field(default=None, description="Down for so long; without it, for good.")


class PowerOff(Scheduled):
    """A broker's machine loses power; pages that were not flushed are gone."""

    power_off: Target
    restart_after: SomeTime | None = Field(default=None, description="Down for so long; without it, for good.")


class Shutdown(Scheduled):
    """A controlled shutdown: leadership moves first."""

    shutdown: Target
    restart_after: SomeTime | None = Field(default=None, description="Down for so long; without it, for good.")


class Pause(Scheduled):
    """The process stands still (garbage collection, a stalled VM) and then goes on."""

    pause: Target
    for_: SomeTime = Field(alias="for", description="So long.")


class SlowDisk(Scheduled):
    """Every append of the broker takes longer."""

    slow_disk: Target
    for_: SomeTime = Field(alias="for", description="So long.")
    by: SomeTime = Field(description="Each append takes so much longer.")


class Cut(Scheduled):
    """Nothing passes between two sides."""

    cut: Pair
    for_: SomeTime = Field(alias="for", description="So long.")
    one_way: bool = Field(default=False, description="true: only from the first to the second.")


class Slow(Scheduled):
    """Every message between two sides takes longer."""

    slow: Pair
    for_: SomeTime = Field(alias="for", description="So long.")
    by: SomeTime = Field(description="Each message takes so much longer.")
    one_way: bool = Field(default=False, description="true: only from the first to the second.")


class Lossy(Scheduled):
    """Packets between two sides get lost; TCP sends them again, so messages are late, not missing."""

    lossy: Pair
    for_: SomeTime = Field(alias="for", description="So long.")
    percent: Percent = Field(description="Share of packets that are lost.")
    one_way: bool = Field(default=False, description="true: only from the first to the second.")


class Reset(Scheduled):
    """The connections between two sides are reset."""

    reset: Pair


class PreferredElection(Scheduled):
    """Leadership moves back to the preferred replicas of a topic, or of all."""

    preferred_election: Annotated[str, BeforeValidator(_target)] = Field(description="A topic, or all.")


class UncleanElection(Scheduled):
    """An operator forces an election outside the in-sync set."""

    unclean_election: Annotated[str, BeforeValidator(_target)] = Field(description="A partition, as payments-0.")


class AddPartitions(Scheduled):
    """The partition count of a topic is increased."""

    add_partitions: Annotated[str, BeforeValidator(_target)] = Field(description="The topic.")
    to: int = Field(ge=2, le=1000, description="New number of partitions.")


class MoveController(Scheduled):
    """The active controller moves; nothing is elected during the outage."""

    move_controller: Literal["controller"] = Field(description="controller.")
    outage: Duration = Field(default=1_000_000, description="So long without an active controller.")


class RestartProducer(Scheduled):
    """A producer's process dies and a new one starts in its place, with a new identity."""

    restart_producer: Target
    after: Duration = Field(default=1_000_000, description="The new process starts so much later.")
    resend: bool = Field(default=False, description="true: it first sends again whatever had not been reported.")


class Start(Scheduled):
    """A broker that is down is started."""

    start: Target


class RollingRestart(Scheduled):
    """One broker after the other is shut down in a controlled way and started again."""

    rolling_restart: Literal["brokers"]
    downtime: SomeTime = Field(default=5_000_000, description="Each broker is down for so long.")
    every: SomeTime = Field(default=30_000_000, description="From one broker's shutdown to the next one's.")


class Release(Part):
    """What ends a hold_request."""

    callbacks: int = Field(default=8, ge=0, le=MOST_NTH, description="After so many callbacks of the producer ...")
    after: Duration = Field(default=200_000, description="... and so much later.")


def _error_name(value: object) -> str:
    if value not in PRODUCE_ERROR_NAMES:
        guess = did_you_mean(str(value), PRODUCE_ERROR_NAMES) or f"known: {listed(PRODUCE_ERROR_NAMES, 40)}"
        raise Wrong(f"{shown(value)} is not a produce error", guess)
    return str(value)


def _nth(value: object) -> list[int]:
    found = value if isinstance(value, list) else [value]
    if not found or len(found) > 1000:
        raise Wrong(f"{shown(value)} is not a number or a list of 1 to 1000 numbers", "write nth: 3 or nth: [3, 4]")
    for number in found:
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_NTH:
            raise Wrong(f"{shown(number)} is not a whole number from 1 to {MOST_NTH}", "count requests from 1")
    return sorted(set(found))


def _value(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Wrong(f"{shown(value)} is not a record's value", "write the value as in sends, billing/7, or all")
    return str(value)


def _do(value: object) -> str:
    if value not in DO:
        raise Wrong(f"{shown(value)} is not a message fault", did_you_mean(str(value), DO) or f"write {listed(DO)}")
    return str(value)


def _partition(value: object) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Wrong(f"{shown(value)} is not a partition", "write it as payments-0")
    return value


class MessageFaultPart(Part):
    """A fault of produce requests of one producer to one partition; the first that matches a request applies."""

    do: Annotated[str, BeforeValidator(_do), WithJsonSchema({"enum": list(DO)})] = Field(description="What happens.")
    producer: str | None = Field(
        default=None, description="Whose requests (may be left out where there is one producer)."
    )
    partition: Annotated[str | int | None, BeforeValidator(_partition)] = Field(
        default=None, description="As payments-0 (may be left out where there is one partition)."
    )
    nth: Annotated[
        list[int] | None,
        BeforeValidator(_nth),
        WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
    ] = Field(
        default=None, description="The n-th produce request to the partition, over all connections; a number or a list."
    )
    value: Annotated[str | None, BeforeValidator(_value), WithJsonSchema({"type": ["string", "integer"]})] = Field(
        default=None, description="The request that carries this value; all for each."
    )
    attempt: int | None = Field(
        default=None, ge=1, le=MOST_NTH, description="The n-th transmission of it; without it, every one."
    )
    at: Duration | None = Field(default=None, description="The same as from.")
    from_: Duration | None = Field(default=None, alias="from", description="Requests before this time are not touched.")
    until: Duration | None = Field(default=None, description="Requests from this time on are not touched.")
    error: Annotated[str | None, BeforeValidator(_error_name), WithJsonSchema({"enum": list(PRODUCE_ERROR_NAMES)})] = (
        Field(default=None, description="Kafka's name of the error.")
    )
    delay: SomeTime | None = Field(default=None, description="delay_response: the answer comes so much later.")
    after_answered: int | None = Field(
        default=None, ge=0, le=MOST_NTH, description="drop_response: once requests 1..m are answered."
    )
    earlier: Literal["acked", "appended", "now"] | None = Field(
        default=None, description="drop_request: when the reset comes."
    )
    release: Release | None = Field(default=None, description="hold_request: what ends it.")


PARTS: dict[str, type[Scheduled]] = {
    "kill": Kill, "power_off": PowerOff, "shutdown": Shutdown, "pause": Pause, "slow_disk": SlowDisk, "cut": Cut,
    "slow": Slow, "lossy": Lossy, "reset": Reset, "preferred_election": PreferredElection,
    "unclean_election": UncleanElection, "add_partitions": AddPartitions, "move_controller": MoveController,
    "restart_producer": RestartProducer, "start": Start, "rolling_restart": RollingRestart,
}  # fmt: skip
VERBS = (*PARTS, "do")


def _tag(data: Any) -> str:
    """The one verb of an entry, as a tag that no key can be."""
    if isinstance(data, MessageFaultPart):
        return "verb do"
    if isinstance(data, Scheduled):
        return next(f"verb {verb}" for verb, part in PARTS.items() if isinstance(data, part))
    if not isinstance(data, dict):
        raise Wrong(f"{shown(data)} is not a fault", "write {at: 5s, kill: broker 1}")
    verbs = [key for key in data if key in VERBS]
    if len(verbs) == 1:
        return f"verb {verbs[0]}"
    if len(verbs) > 1:
        raise Wrong(f"a fault has one verb, not {' and '.join(verbs)}", "write one entry for each")
    common = {alias for part in PARTS.values() for alias in part.known_keys()} | set(MessageFaultPart.known_keys())
    for key in data:
        if key not in common and (guess := did_you_mean(str(key), VERBS)):
            raise Wrong(f"{shown(key)} is not a verb", guess)
    raise Wrong("a fault needs a verb", f"write one of {listed(VERBS, 20)}")


def _checked_tag(data: Any) -> Any:
    _tag(data)
    return data


_UNION: Any = Annotated[MessageFaultPart, Tag("verb do")]
for _verb, _part in PARTS.items():
    _UNION = _UNION | Annotated[_part, Tag(f"verb {_verb}")]

# The verb is checked before the union is entered, so that its message is ours.
Fault = Annotated[_UNION, Discriminator(_tag), BeforeValidator(_checked_tag)]
