"""Mechanisms of readers in groups: histories written by hand, worked by hand, each beside a near miss; and what would
have helped."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.explaining import Explanation, explain
from analysis.explaining.changes import Case, changes_for
from analysis.explaining.laboratory import Lane
from analysis.explaining.mechanisms import NOT_EXPLAINED
from sim.run import simulate
from sim.scenario import from_dict, load
from tests.analysis.written import judged

GROUP = {"C1": {"group": "G"}, "C2": {"group": "G"}, "D": {"group": "H"}}
READ = "send P1 1 a o-0; append o-0 0 a; ack P1 a o-0 0; send P1 2 b o-0; append o-0 1 b; ack P1 b o-0 1; hw o-0 2; "


def told(text: str, finding: str, **header: Any) -> Explanation:
    return explain(judged(READ + text, consumers=GROUP, **header), finding)


# --- twice ------------------------------------------------------------------------------------------------------------
PAUSED = """
    assign C1 o-0; poll C1 o-0:0:a; proc_start C1 o-0 0; assign C2 o-0; poll C2 o-0:0:a; proc_start C2 o-0 0
    proc_end C2 o-0 0; commit C2 o-0 1
"""


def test_a_member_that_stood_still_ends_its_work_beside_its_successor() -> None:
    """It is given the partition again later, which does not make its late work any better."""
    one = told(PAUSED + "proc_end C1 o-0 0; revoke C1 o-0; revoke C2 o-0; assign C1 o-0", "duplicate-processing")

    assert one.mechanism == "stolen partition and late commit"
    assert one.because == "C1 went on with the partition after C2 had taken it over"


def test_who_was_given_the_partition_later_is_the_successor_whoever_read_first() -> None:
    """C1 held records that it had fetched, stood still, and handed them out behind C2's."""
    text = "assign C1 o-0; assign C2 o-0; poll C2 o-0:0:a; poll C1 o-0:0:a; poll C2 o-0:1:b"
    one = told(text, "duplicate-delivery")

    assert one.mechanism == "stolen partition and late commit"
    assert one.because == "C1 went on with the partition after C2 had taken it over"


def test_near_miss_it_had_given_the_partition_up() -> None:
    text = PAUSED.replace("assign C2", "proc_end C1 o-0 0; revoke C1 o-0; assign C2")

    assert told(text, "duplicate-processing").mechanism == "re-read after a rebalance"


def test_other_groups_do_not_count() -> None:
    """The first two deliveries are to different groups; the repeat is the third."""
    text = """
        assign C1 o-0; poll C1 o-0:0:a; assign D o-0; poll D o-0:0:a
        crash C1; assign C2 o-0; poll C2 o-0:0:a
    """
    one = told(text, "duplicate-delivery")

    assert (one.mechanism, one.because) == ("re-read after a restart", "C1 died between the two deliveries")


def test_two_members_at_work_on_one_partition() -> None:
    over = "assign C1 o-0; poll C1 o-0:0:a o-0:1:b; proc_start C1 o-0 0; {}; proc_start {} o-0 1"
    stolen = told(over.format("assign C2 o-0; poll C2 o-0:1:b", "C2"), "overlapping-processing")
    alone = told(over.format("hw o-0 2", "C1"), "overlapping-processing")

    assert (stolen.mechanism, stolen.because) == (
        "stolen partition and late commit", "C1 was still at work on the partition when C2 had taken it over",
    )  # fmt: skip
    assert (alone.mechanism, alone.because) == ("work in parallel", "C1 had both in work")
    begun = ("C1 begins its work on o-0 offset 0", "C2 begins its work on o-0 offset 1")
    assert all(words in stolen.text() for words in begun)


def test_a_late_commit_takes_the_offset_back() -> None:
    late = "assign C1 o-0; poll C1 o-0:0:a; assign C2 o-0; poll C2 o-0:0:a o-0:1:b; commit C2 o-0 2; commit C1 o-0 1"
    successor = "assign C1 o-0; poll C1 o-0:0:a o-0:1:b; commit C1 o-0 2; revoke C1 o-0; assign C2 o-0; commit C2 o-0 1"

    assert told(late, "commit-regression").because == "C1 committed after C2 had taken the partition over"
    assert told(late, "commit-regression").mechanism == "stolen partition and late commit"
    assert told(successor, "commit-regression").mechanism == "re-read after a rebalance"


def test_work_that_ended_before_the_partition_was_lost_was_not_lost_with_it() -> None:
    text = "assign C1 o-0; poll C1 o-0:0:a; proc_start C1 o-0 0; commit C1 o-0 1; {}"
    done = told(text.format("proc_end C1 o-0 0; revoke C1 o-0"), "premature-commit")
    lost = told(text.format("revoke C1 o-0; proc_end C1 o-0 0"), "premature-commit")

    assert done.because == "C1 committed it before its work on it had ended"
    assert lost.because == "C1 committed it before its work on it had ended; then it lost the partition"


