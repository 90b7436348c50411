"""What stories of groups say: retention that overtakes a reader, who stood still, which options were in force."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analysis.explaining import explain
from analysis.explaining.changes import Case, changes_for
from analysis.explaining.laboratory import Lane
from analysis.explaining.permitted import permitted_by
from sim.run import simulate
from sim.scenario import load
from tests.analysis.written import judged

GROUP = {"C1": {"group": "G"}}
READ = "".join(f"send P1 {n} {v} o-0; append o-0 {n - 1} {v}; ack P1 {v} o-0 {n - 1}; " for n, v in enumerate("abc", 1))
POLLED = "hw o-0 3; assign C1 o-0; poll C1 o-0:0:a; commit C1 o-0 1; {}reset C1 o-0 3"


# --- retention --------------------------------------------------------------------------------------------------------
def test_a_reader_whose_next_record_is_gone_was_overtaken_by_retention() -> None:
    one = explain(judged(READ + POLLED.format("logstart o-0 2; "), consumers=GROUP, drain=True), "unseen")

    assert (one.mechanism, one.because) == (
        "overtaken by retention",
        "the log of o-0 began at offset 2 by then, C1 stood at 1, and its library moved it to offset 3, behind it",
    )
    assert "what o-0 holds below offset 2 is removed" in one.text()


def test_near_miss_the_log_begins_where_the_reader_stood() -> None:
    """Nor is it said that nothing was committed: the group had committed offset 1."""
    one = explain(judged(READ + POLLED.format("logstart o-0 1; "), consumers=GROUP, drain=True), "unseen")

    assert (one.mechanism, one.because) == (
        "position reset", "the library of C1 set its position in o-0 to offset 3, behind it",
    )  # fmt: skip


def test_nothing_was_committed_is_said_where_it_was_so() -> None:
    one = explain(judged(READ + "hw o-0 3; assign C1 o-0; reset C1 o-0 3", consumers=GROUP, drain=True), "unseen")

    assert one.because == (
        "the library of C1 set its position in o-0 to offset 3, behind it: nothing was committed there"
    )


def test_longer_retention_prevents_it() -> None:
    one = explain(simulate(load("group_slow_consumer_retention"), 0), "unseen", latency_seeds=2)

    assert one.mechanism == "overtaken by retention"
    assert {"retention.bytes=3145728", "segment.bytes=1048576", "auto.offset.reset=latest"} <= set(one.permitted_by)
    removed, polled, moved = [line.words for line in one.story][-4:-1]
    assert removed.startswith("broker 1 removes what payments-0 holds below offset")
    assert polled.startswith("ledger polls payments-0 from offset")  # the last that it was given
    assert moved.startswith("the library of ledger sets its position in payments-0 to offset")
    assert one.proof is not None and one.proof.holds
    assert (one.headline, one.prevented_by) == ("prevented by", "retention.bytes=-1 (topic payments)")
    unconfirmed = replace(one, proof=replace(one.proof, there=0))
    assert unconfirmed.proof is not None and unconfirmed.proof.sentence().endswith("not confirmed")
    assert unconfirmed.headline == "might be prevented by"


# --- members ----------------------------------------------------------------------------------------------------------
def test_the_story_says_who_stood_still_and_whose_the_partition_was() -> None:
    one = explain(simulate(load("group_zombie"), 5), "duplicate-processing", proof=False)

    words = iter(line.words for line in one.story)
    for part in (
        "ledger-1 is assigned payments-0", "ledger-1 polls payments-0 from offset", "ledger-1 stands still",
        "ledger-2 is assigned payments-0", "ledger-2 polls payments-0 from offset", "ledger-1 goes on",
    ):  # fmt: skip
        assert any(part in line for line in words), part
    assert (one.headline, one.prevented_by.endswith("(not tried)")) == ("might be prevented by", True)


def test_what_was_acknowledged_and_made_again_was_not_left_unreported() -> None:
    one = explain(simulate(load("application_chain"), 5), "duplicate-append", proof=False)

    assert one.because == (
        "enricher-1 had reported it, and died with its consumer before group ledger had committed the record that it "
        "was made of; the work on that was done again, and enricher-1#2 sent its result"
    )
    assert "enricher-1 dies" in one.text()


# --- options ----------------------------------------------------------------------------------------------------------
def case(mechanism: str, **section: Any) -> Case:
    source: dict[str, Any] = {
        "topics": {"o": {}}, "producers": {"P1": {}}, "consumers": {"C": {"topics": ["o"], "members": 2, **section}},
    }  # fmt: skip
    return Case(source, Lane(("producer", "P1")), "o", mechanism)


def test_options_that_are_not_in_force_permit_nothing() -> None:
    options = {"consumers.C": {"enable.auto.commit": "false", "auto.commit.interval.ms": "5000"}}
    told = permitted_by(case("re-read after a restart"), "re-read after a restart", options, None)
    assert told == ["enable.auto.commit=false", "processing.commit=never"]

    stolen = "stolen partition and late commit"
    options = {
        "consumers.C": {"group.protocol": "consumer", "session.timeout.ms": "45000"},
        "brokers": {"group.consumer.session.timeout.ms": "50000"},
    }
    assert permitted_by(case(stolen), stolen, options, None) == ["group.consumer.session.timeout.ms=50000"]
    options["consumers.C"]["group.protocol"] = "classic"
    assert permitted_by(case(stolen), stolen, options, None) == ["session.timeout.ms=45000"]


def test_librdkafka_need_only_store_offsets_behind_the_work() -> None:
    """Two options in place of one cost more; what commits for each poll has a price that speaks of no pool."""
    changes = list(changes_for(case("commit before processing", client="librdkafka")))

    assert str(changes[0]) == "enable.auto.offset.store=false (group C)"
    assert str(changes[1]) == "enable.auto.commit=false (group C) and processing.commit=after (group C)"
    assert changes[1].price.startswith("a commit for every poll")
    java = [str(one) for one in changes_for(case("commit before processing"))]
    assert java == ["enable.auto.commit=false (group C) and processing.commit=after (group C)"]


def test_readers_are_shown_sources_that_they_can_look_up() -> None:
    sources = {one.source: one.cited for one in changes_for(case("position reset", config={}))}

    assert sources == {"KIP-842; anomalies 2.1": "KIP-842"}
    assert {one.cited for one in changes_for(case("commit before processing"))} == {""}
