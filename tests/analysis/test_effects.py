"""What processing leaves in a store outside (analysis.effects), on histories written by hand."""

from __future__ import annotations

from analysis.effects import Difference, outside_store
from analysis.history import History
from tests.analysis import written

LOG = """send P1 0 a o-0 k=k; send P1 1 b o-0 k=k; send P1 2 x o-0 k=j
append o-0 0 a; append o-0 1 b; append o-0 2 x; poll C1 o-0:0:a o-0:1:b o-0:2:x
"""


def history(text: str) -> History:
    return written.history(LOG + text, consumers={"C1": {"group": "G"}})


def work(*events: str) -> str:
    """``+0`` begins offset 0 at C1, ``-0`` ends it."""
    return "; ".join(f"proc_{'start' if one[0] == '+' else 'end'} C1 o-0 {one[1:]}" for one in events)


def key(name: str, holds: int, should: int) -> Difference:
    return Difference("G", "o-0", name, should, holds, should)


def test_in_order_each_key_ends_with_its_last_record() -> None:
    done = history(work("+0", "-0", "+1", "-1", "+2", "-2"))
    assert outside_store(done) == [] == outside_store(done, idempotent=False)


def test_a_later_record_that_ends_first_is_overwritten() -> None:
    done = history(work("+0", "+1", "-1", "-0", "+2", "-2"))
    assert outside_store(done) == [key("k", 0, 1)]
    assert outside_store(done, idempotent=False) == []  # each had its effect


def test_other_keys_do_not_matter() -> None:
    assert outside_store(history(work("+2", "-2", "+0", "-0", "+1", "-1"))) == []


def test_an_earlier_record_that_is_done_again_overwrites() -> None:
    done = history(work("+0", "-0", "+1", "-1", "+2", "-2", "+0", "-0"))
    assert outside_store(done) == [key("k", 0, 1)]
    assert outside_store(done, idempotent=False) == [Difference("G", "o-0", "k", 0, 2, 1)]


def test_a_whole_stretch_that_is_done_again_ends_as_it_should() -> None:
    done = history(work("+0", "-0", "+1", "-1", "+2", "-2", "+0", "-0", "+1", "-1"))
    assert outside_store(done) == []
    assert [(one.offset, one.holds) for one in outside_store(done, idempotent=False)] == [(0, 2), (1, 2)]


def test_what_was_begun_and_never_ended_leaves_nothing() -> None:
    done = history(work("+0", "-0", "+1", "+2"))
    assert outside_store(done) == [key("k", 0, 1), key("j", -1, 2)]