# --- not at all -------------------------------------------------------------------------------------------------------
def test_what_is_committed_before_the_work_is_lost_with_the_process() -> None:
    text = "assign C1 o-0; poll C1 o-0:0:a o-0:1:b; commit C1 o-0 2; proc_start C1 o-0 0; proc_end C1 o-0 0; crash C1"
    lost = told(text, "lost-processing", drain=True)

    assert (lost.mechanism, lost.records[0]["v"]) == ("commit before processing", "b")
    assert lost.because == "C1 committed it before its work on it had ended; then it died"
    assert told(text, "premature-commit").mechanism == "commit before processing"


def test_near_miss_somebody_else_committed_it() -> None:
    text = """
        assign C1 o-0; poll C1 o-0:0:a o-0:1:b; proc_start C1 o-0 0; proc_end C1 o-0 0; commit C2 o-0 2; crash C1
    """
    assert told(text, "lost-processing", drain=True).mechanism == "stolen partition and late commit"


def test_a_group_that_began_at_the_end_never_reads_what_was_there() -> None:
    reset = "assign C1 o-0; reset C1 o-0 1; poll C1 o-0:1:b; assign D o-0; seek D o-0 1; poll D o-0:1:b"
    one = told(reset, "unseen", drain=True)

    assert (one.mechanism, one.records[0]["v"]) == ("position reset", "a")
    assert one.because.startswith("the library of C1 set its position in o-0 to offset 1, behind it")
    sought = told(reset.replace("reset C1", "seek C1"), "unseen", drain=True)
    assert sought.mechanism == "position moved by the application"
    assert told("assign C1 o-0; poll C1 o-0:1:b", "unseen", drain=True).mechanism == NOT_EXPLAINED


def test_a_group_that_came_back_behind_what_it_had_been_given() -> None:
    """What was given and not committed before the leap is lost by the leap; a commit without one is just early."""
    text = "assign C1 o-0; poll C1 o-0:0:a; crash C1; assign C1 o-0; {}poll C1 o-0:1:b; proc_end C1 o-0 1; "
    text += "commit C1 o-0 2"
    leapt, plain = (told(text.format(reset), "lost-processing", drain=True) for reset in ("reset C1 o-0 1; ", ""))

    assert leapt.mechanism == "position reset"
    assert leapt.because.endswith("to offset 1, behind what it had been given and had not committed")
    assert plain.mechanism == "commit before processing"


def test_a_log_that_is_cut_under_its_reader_takes_it_back() -> None:
    text = """
        assign C1 o-0; poll C1 o-0:0:a o-0:1:b; leader o-0 2 1; truncate o-0 0 b=1
        send P1 3 c o-0; append o-0 0 c b=2 lep=1; ack P1 c o-0 0; poll C1 o-0:0:c
    """
    unclean = {"clients": {"P1": {"acks": "all"}}, "topics": {"o": {"unclean.leader.election.enable": "true"}}}
    one = told(text, "nonmonotonic-poll", config=unclean)

    assert one.mechanism == "unclean election"
    assert one.because.startswith("the log was cut under the reader: broker 2 was elected from outside")
    still = "assign C1 o-0; poll C1 o-0:0:a o-0:1:b; poll C1 o-0:0:a"
    assert told(still, "nonmonotonic-poll").mechanism == NOT_EXPLAINED


# --- what would have helped -------------------------------------------------------------------------------------------
SOURCE: dict[str, Any] = {
    "run": "14s", "settle": "10s", "topics": {"orders": {"partitions": 1}},
    "producers": {"shop": {"workload": [{"topic": "orders", "rate": "20/s"}]}},
    "consumers": {"ledger": {
        "topics": ["orders"], "members": 2, "processing": {"time": "1ms"},
        "config": {"auto.offset.reset": "earliest", "enable.auto.commit": "false", "session.timeout.ms": "6000"},
    }},
}  # fmt: skip


def candidates(mechanism: str, **more: Any) -> list[str]:
    ledger = SOURCE["consumers"]["ledger"] | more
    case = Case(SOURCE | {"consumers": {"ledger": ledger}}, Lane(("producer", "shop")), "orders", mechanism)
    return [str(one) for one in changes_for(case) if one.options == 1]


def test_candidates_for_a_group_come_by_their_price() -> None:
    assert candidates("re-read after a rebalance") == [
        "enable.auto.commit=true (group ledger)", "processing.commit.in.revoke=true (group ledger)",
        "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor (group ledger)",
        "processing.commit=after (group ledger)", "processing.commit=each (group ledger)",
        "processing.commit=before (group ledger)",
    ]  # fmt: skip
    assert candidates("stolen partition and late commit")[0] == "session.timeout.ms=45000 (group ledger)"
    early = candidates("commit before processing", processing={"commit": "before"})
    assert early == ["processing.commit=after (group ledger)"]
    assert candidates("position reset", config={"auto.offset.reset": "earliest"}) == []


