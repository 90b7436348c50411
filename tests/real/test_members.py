"""Members of groups on real brokers, without any: what drivers are told, what their words come to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sim.plan import Plan
from sim.real.history import events_of, header_of
from sim.real.members import Members, client_ids, lacking_in, offsets_topic, work_of
from sim.real.play import Play
from sim.real.result import result_of, stretches
from sim.scenario import compile_plan
from tests.real.outcomes import batch, outcome, scenario

A = {"group": "G", "topics": ["t"], "config": {"client.id": "one"}, "processing": {"time": "2ms", "commit": "after"}}


def plan(**consumers: Any) -> Plan:
    return compile_plan(scenario(consumers=consumers or {"A": A, "B": {**A, "config": {}}}))


def test_a_member_goes_by_its_own_client_id_where_nobody_else_has_it() -> None:
    both = {"group": "G", "topics": ["t"], "members": 2, "config": {"client.id": "same"}}
    ids = client_ids(plan(A=A, B={**A, "config": {}}, C=both))
    assert list(ids) == ["one", "B", "C-1", "C-2"]
    assert sorted(ids.values()) == list(ids.values()) and len(set(ids.values())) == 4


def test_what_the_application_does_is_told_to_its_driver() -> None:
    fails = {"time": "3ms", "commit": "each", "call": "commitAsync", "failure": {"nth": [2, 5], "then": "skip"}}
    members = plan(A={**A, "processing": fails}).groups
    assert members is not None
    assert work_of(members.members[0], 0) == {
        "times": [3000], "per_poll": False, "commit": "each", "commit_async": True, "commit_in_revoke": False,
        "fails": [2, 5], "on_failure": "skip",
    }  # fmt: skip


def test_times_that_are_drawn_are_those_of_the_simulated_member() -> None:
    drawn = {**A, "processing": {"time": {"distribution": "uniform", "low": "1ms", "high": "3ms"}}}
    members = plan(A=drawn).groups
    assert members is not None
    times = work_of(members.members[0], 7)["times"]
    assert times == work_of(members.members[0], 7)["times"] != work_of(members.members[0], 8)["times"]
    assert all(1000 <= time <= 3000 for time in times) and len(set(times)) > 1000


def test_failures_by_share_are_named_as_what_no_real_run_can_give() -> None:
    by_share = {**A, "processing": {"time": "1ms", "failure": {"percent": "1%", "then": "retry"}}}
    assert lacking_in(plan(A=A)) == []
    assert lacking_in(plan(A=by_share))[0].startswith("consumers.A: processing.failure.percent")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"calls": [{"at": "1s", "pause": "t-0"}]}, "calls"),
        ({"processing": {"threads": 4}}, "processing.threads"),
        ({"client": "librdkafka", "config": {}}, "client: librdkafka in a group"),
    ],
)
def test_what_the_drivers_cannot_do_is_named(more: dict[str, Any], named: str) -> None:
    (told,) = lacking_in(plan(A={**A, **more}))
    assert told.startswith(f"consumers.A: {named}")


def test_the_offsets_topic_lies_on_the_brokers_of_the_plan() -> None:
    made = plan()
    assert made.groups is not None
    topic = offsets_topic(made, 50)
    assert len(topic["assignment"]) == 50 and topic["config"]["cleanup.policy"] == "compact"
    for index, replicas in zip(made.groups.indexes, made.groups.topic.replicas, strict=True):
        assert topic["assignment"][index] == list(replicas)


class Driver:
    """Keeps what it is told; a consumer that is opened is ready at once."""

    def __init__(self, members: list[Members]) -> None:
        self.said: list[tuple[str, str]] = []
        self.ended = False
        self._members = members

    def say(self, do: str, **fields: Any) -> None:
        self.said.append((do, fields["name"]))
        if do == "open":
            self._members[0].says({"e": "ready", "name": fields["name"]})

    def end(self) -> None:
        self.ended = True


def group_of(made: Plan) -> tuple[Members, list[Driver], list[dict[str, Any]]]:
    made_drivers: list[Driver] = []
    members: list[Members] = []
    events: list[dict[str, Any]] = []

    async def driver(_client: object, _java: bool) -> Driver:
        made_drivers.append(Driver(members))
        return made_drivers[-1]

    async def wait(_name: str, ready: asyncio.Event) -> None:
        assert ready.is_set()

    async def until(_time_us: int) -> None: ...

    fake = SimpleNamespace(
        plan=made, seed=0, driver=driver, wait=wait, until=until, events=events, now_us=lambda: 5_000_000,
        client_config=lambda options, name: {**options, "client.id": name}, clock=SimpleNamespace(start_ns=0),
        partitions={("t", 0): 0}, note=lambda kind, **fields: events.append({"e": kind, **fields}),
    )  # fmt: skip
    members.append(Members(cast(Play, fake)))
    return members[0], made_drivers, events


def callback(name: str, what: str, *partitions: int) -> dict[str, Any]:
    named = [["t", index] for index in partitions]
    return {"e": "callback", "name": name, "t_us": 1, "what": what, "partitions": named}


def test_a_member_that_dies_comes_back_as_another_life_and_its_last_words_are_not_heard() -> None:
    async def story() -> None:
        made = plan(A=A)
        members, drivers, events = group_of(made)
        assert made.groups is not None
        await members.open()
        members.begin()
        members.says(callback("A", "assigned", 0))
        members.says({"e": "rest", "name": "A"})
        assert members.unsettled() == [] and members.reads() == {("t", 0)}

        members.kill(made.groups.members[0].host, 1_000)
        assert drivers[0].ended and members.unsettled()[0] == "consumer A is down"
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        members.says(callback("A", "revoked", 0))  # of the first life
        members.says(callback("A#2", "assigned", 0))
        assert members.unsettled() == ["consumer A has not come to rest in its group"]
        members.says({"e": "rest", "name": "A#2"})
        assert members.unsettled() == []
        assert drivers[1].said == [("open", "A#2"), ("go", "A#2")]
        assert [(event["e"], event.get("what")) for event in events] == [
            ("callback", "assigned"), ("crash", None), ("callback", "assigned"),
        ]  # fmt: skip

    asyncio.run(story())


def test_an_application_that_failed_is_started_again_and_one_that_was_stopped_is_not() -> None:
    fails = {"time": "1ms", "failure": {"nth": 1, "then": "close", "restart_after": "1s"}}

    async def story() -> None:
        members, drivers, _ = group_of(plan(A={**A, "processing": fails}, B={**A, "config": {}, "stop": "2s"}))
        await members.open()
        members.begin()
        await asyncio.sleep(0)
        assert drivers[1].said == [("open", "B"), ("go", "B"), ("close", "B")]
        members.says({"e": "closed", "name": "B", "failed": False})
        members.says({"e": "closed", "name": "A", "failed": True})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        members.says(callback("A#2", "assigned", 0))
        members.says({"e": "rest", "name": "A#2"})
        assert members.unsettled() == []

    asyncio.run(story())


# --- what it comes to -------------------------------------------------------------------------------------------------
def played() -> Any:
    log = [batch(0, "a"), batch(1, "b"), batch(2, "c")]
    made = outcome(plan(), [(0, None, 0), (1, None, 1), (2, None, 2)], [], {1: log})
    made.consumers, made.groups, made.committed = ["A", "B"], {"A": "G", "B": "G"}, {"G": {("t", 0): 3}}
    work = [{"e": kind, "name": "A", "t_us": 30_000, "topic": "t", "index": 0, "o": offset}
            for offset in (0, 2) for kind in ("proc_start", "proc_end")]  # fmt: skip
    made.events += [
        callback("A", "assigned", 0) | {"owned": [("t", 0)], "t_us": 20_000},
        *work,
        {"e": "commit", "name": "A", "t_us": 40_000, "auto": False, "error": None, "offsets": [["t", 0, 3]]},
        {"e": "commit", "name": "A", "t_us": 41_000, "auto": False, "error": "CommitFailedException",
         "offsets": [["t", 0, 2]]},
        callback("A", "lost", 0) | {"owned": [], "t_us": 42_000},
        callback("A", "assigned") | {"owned": [], "t_us": 43_000},
    ]  # fmt: skip
    return made


def test_callbacks_work_and_commits_are_told_by_member() -> None:
    found = result_of(played())
    assert found["rebalances"] == {"A": [["assigned", ["t-0"]], ["lost", ["t-0"]]], "B": []}
    assert found["processed"] == {"A": {"t-0": [[0, 0], [2, 2]]}, "B": {}}
    assert found["committed"] == {"G": {"t-0": 3}}
    assert found["commits_refused"] == {"A": [["t-0", 2]], "B": []}


def test_stretches_join_neighbours() -> None:
    assert stretches({5, 1, 2, 3, 7, 6}) == [[1, 3], [5, 7]] and stretches([]) == []


def test_the_history_tells_members_in_the_words_of_the_format() -> None:
    made = played()
    assert header_of(plan(), made, None)["consumers"]["A"] == {"group": "G", "isolation": "read_uncommitted"}
    told = [event for event in events_of(made) if "con" in event]
    assert [(one["e"], one["t"]) for one in told] == [
        ("assign", 20_000), ("proc_start", 30_000), ("proc_end", 30_000), ("proc_start", 30_000), ("proc_end", 30_000),
        ("commit", 40_000), ("commit", 41_000), ("revoke", 42_000), ("assign", 43_000),
    ]  # fmt: skip
    assert told[0] == {"t": 20_000, "e": "assign", "con": "A", "p": ["t-0"], "how": "rebalance"}
    assert [(one["o"], one["ok"]) for one in told if one["e"] == "commit"] == [(3, True), (2, False)]
