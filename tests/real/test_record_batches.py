"""Batches of format v2, written here by hand field by field (``DefaultRecordBatch``), are read back."""

from __future__ import annotations

import gzip
import struct

import pytest
import zstandard

from sim.real.codec import Malformed
from sim.real.record_batches import batches_in, text_of
from tests.real.written import batch, record


def test_a_batch_tells_who_wrote_it_where_and_what() -> None:
    data = batch([record(0, b"k", b"a\0\0"), record(1, None, b"bc")], base_offset=7, lep=3, pid=11, epoch=2, seq=40)
    (found,) = batches_in(data)
    assert found.offsets() == [7, 8]
    assert (found.leader_epoch, found.producer_id, found.producer_epoch) == (3, 11, 2)
    assert found.sequences() == [40, 41]
    assert found.values == ("a", "bc")
    assert found.keys == ("k", None)
    assert not found.control


def test_sequences_wrap_and_no_producer_has_none() -> None:
    (wrapped,) = batches_in(batch([record(0, None, b"a"), record(1, None, b"b")], pid=1, seq=2**31 - 1))
    (plain,) = batches_in(batch([record(0, None, b"a")]))
    assert wrapped.sequences() == [2**31 - 1, 0]
    assert plain.sequences() == [-1]


def test_a_batch_cut_off_by_a_crash_and_preallocated_zeros_end_the_log() -> None:
    whole = batch([record(0, None, b"a")], base_offset=0)
    assert len(list(batches_in(whole + batch([record(0, None, b"b")], base_offset=1)[:-1]))) == 1
    assert len(list(batches_in(whole + bytes(100)))) == 1
    assert list(batches_in(b"")) == []


@pytest.mark.parametrize(
    ("codec", "pack"), [(1, gzip.compress), (4, zstandard.ZstdCompressor().compress)], ids=["gzip", "zstd"]
)
def test_compressed_batches_are_read(codec: int, pack: object) -> None:
    (found,) = batches_in(batch([record(0, None, b"a"), record(1, None, b"b")], attributes=codec, pack=pack))
    assert found.values == ("a", "b")


def test_a_codec_that_is_not_read_and_another_format_are_named() -> None:
    with pytest.raises(Malformed, match="lz4"):
        list(batches_in(batch([record(0, None, b"a")], attributes=3)))
    old = bytearray(batch([record(0, None, b"a")]))
    struct.pack_into(">b", old, 16, 1)
    with pytest.raises(Malformed, match="format 1"):
        list(batches_in(bytes(old)))


def test_padding_is_no_part_of_a_value() -> None:
    assert text_of(b"orders/7\0\0\0") == "orders/7"
    assert text_of("ä".encode()) == "ä"