def test_a_member_of_the_new_protocol_gets_its_session_from_the_brokers() -> None:
    """A process stands still for longer than its session; KIP-848: the coordinator says how long that is."""
    session = "group.consumer.session.timeout.ms"
    brokers = {session: "8000", "group.consumer.min.session.timeout.ms": "6000"}
    config = {"auto.offset.reset": "earliest", "enable.auto.commit": "false", "group.protocol": "consumer"}
    ledger = SOURCE["consumers"]["ledger"] | {"config": config, "processing": {"time": "35ms", "commit": "after"}}
    shop = {"workload": {"topic": "orders", "rate": "50/s", "keys": {"count": 50}}}
    asked = SOURCE | {
        "run": "30s", "settle": "20s", "brokers": {"count": 3, "config": brokers}, "producers": {"shop": shop},
        "topics": {"orders": {"partitions": 4}}, "consumers": {"ledger": ledger},
        "faults": [{"at": "15s", "pause": "ledger-1", "for": "12s"}],  # by then it has half of them
    }  # fmt: skip

    one = explain(simulate(from_dict(asked), 3), "duplicate-delivery", latency_seeds=2)

    assert one.mechanism == "stolen partition and late commit"
    assert f"{session}=8000" in one.permitted_by
    assert one.proof is not None and one.proof.holds
    assert one.prevented_by.startswith(f"{session}=45000 (brokers)")


@pytest.mark.parametrize("own", [True, False], ids=["by the client", "not at all"])
def test_a_crash_makes_a_group_read_again_and_what_prevents_it_is_tried(own: bool) -> None:
    config = {**SOURCE["consumers"]["ledger"]["config"], "enable.auto.commit": str(own).lower()}
    ledger = SOURCE["consumers"]["ledger"] | {"config": config, "members": 1}
    fault = {"at": "9s", "kill": "ledger", "restart_after": "1s"}
    one = explain(
        simulate(from_dict(SOURCE | {"consumers": {"ledger": ledger}, "faults": [fault]}), 3), "duplicate-delivery",
        latency_seeds=2,
    )  # fmt: skip

    assert one.mechanism == "re-read after a restart"
    assert f"enable.auto.commit={str(own).lower()}" in one.permitted_by
    assert one.proof is not None and one.proof.holds
    assert one.prevented_by.startswith("processing.commit=")


def test_a_pool_that_commits_each_record_as_it_ends_takes_the_offset_back() -> None:
    """The later record ends first. Nothing is said where they end in order: then the commits crossed on their way."""
    begun = "assign C1 o-0; poll C1 o-0:0:a o-0:1:b; proc_start C1 o-0 0; proc_start C1 o-0 1; {}; "
    commits = "commit C1 o-0 2; commit C1 o-0 1"
    one = told(begun.format("proc_end C1 o-0 1; proc_end C1 o-0 0") + commits, "commit-regression")

    assert one.mechanism == "committed as it ends"
    assert one.because == "C1 ended its work on offset 0 after that on offset 1, and committed in that order"
    said = [line.words for line in one.story if line.kind == "note" and line.src == "C1"]
    assert said == [
        "C1 ends its work on o-0 offset 1", "C1 ends its work on o-0 offset 0", "C1 commits offset 2 of o-0",
        "C1 commits offset 1 of o-0",
    ]  # fmt: skip
    assert told(begun.format("proc_end C1 o-0 0; proc_end C1 o-0 1") + commits, "commit-regression").mechanism == (
        NOT_EXPLAINED
    )


def test_what_a_pool_should_commit() -> None:
    pool = {"threads": 8, "commit": "each"}
    assert candidates("committed as it ends", processing=pool) == [
        "processing.commit=watermark (group ledger)", "no processing.threads (group ledger)",
    ]  # fmt: skip
    assert candidates("work in parallel", processing=pool)[:2] == [
        "processing.order=key (group ledger)", "processing.order=partition (group ledger)",
    ]  # fmt: skip
    assert candidates("work in parallel", processing={"commit": "each"}) == []


def test_a_pool_of_a_run_is_told_to_commit_the_lowest_record_that_is_not_done() -> None:
    one = explain(simulate(load("application_commit_overtaken"), 0), "commit-regression", latency_seeds=2)

    assert (one.partition, one.mechanism) == ("payments-0", "committed as it ends")
    assert one.proof is not None and one.proof.holds
    assert one.prevented_by == "processing.commit=watermark (group ledger)"


