"""The measures of one stream of records (exchange format, section 4); definitions stand in RFC 4737 and RFC 5236."""

from __future__ import annotations

from analysis.schemas.parts import PAIR, Schema, by, integer, items, number, obj, or_null, whole

__all__ = ["stream_measures"]

ONLINE = "Null where no threshold was given."


def stream_measures() -> Schema:
    """Of one stream, which numbers its records from 1 in the order in which they were sent."""
    return obj(_arrivals() | _lateness() | _gaps() | _densities() | _permutation())


def _arrivals() -> dict[str, Schema]:
    return {
        "received_unique": whole("First copies that came."),
        "duplicates": whole("Later copies."),
        "lost": whole("Sent numbers that never came."),
        "duplicate_values": items(integer(), "Numbers that came again."),
        "lost_values": items(integer(), "Numbers that never came."),
    }


def _lateness() -> dict[str, Schema]:
    late = "By late number: "
    return {
        "reordered": items(integer(), "Late numbers: RFC 4737's singletons, in the order in which they came."),
        "reordered_count": whole(),
        "ratio": number("Late ones among first copies."),
        "extent": by(whole(), f"{late}how many places behind the first larger one."),
        "max_extent": whole(),
        "late_time": or_null(by(integer(), ""), f"{late}time behind the first larger one, in the history's unit."),
        "byte_offset": or_null(by(integer(), ""), f"{late}bytes of larger ones before it; null without sizes."),
    }  # fmt: skip


def _gaps() -> dict[str, Schema]:
    runs = obj({
        "x": whole("Closed runs."), "a": whole("Records in order."), "p": whole("All records."),
        "q": whole("Sum of the squares of the lengths."), "lengths": items(integer(), "Of closed runs."),
        "tail": whole("Length of the open run at the end."),
    }, description="Runs of records in order between late ones.")  # fmt: skip
    return {
        "seq_discontinuities": items(PAIR, "[number, how many it jumped over]."),
        "reordering_discontinuities": items(integer(), "Numbers at which a discontinuity of order was seen."),
        "gaps": by(whole(), "By discontinuity: distance to the one before."),
        "runs": runs,
        "n_reordered": by(whole(), "By late number: its n."),
        "n_degree": by(number(), "By n: share of records."),
    }


def _densities() -> dict[str, Schema]:
    return {
        "FD": by(whole(), "RFC 5236: records by displacement."),
        "FD_online": or_null(by(whole(), ""), f"With threshold DT. {ONLINE}"),
        "RD_discarded": or_null(items(integer()), f"Numbers that the threshold discarded. {ONLINE}"),
        "occupancy": items(integer(), "Of the reordering buffer after each arrival."),
        "FB_offline": by(whole(), "Arrivals by occupancy."),
        "FB_online": or_null(by(whole(), ""), f"With threshold BT. {ONLINE}"),
    }


def _permutation() -> dict[str, Schema]:
    return {
        "inversions": whole("Pairs in the wrong order."),
        "kendall_tau": number("1 in order, -1 reversed."),
        "lis": whole("Length of the longest increasing subsequence."),
        "rem": whole("Records to take out until the rest is in order."),
        "max_displacement": whole("Places."),
        "footrule": whole("Sum of all displacements."),
        "dis": whole("Largest distance between two records in the wrong order."),
        "descents": whole("Neighbours in the wrong order."),
    }
