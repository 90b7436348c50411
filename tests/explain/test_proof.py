"""Pinning, reducing, trying: what the counterfactual rests on."""

from __future__ import annotations

from typing import Any

import pytest

from analysis import judge
from analysis.explaining import Explanation, explain
from analysis.explaining.changes import Case, changes_for, with_change
from analysis.explaining.diagnosis import Diagnosis, Part
from analysis.explaining.facts import Facts
from analysis.explaining.laboratory import Laboratory, Lane, lane_of, made
from analysis.explaining.pins import by_time, moved
from analysis.explaining.proof import EVERY_PROBE, _Found, _moved, _Pinned, _sturdiest
from analysis.explaining.reduce import reduced, shortened
from analysis.explaining.window import ALL_US, window_of
from sim.protocol.rows import Kind
from sim.run import simulate
from sim.scenario import from_dict, from_text
from sim.trace import Trace

SOURCE: dict[str, Any] = {
    "run": "1s",
    "settle": "4s",
    "topics": {"orders": {"partitions": 1, "replication.factor": 3, "config": {"min.insync.replicas": "2"}}},
    "producers": {
        "shop": {
            "config": {"acks": "all", "enable.idempotence": "false", "linger.ms": "0", "batch.size": "1"},
            "workload": [{"topic": "orders", "rate": "40/s"}],
        }
    },
    "faults": [{"do": "drop_response", "producer": "shop", "partition": "orders-0", "nth": [3]}],
}
SHOP = Lane(("producer", "shop"))


def traced(**changes: Any) -> Trace:
    return simulate(from_dict(SOURCE | changes), 3)


def explained(trace: Trace, finding: str = "duplicate-append") -> Explanation:
    return explain(trace, finding, latency_seeds=2)


# --- latency seeds ----------------------------------------------------------------------------------------------------
def test_a_latency_seed_changes_latency_alone() -> None:
    source = from_dict(SOURCE | {"producers": {"shop": SOURCE["producers"]["shop"] | {
        "workload": [{"topic": "orders", "rate": "40/s", "arrivals": "poisson", "keys": {"count": 5}}]}}})  # fmt: skip
    runs = [simulate(source, 3), simulate(source, 3, latency_seed=4), simulate(source, 4)]
    sends = [(one.sends["t_us"].tolist(), one.sends["key"].tolist()) for one in runs]

    assert sends[0] == sends[1] != sends[2]
    assert runs[0].events["t_us"].tolist() != runs[1].events["t_us"].tolist()
    assert runs[1].header["latency_seed"] == 4 and "latency_seed" not in runs[0].header
    assert runs[1].digest() == simulate(source, 3, latency_seed=4).digest()
    assert runs[0].digest() == simulate(source, 3, latency_seed=3).digest()


# --- pinning ----------------------------------------------------------------------------------------------------------
def test_a_latency_seed_leaves_partitions_with_whom_they_are() -> None:
    """Members of one client.id are ordered by the UUID that their coordinator draws: whoever's request comes first."""
    source = from_dict({
        "run": "6s", "settle": "4s", "topics": {"orders": {"partitions": 4}},
        "producers": {"shop": {"workload": {"topic": "orders", "rate": "20/s"}}},
        "consumers": {"ledger": {"topics": ["orders"], "members": 2}},
    })  # fmt: skip
    owners = set()
    for k in range(6):
        rows = simulate(source, 3, latency_seed=k).rows(Kind.ASSIGN)
        owners.add(frozenset((row["host"], row["partition"]) for row in rows if row["partition"] >= 0))
    assert len(owners) == 1


