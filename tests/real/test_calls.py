"""The calls of a real client are those of the simulated one."""

from __future__ import annotations

import pytest

from sim import simulate
from sim.real.calls import calls_of, calls_of_successor
from sim.scenario import compile_plan, load


@pytest.mark.parametrize("seed", [0, 7])
def test_times_keys_and_sizes_are_those_of_the_simulated_run(seed: int) -> None:
    """But for those that ``send()`` itself held back until it knew the topic."""
    scenario = load("payments_failover")
    plan, trace = compile_plan(scenario), simulate(scenario, seed)
    keys = trace.header["keys"]
    for prod, producer in enumerate(plan.producers):
        mine = trace.sends["prod"] == prod
        calls = calls_of(producer, plan, seed)
        times = trace.sends["t_us"][mine].tolist()
        known_us = times[1]  # the second call is the first that waits
        assert 4_000 < known_us < 1_000_000
        assert [max(call.at_us, known_us) for call in calls[1:]] == times[1:]
        assert [call.key for call in calls] == [keys[producer.name][key] for key in trace.sends["key"][mine].tolist()]
        assert {call.value_bytes for call in calls} == {200}
        assert [call.value for call in calls[:2]] == [f"{producer.name}/0", f"{producer.name}/1"]


def test_a_successor_repeats_first_and_calls_nothing_before_it_starts() -> None:
    plan = compile_plan(load("lost_response_duplicates"))
    calls = calls_of(plan.producers[0], plan, 0)
    found = calls_of_successor("shop#2", calls[3:4], calls[5:7], now_us=10_000_000)
    assert [call.at_us for call in found] == [10_000_000] * 3
    assert [call.value for call in found] == ["shop#2/0", "shop#2/1", "shop#2/2"]
