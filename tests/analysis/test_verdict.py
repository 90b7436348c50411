"""The verdict as a whole: its JSON, its tables, its HTML, and what the registry covers."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest

from analysis import History, judge, log_diagram, timeline
from analysis.finding import CLASSES, LOG_LEVEL
from analysis.report import page, write_page
from analysis.scene import scene_of
from sim.errors import InputError
from sim.scenario.finding_names import ALTERNATIVE, FINDING_NAMES, INFORMATION, VIOLATIONS
from tests.analysis.batch_chaos import BatchChaos
from tests.analysis.synthetic import synthetic_trace
from tests.analysis.written import history, judged

matplotlib.use("Agg")

TEXT = """
send P1 1 a1 o-0 k=x; send P1 2 a2 o-0 k=x; send P1 3 a3 o-0; append o-0 0 a2; append o-0 1 a1; append o-0 2 a2
ack P1 a3 o-0 3; poll C1 o-0:0:a2 o-0:1:a1
"""
MEASURES = {
    "received_unique", "duplicates", "lost", "duplicate_values", "lost_values", "reordered", "reordered_count", "ratio",
    "seq_discontinuities", "extent", "max_extent", "late_time", "byte_offset", "reordering_discontinuities", "gaps",
    "runs", "n_reordered", "n_degree", "FD", "FD_online", "RD_discarded", "occupancy", "FB_offline", "FB_online",
    "inversions", "kendall_tau", "lis", "rem", "max_displacement", "footrule", "dis", "descents",
}  # fmt: skip


def test_the_json_is_that_of_the_exchange_format():
    """Exchange format, section 4."""
    told = json.loads(json.dumps(judged(TEXT).to_json(), allow_nan=False))

    assert set(told) == {"verdict", "reasons", "findings", "measures"}
    assert list(told["findings"]) == list(CLASSES)
    for finding in told["findings"].values():
        assert {"count", "class", "allowed", "checked", "witnesses", "total"} <= set(finding)
        assert finding["checked"] or finding["why"]
        for witness in finding["witnesses"]:
            assert {"records", "offsets", "events"} <= set(witness)
    assert set(told["measures"]) == {"P1/o-0", "C1/P1/o-0"}
    assert all(set(measures) == MEASURES for measures in told["measures"].values())


def test_measures_of_a_stream_number_the_sends_of_one_producer_to_one_partition():
    text = """
    send P1 10 a o-0; send P1 11 b o-1; send P1 12 c o-0; send P1 13 d o-0; send P2 1 z o-0
    append o-0 0 c; append o-0 1 z; append o-0 2 a; append o-1 0 b; append o-0 3 a
    """
    measures = judged(text).measures

    assert list(measures) == ["P1/o-0", "P1/o-1", "P2/o-0"]
    log = measures["P1/o-0"]  # numbers 1 (a), 2 (c), 3 (d): arrivals 2 1 1
    assert (log["reordered"], log["extent"], log["duplicate_values"], log["lost_values"]) == ([1], {1: 1}, [1], [3])
    assert log["late_time"] == {1: 2}  # lines 7 and 9


def test_what_a_transaction_read_that_did_not_commit_is_not_in_the_measures():
    text = """
    send P1 1 a o-0; send P1 2 b o-0; append o-0 0 a; append o-0 1 b
    poll C1 o-0:1:b txn=T; txn T abort; poll C1 o-0:0:a o-0:1:b txn=U; txn U commit
    """
    measures = judged(text).measures["C1/P1/o-0"]

    assert (measures["received_unique"], measures["duplicates"], measures["reordered"]) == (2, 0, [])


def test_names_and_classes_are_those_of_the_exchange_format():
    """Exchange format, section 3; the scenario reader has the same names."""
    assert list(CLASSES) == list(FINDING_NAMES)
    kinds = {"violation": VIOLATIONS, "alternative": ALTERNATIVE, "information": INFORMATION}
    assert {name: kind for kind, names in kinds.items() for name in names} == CLASSES


def test_witnesses_are_at_most_a_hundred_and_the_total_stands_beside_them():
    sends = "; ".join(f"send P1 {k} v{k} o-0" for k in range(301))
    appends = "; ".join(f"append o-0 {k} v{300 - k}" for k in range(301))
    finding = judged(f"{sends}; {appends}").findings["append-reorder"].to_json()

    assert (finding["count"], len(finding["witnesses"]), finding["total"]) == (300, 100, 300)


def test_an_empty_history_is_judged_to_be_in_order():
    verdict = judged("")

    assert (verdict.verdict, verdict.counts, verdict.measures) == ("holds", {}, {})


def test_a_history_and_its_path_and_a_trace_and_its_folder_are_all_judged(tmp_path):
    trace = BatchChaos(1).trace(60)
    trace.save(tmp_path / "run")

    assert judge(tmp_path / "run").counts == judge(tmp_path / "run" / "events.parquet").counts == judge(trace).counts
    assert isinstance(judge(history(TEXT)).history, History)


def test_a_trace_that_did_not_settle_is_undecided_unless_it_shows_something():
    trace = synthetic_trace(30, 2)
    assert judge(trace).verdict == "holds"
    trace.header["settled"] = False

    assert judge(trace).verdict == "undecided"
    assert judge(trace, {"append-reorder": "never"}).verdict == "undecided"
    assert judge(trace, {"append-reorder": "never"}).reasons == [
        "append-reorder is expected never: this seed: did not settle"
    ]


def test_expectations_stand_in_the_json():
    told = judge(history(TEXT), {"append-reorder": "never", "lost-acked": "sometimes"}).to_json()

    assert told["verdict"] == "broken"
    assert told["expectations"]["append-reorder"] == {
        "expected": "never", "verdict": "broken", "why": "found 1", "seeds": [],
    }  # fmt: skip


def test_tables_for_notebooks():
    frames = judged(TEXT).frames

    assert frames["findings"].loc["append-reorder", "count"] == 1
    assert frames["measures"].loc["P1/o-0", "duplicates"] == 1
    assert set(frames["witnesses"]["finding"]) >= {"append-reorder", "duplicate-append", "lost-acked"}


def test_counts_of_synthetic_columns_are_all_zero():
    """A million records in small: no fault, nothing found, everything log-level checked."""
    for batches, size in ((600, 1), (60, 10)):
        verdict = judge(synthetic_trace(batches, size))
        assert {name for name, count in verdict.counts.items() if count} <= {"cross-partition-inversion"}
        assert len(verdict.counts) > 20


def test_only_the_names_asked_for_are_looked_for():
    verdict = judge(synthetic_trace(20, 3), names=LOG_LEVEL)

    assert set(verdict.counts) == set(LOG_LEVEL)
    assert verdict.findings["poll-skip"].why == "it was not asked for"


# --- HTML -------------------------------------------------------------------------------------------------------------
class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_file_that_needs_no_network(tmp_path):
    verdict = judge(history(TEXT), {"append-reorder": "never"})
    parser = Tags()
    parser.feed(page(verdict, "A run", figures=[b"png"]))

    assert parser.open == []
    assert all(link.startswith("data:") for link in parser.links)
    text = write_page(verdict, tmp_path / "run.html").read_text(encoding="utf-8")
    assert "append-reorder" in text and "broken" in text


def test_names_of_users_are_escaped():
    html = judged("send P1 1 <script> o-0; append o-0 0 <script>; append o-0 1 <script>")._repr_html_()

    assert "<script>" not in html and "&lt;script&gt;" in html


# --- pictures ---------------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("source", [TEXT, "", "send P1 1 a1 o-0; append o-0 0 a1", "hw o-0 1; leader o-0 2 1"])
def test_a_timeline_is_drawn_of_any_history(source, tmp_path):
    read = history(source)
    if not len(read.partitions):
        with pytest.raises(InputError, match="no partition"):
            timeline(read)
        return
    figure = timeline(read)
    figure.savefig(tmp_path / "timeline.png")

    assert len(figure.axes) == 2


def test_a_timeline_shows_the_late_batch_its_overtaker_and_who_leads():
    trace = BatchChaos(11).trace(140)
    verdict = judge(trace)
    partition = verdict.findings["append-reorder"].witnesses[0]["partition"]
    figure = timeline(verdict, partition)
    words = {text.get_text() for text in figure.axes[0].get_legend().get_texts()}

    assert {"late", "overtakes"} <= words
    assert figure.axes[0].get_title(loc="left") == f"{partition} in time"


READ_AGAIN = """
@1 send P1 1 a1 o-0; @2 append o-0 0 a1; @3 ack P1 a1 o-0 0; @4 send P1 2 a2 o-0; @5 append o-0 1 a2; @6 ack P1 a2 o-0 1
@7 poll C1 o-0:0:a1; @900 poll C1 o-0:1:a2; @5000 crash C1; @9000 poll C1 o-0:1:a2; @9900 send P1 3 a3 o-0
"""


def test_a_timeline_shows_what_was_delivered_twice_where_the_log_is_in_order():
    """a2 alone was delivered twice: from its send to its second delivery, and nothing of what came long after."""
    evidence = judged(READ_AGAIN).evidence
    scene = scene_of(evidence, 0)

    assert [(t, role) for t, _, role in scene.reads] == [(7, "plain"), (900, "again"), (9000, "again")]
    assert [(one.sent, one.role) for one in scene.flights] == [(1, "plain"), (4, "again")]
    assert scene.start <= 4 and 9000 <= scene.end < 9900
    assert "delivered twice" in legend(timeline(evidence))

    clean = judged(READ_AGAIN.replace("@9000 poll C1 o-0:1:a2;", "")).evidence
    assert {role for _, _, role in scene_of(clean, 0).reads} <= {"plain"}
    assert "delivered twice" not in legend(timeline(clean))


def legend(figure):
    return {text.get_text() for text in figure.axes[0].get_legend().get_texts()}


def test_the_log_diagram_marks_late_records_and_doubles():
    axes = log_diagram(history(TEXT), "o-0")
    labels = [text.get_text() for text in axes.get_legend().get_texts()]

    assert labels == ["P1", "late (1)", "stored twice (2)"]
    assert np.allclose(axes.lines[1].get_xydata(), [[1, 1]])


def test_a_partition_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InputError, match="known: o-0"):
        timeline(history(TEXT), "o-7")


def test_a_window_is_in_seconds():
    trace = synthetic_trace(300, 2)
    figure = timeline(trace, "orders-0", window=(0.1, 0.2))
    left, right = figure.axes[0].get_xlim()

    assert right - left == pytest.approx(101_000, rel=0.02)


def test_a_timeline_of_a_loss_shows_who_cut_what():
    text = """
    send P1 1 a1 o-0; append o-0 0 a1; ack P1 a1 o-0 0; send P1 2 a2 o-0; append o-0 1 a2; ack P1 a2 o-0 1
    append o-0 0 a1 b=2 role=follower; leader o-0 2 1; truncate o-0 1 b=1
    """
    axes = timeline(history(text)).axes[0]

    assert "acknowledged, then lost" in [label.get_text() for label in axes.get_legend().get_texts()]
    assert "cut to 1" in [text_.get_text() for text_ in axes.texts]