def test_what_strikes_clients_is_moved_and_nothing_else() -> None:
    faults: list[dict[str, Any]] = [
        {"at": "5s", "kill": "ledger-1", "restart_after": "1s"}, {"at": "5s", "pause": "shop", "for": "1s"},
        {"at": "5s", "kill": "leader of orders-0"}, {"do": "drop_response", "producer": "shop"},
        {"at": "1ms", "restart_producer": "shop"},
    ]  # fmt: skip
    source = SOURCE | {"consumers": {"ledger": {}}, "faults": faults}

    told = moved(source, -3_000)

    assert told is not None
    assert [fault.get("at") for fault in told["faults"]] == [
        "4997ms",
        "4997ms",
        "5s",
        None,
        "1ms",
    ]  # not before the start
    assert source["faults"] is faults and faults[0]["at"] == "5s"
    assert moved(SOURCE | {"faults": faults[2:4]}, 3_000) is None


def test_a_case_that_timing_undoes_is_looked_for_a_little_later_and_earlier() -> None:
    """Killed at 2 s sharp the client is at rest; the case has to be pinned where it is at work."""
    shown: list[tuple[str, int]] = []

    class Bench:
        """Shows the case as often as the table says, by the time of the kill."""

        laboratory, window = Laboratory([]), None
        often = {"2s": 2, "2003ms": 1, "1997ms": 4, "2008ms": EVERY_PROBE}

        def there_so(self, source: dict[str, Any]) -> bool:
            return source["faults"][0]["at"] in self.often

        def shown(self, source: dict[str, Any], least: int) -> int:
            shown.append((source["faults"][0]["at"], least))
            return self.often[source["faults"][0]["at"]]

    source = SOURCE | {"run": "5s", "faults": [{"at": "2s", "restart_producer": "shop"}]}
    plain = _Pinned("as it was", source, None)

    found = _sturdiest(Bench(), iter([(False, plain)]), _Found())  # type: ignore[arg-type]
    assert (found.pinned, found.shown) == (plain, 2)
    found = _sturdiest(Bench(), _moved(plain), found)  # type: ignore[arg-type]

    assert found.pinned is not None and found.pinned.how == "as it was, what strikes clients 8ms later"
    assert shown == [("2s", 0), ("2003ms", 2), ("1997ms", 2), ("2008ms", 4)]


def test_a_counted_fault_is_pinned_to_the_record_that_it_struck() -> None:
    one = explained(traced())

    assert one.proof is not None and one.proof.scenario is not None
    assert one.proof.pinned == "to the transmissions of the case, as message faults"
    value = one.records[0]["v"]
    assert one.proof.scenario["faults"] == [
        {"do": "drop_response", "producer": "shop", "partition": "orders-0", "value": value, "attempt": 1}
    ]


def test_an_error_after_the_append_is_pinned_as_one() -> None:
    faults = [{"do": "append_then_error", "producer": "shop", "partition": "orders-0", "nth": [3],
               "error": "REQUEST_TIMED_OUT"}]  # fmt: skip
    one = explained(traced(faults=faults))

    assert one.mechanism == "retry after an error that came after the append"
    assert one.proof is not None and one.proof.scenario is not None
    assert [fault["do"] for fault in one.proof.scenario["faults"]] == ["append_then_error"]
    assert one.proof.holds


