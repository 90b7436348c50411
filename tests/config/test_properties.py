"""Java's properties syntax, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.config import read_properties
from sim.errors import InputError


def pairs(text: str) -> dict[str, str]:
    return {entry.name: entry.value for entry in read_properties(text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acks=all", {"acks": "all"}),
        ("acks = all", {"acks": "all"}),
        ("acks: all", {"acks": "all"}),
        ("acks all", {"acks": "all"}),
        ("acks\tall", {"acks": "all"}),
        ("  acks=all  ", {"acks": "all  "}),
        ("acks", {"acks": ""}),
        ("acks=", {"acks": ""}),
        ("acks==all", {"acks": "=all"}),
        ("# acks=1\n! acks=0\nacks=all", {"acks": "all"}),
        ("a=1\r\nb=2\rc=3\n", {"a": "1", "b": "2", "c": "3"}),
        ("servers=one,\\\n   two,\\\n\tthree", {"servers": "one,two,three"}),
        ("a=x\\\\\nb=2", {"a": "x\\", "b": "2"}),
        ("a=1\\\n# no comment here", {"a": "1# no comment here"}),
        ("a=1\\\n\nb=2", {"a": "1", "b": "2"}),
        ("a\\ b=c", {"a b": "c"}),
        ("a\\=b=c", {"a=b": "c"}),
        ("a\\:b:c", {"a:b": "c"}),
        ("a=\\u0041\\t\\n\\q", {"a": "A\t\nq"}),
        ("a=1\na=2", {"a": "2"}),
        ("\n \n\t\n", {}),
        ("a=C:\\\\temp", {"a": "C:\\temp"}),
        ("a=1\\", {"a": "1"}),
    ],
)
def test_a_text_reads_as_java_reads_it(text: str, expected: dict[str, str]) -> None:
    assert pairs(text) == expected


def test_lines_are_counted_where_a_property_begins() -> None:
    assert [entry.line for entry in read_properties("# one\n\na=1\\\n 2\n\nb=3")] == [3, 6]


def test_the_later_of_two_properties_stands_at_its_own_line() -> None:
    assert [(entry.value, entry.line) for entry in read_properties("a=1\na=2")] == [("2", 2)]


def test_a_broken_escape_names_file_and_line() -> None:
    with pytest.raises(InputError, match="x.properties:2: "):
        read_properties("a=1\nb=\\u12", "x.properties")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        read_properties(text, "x")
    except InputError as error:
        assert "\n" not in str(error)
