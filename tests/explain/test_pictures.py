"""Sequence diagrams, pages and trace events: that they are what they should be. That they look right, eyes must say."""

from __future__ import annotations

import json
import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest

from analysis.explaining import Explanation, explain
from analysis.explaining.page import page, svg
from analysis.explaining.perfetto import trace_events
from analysis.explaining.sequence import diagram_of, diagram_text
from sim.protocol.rows import Kind
from sim.run import simulate
from sim.trace import Trace


@pytest.fixture(scope="module")
def trace() -> Trace:
    return simulate("refused_batch_overtaken", 0)


@pytest.fixture(scope="module")
def one(trace: Trace) -> Explanation:
    return explain(trace, "append-reorder", proof=False)


def test_the_diagram_has_an_arrow_for_every_transmission_and_answer(one: Explanation) -> None:
    diagram = diagram_of(one.story, "us")
    kinds = Counter(line.kind for line in one.story)

    assert diagram.lanes == ["shop", "broker 1"]
    assert Counter(arrow.answer for arrow in diagram.arrows) == {False: kinds["attempt"], True: kinds["answer"]}
    stored = next(arrow for arrow in diagram.arrows if arrow.label == "shop/41 #1")
    assert diagram.rows[stored.top].kind == "attempt" and diagram.rows[stored.bottom].kind == "append"
    assert stored.arrives and stored.role == "overtaker"


def test_a_transmission_that_never_arrived_ends_on_its_way() -> None:
    lost = explain(simulate("failover_plain", 0), "append-reorder", proof=False)
    arrows = {arrow.label: arrow.arrives for arrow in diagram_of(lost.story, "us").arrows if not arrow.answer}

    assert arrows == {"shop/1504 #1": False, "shop/1505 #1": False, "shop/1505 #2": True, "shop/1504 #2": True}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_diagram_as_text_is_plain_and_keeps_to_the_width(one: Explanation, width: int) -> None:
    lines = diagram_text(diagram_of(one.story, "us"), width)

    assert all(len(line) <= width and line.isascii() for line in lines)
    assert re.fullmatch(r"\s+shop\s+broker 1", lines[0])
    assert any(re.search(r"\|-- shop/41 #1 -+>\|", line) for line in lines)
    assert any("# shop/41 @39" in line for line in lines)


def test_the_drawing_is_well_formed_and_needs_nothing_from_outside(one: Explanation) -> None:
    drawing = svg(one)
    root = ElementTree.fromstring(drawing)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]

    assert {"shop", "broker 1", "shop/41 @39"} <= set(texts)
    assert "script" not in drawing and re.findall(r"https?://\S+?'", drawing) == ["http://www.w3.org/2000/svg'"]


def test_the_page_is_one_file_and_text_cannot_become_markup(one: Explanation) -> None:
    told = page(one, "<b>ti&tle</b>", [b"png"])

    assert "<title>&lt;b&gt;ti&amp;tle&lt;/b&gt;</title>" in told and "<b>ti" not in told
    assert re.findall(r"(?:src|href)='(?!data:)", told) == []
    assert all(line.words.split(":")[0][:20] in told for line in one.story)
    assert one._repr_html_().startswith("<style>")


# --- trace events -----------------------------------------------------------------------------------------------------
def test_trace_events_have_the_form_that_viewers_read(trace: Trace) -> None:
    """The fields that the format demands of each phase; ends match beginnings; arrows start and end in a slice."""
    told = json.loads(json.dumps(trace_events(trace), allow_nan=False))
    events = told["traceEvents"]
    needs = {"b": {"id", "cat"}, "e": {"id", "cat"}, "X": {"dur"}, "i": {"s"}, "s": {"id"}, "f": {"id", "bp"},
             "C": {"args"}, "M": {"args"}}  # fmt: skip

    for event in events:
        assert {"name", "ph", "ts", "pid", "tid"} <= set(event) and needs[event["ph"]] <= set(event), event
        assert isinstance(event["ts"], int) and event["ts"] >= 0
        assert event["ph"] != "i" or event["s"] in ("g", "p", "t")
    began = {event["id"]: event["ts"] for event in events if event["ph"] == "b"}
    ended = {event["id"]: event["ts"] for event in events if event["ph"] == "e"}
    assert set(ended) <= set(began) and all(began[key] <= end for key, end in ended.items())
    slices = {(event["pid"], event["tid"], event["ts"]) for event in events if event["ph"] == "X"}
    assert all((event["pid"], event["tid"], event["ts"]) in slices for event in events if event["ph"] in "sf")


def test_every_transmission_and_append_of_the_run_is_there(trace: Trace) -> None:
    events = trace_events(trace)["traceEvents"]
    kinds = Counter(trace.events["kind"].tolist())
    phases = Counter(event["ph"] for event in events)
    named = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}

    assert phases["b"] == phases["e"] == kinds[Kind.ATTEMPT]  # each was answered
    assert sum(event["ph"] == "X" and event["cat"] == "append" for event in events) == kinds[Kind.APPEND]
    assert phases["f"] == kinds[Kind.APPEND]
    assert named[1] == "broker-1 (broker)" and named[4] == "shop (producer)"
    threads = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    assert {(event["pid"], event["tid"]) for event in events if event["ph"] in "beX"} <= threads


def test_what_was_never_answered_ends_with_its_connection() -> None:
    trace = simulate("failover_plain", 0)
    events = trace_events(trace)["traceEvents"]
    results = Counter(event["args"]["result"] for event in events if event["ph"] == "e")
    lost = np.flatnonzero((trace.events["kind"] == Kind.DISCONNECT) & (trace.events["host"] == 4))

    assert len(lost) and results["connection lost"] > 0
    assert set(results) <= {"stored", "connection lost", "NOT_LEADER_OR_FOLLOWER", "NETWORK_EXCEPTION"}