def test_random_faults_are_pinned_to_the_times_at_which_they_struck() -> None:
    """And those that have no part in the case are left out."""
    noise = {"rate": "60/min", "slow": ["shop", "broker 3"], "for": "10ms", "by": "1ms"}
    alone = [{"at": "3s", "kill": f"broker {number}", "restart_after": "25s"} for number in (2, 3)]
    crash = {"at": "16s", "kill": "leader of orders-0", "restart_after": "22s"}
    unsafe = {"min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
    topics = {"orders": {"partitions": 1, "replication.factor": 3, "config": unsafe}}
    source = SOURCE | {"run": "40s", "settle": "20s", "topics": topics, "faults": [noise, *alone, crash]}
    one = explain(simulate(from_dict(source), 3), "lost-acked", latency_seeds=2)

    assert one.mechanism == "unclean election"
    assert one.proof is not None and one.proof.scenario is not None and one.proof.holds
    pinned = one.proof.scenario["faults"]
    assert {"at": "16s", "kill": "broker 1", "restart_after": "22s"} in pinned  # the role is a host now
    assert [fault for fault in pinned if "slow" in fault] == []


def test_a_rolling_restart_is_pinned_as_the_shutdowns_that_it_came_to() -> None:
    faults = [{"at": "1s", "rolling_restart": "brokers", "downtime": "2s", "every": "5s"}]
    verdict = judge(traced(faults=faults, run="16s", settle="10s"))
    pinned = by_time(Facts(verdict.evidence), SOURCE | {"faults": faults})

    assert pinned["faults"] == [
        {"at": at, "shutdown": f"broker {number}", "restart_after": "2s"}
        for number, at in ((1, "1s"), (2, "6s"), (3, "11s"))
    ]
    assert made({**pinned, "run": "16s"}) is not None


# --- reducing ---------------------------------------------------------------------------------------------------------
def test_reduction_keeps_exactly_what_is_needed() -> None:
    """Ten faults of which 3 and 7 are needed together."""
    asked: list[list[int]] = []

    def shows(source: dict[str, Any]) -> bool:
        asked.append(list(source.get("faults", ())))
        return {3, 7} <= set(source.get("faults", ()))

    found = reduced({"faults": list(range(10)), "run": "30s"}, 2_000_000, shows)

    assert found == {"faults": [3, 7], "run": "3s"}
    assert len(asked) < 40


def test_reduction_takes_all_faults_away_where_none_is_needed_and_keeps_a_run_that_is_short() -> None:
    assert reduced({"faults": [1, 2], "run": "1s"}, 2_000_000, lambda source: True) == {"run": "1s"}
    assert reduced({"faults": [1, 2]}, 60_000_000, lambda source: False) == {"faults": [1, 2]}


def test_a_shorter_run_stops_its_workload_by_its_end() -> None:
    """A workload that stops behind the end of the run would be refused."""
    streams = [{"stop": "20s"}, {"stop": "2s"}, {"rate": "1/s"}]
    fed = {"config": {"linger.ms": 5}}

    told = shortened({"run": "24s", "producers": {"one": {"workload": streams[0]}, "fed": fed}}, 2_000_000)
    several = shortened({"run": "24s", "producers": {"shop": {"workload": streams}}}, 2_000_000)

    assert told == {"run": "3s", "producers": {"one": {"workload": {"stop": "3s"}}, "fed": fed}}
    assert several["producers"]["shop"]["workload"] == [{"stop": "3s"}, {"stop": "2s"}, {"rate": "1/s"}]
    assert streams[0] == {"stop": "20s"}  # what was handed over is as it was


@pytest.mark.parametrize(
    ("width", "told"),
    [((0, 0), (10, 2)), ((2_000_000, 1_000_000), (8, 5)), ((ALL_US, 1_000_000), (0, 13)), ((ALL_US, ALL_US), None)],
)
def test_a_window_has_the_sends_around_the_case(width: tuple[int, int], told: tuple[int, int] | None) -> None:
    """One record a second; the case is numbers 10 and 11. *told*: the first number and how many. What is nearly the
    whole run is no window."""
    workload = {"topic": "orders", "rate": "1/s"}
    source = {key: SOURCE[key] for key in ("settle", "topics")} | {
        "run": "30s",
        "producers": {"shop": {"workload": workload}},
    }
    facts = Facts(judge(simulate(from_dict(source))).evidence)
    cast = [Part("late", code, facts.life(code), None) for code in (10, 11)]

    window = window_of(facts, Diagnosis("retry", "it was late", cast), source, width)

    assert (None if window is None else (window.first["shop"], len(window.sends["shop"]))) == told


# --- candidates -------------------------------------------------------------------------------------------------------
def case(mechanism: str, **config: str) -> Case:
    shop = SOURCE["producers"]["shop"] | {"config": config}
    return Case(SOURCE | {"producers": {"shop": shop}}, SHOP, "orders", mechanism)


def test_candidates_come_by_the_number_of_options_and_then_by_their_price() -> None:
    """With acks=1 idempotence needs two options, one request in flight needs one."""
    plain = [str(one) for one in changes_for(case("retry after a refused batch", **{"enable.idempotence": "false"}))]
    acks_1 = [str(one) for one in changes_for(case("retry after a refused batch", acks="1"))]

    assert plain == [
        "enable.idempotence=true (producer shop)", "max.in.flight.requests.per.connection=1 (producer shop)",
        "enable.idempotence=true (producer shop) and max.in.flight.requests.per.connection=1 (producer shop)",
    ]  # fmt: skip
    assert acks_1[:2] == [
        "max.in.flight.requests.per.connection=1 (producer shop)",
        "enable.idempotence=true (producer shop) and acks=all (producer shop)",
    ]


def test_what_is_so_already_is_no_candidate() -> None:
    both = {"enable.idempotence": "true", "max.in.flight.requests.per.connection": "1"}
    assert list(changes_for(case("retry after a refused batch", **both))) == []
    tails = changes_for(case("truncated tail of an acks=1 leader", acks="1"))
    assert str(next(tails)) == "acks=all (producer shop)"


def test_a_change_is_made_in_a_copy_of_the_scenario() -> None:
    before = made(SOURCE)
    change = next(iter(changes_for(Case(SOURCE, SHOP, "orders", "retry after a lost response"))))
    changed = made(with_change(SOURCE, change.edits))

    assert changed is not None and before is not None
    assert changed.producers["shop"].config["enable.idempotence"] == "true"
    assert SOURCE["producers"]["shop"]["config"]["enable.idempotence"] == "false"


# --- honesty ----------------------------------------------------------------------------------------------------------
def test_where_no_candidate_passes_it_says_so() -> None:
    """The application names the partitions, so that one partition is not to be had."""
    source = from_text(
        """
        topics: {orders: {partitions: 2}}
        producers:
          shop:
            workload:
              topic: orders
              sends: [{at: 1s, key: a, partition: 0}, {at: 1100ms, key: a, partition: 1}]
        run: 2s
        settle: 2s
        """
    )
    one = explained(simulate(source, 0), "key-partition-split")

    assert one.mechanism == "partitions named by the application"
    assert one.proof is not None and not one.proof.holds and one.prevented_by == ""
    assert one.proof.sentence() == "not proved: no change of the list is known to prevent it"
    assert "not proved" in one.to_json()["proof"]["sentence"]


def test_a_run_is_made_once() -> None:
    laboratory = Laboratory(["duplicate-append"])
    shown = [laboratory.shows("duplicate-append", SHOP, SOURCE, 3, 1) for _ in range(3)]

    assert (shown, laboratory.runs) == ([True, True, True], 1)
    assert laboratory.shows("duplicate-append", Lane(("producer", "other")), SOURCE, 3, 1) is False


def test_whose_finding_it_is_does_not_hang_on_the_life_of_the_process() -> None:
    assert lane_of({"records": [{"v": "shop#2/0", "prod": "shop#2"}]}) == SHOP
    assert lane_of({"records": [], "partition": "orders-3"}) == Lane(("topic", "orders"))


# --- the story as a file ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("nth", [3, 7])
def test_the_saved_scenario_shows_the_finding(nth: int) -> None:
    faults = [{"do": "drop_response", "producer": "shop", "partition": "orders-0", "nth": [nth]}]
    one = explained(traced(faults=[*faults, {"at": "900ms", "reset": ["shop", "broker 3"]}]))
    again = from_text(one.scenario(), "story.yaml")

    assert again.title == "duplicate-append: retry after a lost response"
    assert list(again.seeds) == [3] and len(again.faults) == 1
    assert again.question.endswith(f"Does it happen to {one.records[0]['v']}?")
    shown = explain(simulate(again, 3), "duplicate-append", proof=False)
    assert (shown.records[0]["v"], shown.mechanism) == (one.records[0]["v"], one.mechanism)