def test_work_that_failed_and_was_put_elsewhere_is_no_work_in_parallel() -> None:
    one = explain(simulate(load("application_retry_topic"), 0), "overlapping-processing", latency_seeds=2)

    assert (one.mechanism, one.because) == (
        "failed work passed over", "the work on the first one failed, and ledger went on with the next",
    )  # fmt: skip
    assert one.proof is not None and one.proof.holds
    assert one.prevented_by.startswith("processing.failure.then=retry (group ledger)")


def test_what_a_group_makes_twice_of_a_record_comes_from_its_restart() -> None:
    """The producer has no workload: it sends what the work of a group hands it."""
    one = explain(simulate(load("application_chain"), 5), "duplicate-append", latency_seeds=2)

    assert one.mechanism == "producer restarted"
    assert one.proof is not None and one.proof.holds
    assert one.prevented_by == "processing.commit=before (group ledger)"


# --- what a story says of commits, and of what is hidden --------------------------------------------------------------
def words(one: Explanation) -> list[str]:
    return [line.words for line in one.story]


def test_a_reader_that_begins_below_what_its_group_had_committed_is_not_explained_by_a_rebalance() -> None:
    text = "assign C1 o-0; poll C1 o-0:0:a; commit C1 o-0 1; revoke C1 o-0; assign C2 o-0; poll C2 o-0:0:a"
    one = told(text, "duplicate-delivery")

    assert one.mechanism == NOT_EXPLAINED
    assert one.because == "the partition went from C1 to C2, and C2 began below offset 1, which its group had committed"
    assert "C1 commits offset 1 of o-0" in words(one)


def test_near_miss_the_library_of_the_new_owner_set_its_position() -> None:
    text = "assign C1 o-0; poll C1 o-0:0:a; commit C1 o-0 1; revoke C1 o-0; assign C2 o-0; reset C2 o-0 0; "

    assert told(text + "poll C2 o-0:0:a", "duplicate-delivery").mechanism == "position reset"


def test_offsets_that_a_transaction_took_along_count_as_commits() -> None:
    """premature-commit: the transaction committed offset 2, and C1 died with b in work."""
    text = """
        assign C1 o-0; poll C1 o-0:0:a o-0:1:b; proc_start C1 o-0 0; proc_end C1 o-0 0; proc_start C1 o-0 1
        txn_offsets T C1 o-0 2; txn T commit; crash C1
    """
    one = told(text, "premature-commit")

    assert one.mechanism == "commit before processing"
    assert "transaction T takes offset 2 of o-0 along for C1" in words(one)


def test_one_line_tells_all_that_a_poll_returned_in_a_row() -> None:
    """Thirty records a poll, and the death between the two polls is still told."""
    log = "; ".join(f"send P1 {k} v{k} o-0; append o-0 {k} v{k}" for k in range(30))
    polled = " ".join(f"o-0:{k}:v{k}" for k in range(30))
    one = explain(judged(f"{log}; poll C1 {polled}; crash C1; poll C1 {polled}", consumers=GROUP), "duplicate-delivery")

    assert one.mechanism == "re-read after a restart"
    assert words(one)[2:5] == ["C1 polls o-0 from offset 0", "C1 dies", "C1 polls o-0 from offset 0"]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("control o-0 1 abort pid=7", "a at o-0 offset 0, hidden: its transaction was aborted"),
        ("hw o-0 1", "a at o-0 offset 0, hidden: its transaction is undecided"),
    ],
)
def test_what_a_transaction_hides_is_in_the_log_all_the_same(end: str, said: str) -> None:
    text = f"send P1 0 a o-0 txn=T; append o-0 0 a pid=7; poll C1 o-0:0:a; {end}"
    finding = "aborted-read" if "abort" in end else "open-transaction"
    one = explain(judged(text, drain=True, consumers={"C1": {"isolation": "read_committed"}}), finding)

    assert words(one)[-1] == f"in the end: {said}"
    assert words(one)[1] == "broker 1 stores a at o-0 offset 0, producer id 7"


def test_an_acknowledged_record_that_an_abort_hides_is_told_as_hidden() -> None:
    text = "send P1 0 a o-0 txn=T; append o-0 0 a pid=7; ack P1 a o-0 0; txn T commit; control o-0 1 abort pid=7"
    one = explain(judged(text), "lost-acked")

    assert one.because.endswith("no reader of committed data is given it: its transaction was aborted")


def test_what_is_normal_in_kafka_is_no_accusation() -> None:
    text = "send P1 0 a o-0 op=1; send P2 0 x o-0; send P1 1 b o-0 op=1; append o-0 0 a; append o-0 1 x; append o-0 2 b"
    one = explain(judged(text), "int-send-skip")

    assert "normal in Kafka" in one.because
