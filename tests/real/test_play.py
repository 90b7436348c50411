"""What clients say to the run that drives them, without any client."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sim.real.outcome import Instance
from sim.real.play import Play
from sim.scenario import compile_plan
from tests.real.outcomes import scenario


@pytest.mark.parametrize(("name", "life", "late"), [("p", 1, True), ("p#2", 2, False)])
def test_only_the_first_life_of_a_producer_can_be_late_with_its_warm_up(name: str, life: int, late: bool) -> None:
    sends = [{"at": "0ms", "value": value} for value in "ab"]
    plan = compile_plan(scenario(producers={
        "p": {"warm.up": {"partition": "t-0"}, "workload": {"topic": "t", "sends": sends}},
    }))  # fmt: skip
    cluster = SimpleNamespace(clock=SimpleNamespace(us_of=lambda nanos: nanos // 1000), numbers=range(1, 4))
    play = Play(cast(Any, cluster), plan, 0, {})
    play._scripts = {"p": None}
    play._ready[name] = asyncio.Event()
    play.instances.append(Instance(plan.producers[0], name, [], cast(Any, None), incarnation=life))

    play._event({"e": "told", "name": name, "t": 9_000_000_000, "i": 0, "p": 0, "o": 0, "error": None})

    assert play._late_warm_up is late
