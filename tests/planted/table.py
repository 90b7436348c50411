"""Every planted defect: what it breaks, where that shows, and who must say so.

``breaks``: the row of the reference (``broker:``, ``producer:``, ``consumer:``) or the known bug. ``where``: a scenario
of ``situations`` (the analyzer and the laws look) or a schedule of ``plays`` (the laws look). ``law``: the law that is
broken first. ``finding``: a name that is reported with the laws off, on a run whose configuration forbids it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.planted import broker_defects as broker
from tests.planted import client_defects as client
from tests.planted import replication_defects as replication

__all__ = ["DEFECTS", "Defect"]


@dataclass(frozen=True)
class Defect:
    plant: Callable[[pytest.MonkeyPatch], None]
    breaks: str
    where: str
    law: str | None = None
    finding: str | None = None

    @property
    def name(self) -> str:
        return self.plant.__name__.replace("_", " ")


DEFECTS = (
    # What a broker remembers of producers.
    Defect(broker.broker_forgets_deduplication, "broker:APP-17", "lost response", "INV-20c", "duplicate-append"),
    Defect(broker.broker_accepts_sequences_out_of_order, "broker:APP-23", "refused", "INV-20c", "append-reorder"),
    Defect(broker.broker_does_not_check_the_producer_epoch, "broker:APP-18", "old request after a bump", "INV-20c",
           "fenced-append"),
    Defect(broker.broker_lets_a_new_epoch_begin_anywhere, "broker:SUB-7", "early bump", "INV-20c"),
    Defect(broker.duplicate_is_answered_with_the_newest_offset, "broker:APP-19", "expired while it is retried",
           "INV-20a", "inconsistent-offsets"),
    Defect(broker.any_sequence_below_the_next_is_a_duplicate, "broker:SUB-6", "refused", "INV-20a", "lost-acked"),
    Defect(broker.followers_do_not_learn_sequences, "broker:APP-26", "failover", "APP-29", "duplicate-append"),
    Defect(broker.truncation_leaves_the_producers_state, "broker:APP-29", "zombie", "APP-29"),
    # Acknowledgements.
    Defect(broker.leader_acknowledges_early, "broker:APP-10", "zombie", "INV-20a", "lost-acked"),
    Defect(broker.leader_acknowledges_early, "broker:APP-10", "quiet", "APP-10"),
    Defect(broker.duplicate_is_acknowledged_before_it_is_committed, "broker:SUB-5", "zombie, impatient", "INV-20a",
           "lost-acked"),
    Defect(broker.deposed_leader_acknowledges_what_waits, "broker:APP-12", "short zombie", "INV-20a", "lost-acked"),
    Defect(broker.acks_all_ignores_min_insync_replicas, "broker:APP-5", "alone, then gone", "INV-5", "lost-acked"),
    # Roles and connections.
    Defect(broker.follower_accepts_produce_requests, "broker:APP-4", "shutdown", "INV-18"),
    Defect(broker.zombie_leader_keeps_accepting, "broker:FAIL-24", "zombie", "INV-13", "replica-divergence"),
    Defect(broker.connection_is_served_newest_first, "broker:NET-3", "quiet", "INV-20b", "duplicate-append"),
    Defect(client.connection_lets_requests_overtake, "broker:NET-3", "quiet", "INV-20b", "lost-acked"),
    Defect(broker.reader_is_served_above_the_high_watermark, "broker:VIS-1", "quiet", "GROUP-4", "above-hw-read"),
    # Truncation.
    Defect(replication.follower_truncates_to_its_high_watermark, "KIP-101, broker:REP-37", "alone", "INV-5",
           "committed-truncation"),
    Defect(replication.follower_skips_truncation, "broker:REP-33", "zombie", "INV-18", "replica-divergence"),
    Defect(replication.leader_answers_an_epoch_by_offset_alone, "KAFKA-6361, broker:REP-39",
           "two_leaders_miss_each_other", "INV-18"),
    # What a leader knows of its followers.
    Defect(replication.leader_takes_what_it_sends_for_stored, "broker:SUB-17", "slow follower", "INV-4"),
    Defect(replication.leader_counts_a_fetch_that_diverges, "KAFKA-13141, broker:REP-5", "zombie", "INV-18"),
    Defect(replication.leader_counts_fetches_of_older_epochs, "KIP-320, broker:REP-20", "the_leader_is_elected_again",
           "INV-18"),
    Defect(replication.reelected_leader_keeps_what_it_knew, "broker:INV-19", "the_leader_is_elected_again", "INV-18"),
    # High watermark.
    Defect(replication.high_watermark_goes_back, "broker:REP-6", "failover", "INV-20e"),
    Defect(replication.high_watermark_ignores_who_is_about_to_join, "broker:REP-7", "failover", "INV-7"),
    Defect(replication.high_watermark_moves_under_min_isr, "KAFKA-15583, broker:REP-9", "alone, then gone", "INV-5"),
    # In-sync sets.
    Defect(replication.leader_shrinks_the_isr_without_the_controller, "broker:REP-26", "zombie", "INV-8"),
    Defect(replication.follower_joins_below_the_high_watermark, "broker:INV-19", "zombie, impatient", "INV-4"),
    Defect(replication.follower_joins_below_the_epochs_start, "broker:INV-15", "alone", "INV-15"),
    Defect(replication.controller_does_not_check_the_partition_epoch, "broker:INV-19", "an_expansion_is_late", "INV-7"),
    Defect(replication.controller_does_not_check_the_members_broker_epochs, "broker:INV-19",
           "a_member_returns_with_less", "INV-4"),
    # Elections and metadata.
    Defect(replication.controller_elects_out_of_the_isr, "broker:FAIL-11", "slow follower", "INV-5", "lost-acked"),
    Defect(replication.election_does_not_bump_the_leader_epoch, "broker:REP-30", "failover", "INV-16", "above-hw-read"),
    Defect(replication.fenced_broker_stays_in_sync, "broker:FAIL-3", "alone", "INV-12"),
    Defect(replication.broker_takes_older_metadata, "broker:REP-29", "alone, told late", "INV-16"),
    Defect(replication.controller_registers_a_dead_process, "broker:INV-19", "a_dead_process_registers", "INV-17"),
    Defect(replication.fetcher_is_not_reset_by_a_new_leader_epoch, "broker:INV-19", "the_leader_is_elected_again",
           "INV-14"),
    Defect(replication.stale_fetch_answers_count, "broker:REP-18", "an_answer_of_an_older_epoch_is_late", "INV-17"),
    # Java producer.
    Defect(client.java_does_not_mute_with_one_in_flight, "producer:4.2 d", "zombie, one in flight", None,
           "append-reorder"),
    Defect(client.java_retries_at_the_tail, "producer:4.1", "refused, one in flight", None, "append-reorder"),
    Defect(client.java_sends_ahead_of_the_batch_that_is_retried, "producer:2.5", "refused", "INV-20a", "lost-acked"),
    Defect(client.java_partitioner_changes_its_mind, "producer:S07", "keys", None, "key-partition-split"),
    Defect(client.java_reuses_sequences_after_a_bump, "KIP-360", "early bump", "INV-20a", "lost-acked"),
    Defect(client.java_renumbers_in_the_wrong_order, "KAFKA-8483", "bump", None, "append-reorder"),
    Defect(client.java_takes_an_expired_batch_for_unwritten, "KAFKA-14397", "expired while it is retried", None,
           "duplicate-append"),
    Defect(client.java_reports_success_before_the_answer, "producer:3.1", "refused", None, "lost-acked"),
    Defect(client.java_says_failed_of_what_may_be_stored, "producer:3.2", "expired", None, "aborted-read"),
    Defect(client.java_takes_a_lost_answer_for_success, "producer:3.1", "failover", None, "lost-acked"),
    Defect(client.java_matches_answers_newest_first, "producer:1.1", "quiet", "INV-20a", "inconsistent-offsets"),
    # librdkafka.
    Defect(client.librdkafka_puts_retries_behind, "librdkafka#1092", "lost response, librdkafka", None,
           "duplicate-append"),
    Defect(client.librdkafka_implies_too_much, "producer:8.4", "failover, librdkafka", None, "lost-acked"),
    # Readers.
    Defect(client.reader_skips_on_reset, "consumer:F2.28", "late reader", None, "unseen"),
    Defect(client.reader_skips_a_record_after_each_answer, "consumer:F2.3", "quiet", "GROUP-3", "poll-skip"),
    Defect(client.reader_hands_over_an_answer_twice, "consumer:F2.12", "quiet", "GROUP-3", "duplicate-delivery"),
    Defect(client.reader_shows_a_poll_backwards, "consumer:F2.3", "quiet", "GROUP-3", "int-nonmonotonic-poll"),
)  # fmt: skip
