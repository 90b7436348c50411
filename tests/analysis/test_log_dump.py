"""Dumps of logs: what real tools printed (``dumps/README.md``), and one clear message for what is no dump."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.log_dump import Dump, Stored, read_dump
from sim.errors import InputError

DUMPS = Path(__file__).resolve().parent / "dumps"
HEAD = "Dumping data/o-0/00000000000000000000.log\nLog starting offset: 0\n"
BATCH = (
    "baseOffset: {base} lastOffset: {last} count: {count} baseSequence: -1 lastSequence: -1 producerId: -1 "
    "producerEpoch: -1 partitionLeaderEpoch: 0 isTransactional: false isControl: false "
    "deleteHorizonMs: OptionalLong.empty position: 0 CreateTime: 1 size: 75 magic: 2 compresscodec: none crc: 1 "
    "isvalid: {valid}\n"
)
RECORD = "| offset: {o} CreateTime: 1 keySize: -1 valueSize: 1 sequence: -1 headerKeys: [] payload: x\n"


def batch(base: int, last: int, count: int | str = 1, valid: str = "true") -> str:
    return BATCH.format(base=base, last=last, count=count, valid=valid)


def read(path: Path, text: str) -> Dump:
    path.write_text(text)
    return read_dump(path)["o-0"]


def texts(dump: Dump) -> list[str | None]:
    return [one.value if one.kind is None else one.kind for one in dump.records]


LOG: list[str | None] = ["idem-0", "idem-2", "idem-4", "idem-6", "idem-8", "plain-0", "plain-1", "plain-2", None]
LOG += ["commit-0", "commit-2", "commit", "abort-0", "abort-1", "abort", "rdk-0", "rdk-2", "rdk-4"]
LOG += ["rtx-0", "rtx-1", "rtx-2", "commit"]


@pytest.mark.parametrize("name", ["4.3.0-broker-1", "4.3.0-broker-2", "3.9.1-broker-1"])
def test_several_segments_of_a_real_log_are_read_in_order_with_every_kind_of_batch(name: str) -> None:
    dump = read_dump(DUMPS / f"kafka-{name}-orders-0.txt")["orders-0"]

    assert texts(dump)[:22] == LOG
    assert [one.offset for one in dump.records] == list(range(37))
    assert (dump.start, dump.compacted) == (0, [])


def test_producer_identity_sequence_key_and_control_records_are_those_of_the_dump() -> None:
    dump = read_dump(DUMPS / "kafka-4.3.0-broker-1-orders-0.txt")["orders-0"]

    assert dump.records[4] == Stored(4, "k2", "idem-8", lep=0, pid=1000, epoch=0, seq=4)
    assert dump.records[5] == Stored(5, 'a b | payload: "0', "plain-0", lep=0, pid=-1, epoch=-1, seq=-1)
    assert dump.records[8] == Stored(8, "tomb", None, lep=0, pid=-1, epoch=-1, seq=-1)
    assert dump.records[18] == Stored(18, None, "rtx-0", lep=0, pid=1, epoch=0, seq=0)
    assert dump.records[14] == Stored(14, None, None, lep=0, pid=0, epoch=2, seq=-1, kind="abort")


def test_the_end_of_a_transaction_raises_the_epoch_from_4_0_on() -> None:
    """KIP-890: the marker's epoch is above that of the records in 4.3, and the same in 3.9."""
    epochs = {}
    for version in ("3.9.1", "4.3.0"):
        dump = read_dump(DUMPS / f"kafka-{version}-broker-1-orders-0.txt")["orders-0"]
        epochs[version] = [dump.records[k].epoch for k in (10, 11)]

    assert epochs == {"3.9.1": [0, 0], "4.3.0": [0, 1]}


def test_keys_and_values_are_cut_out_by_their_sizes_whatever_is_in_them() -> None:
    records = read_dump(DUMPS / "kafka-4.3.0-odd-texts.txt")["nasty-0"].records

    assert [(one.key, one.value) for one in records] == [
        ("a", "one\ntwo"), ("k\ney", "x payload: y\n| offset: 7 CreateTime: 1 keySize: 1"), ("ä", "grün"), (None, None),
        ("", ""), ("crlf", "ends with cr\r"), ("e", "\n"),
    ]  # fmt: skip


def test_what_compaction_took_out_of_a_batch_is_known() -> None:
    """DefaultRecordBatch: a cleaned batch keeps its first and last offset; here the first kept one of five records."""
    dump = read_dump(DUMPS / "kafka-4.3.0-compacted.txt")["compacted-0"]

    assert dump.compacted == [0, 1, 2, 3]
    assert [one.offset for one in dump.records] == list(range(4, 15))


def test_a_log_that_does_not_begin_at_0_says_where_it_starts_and_segments_may_come_in_any_order(tmp_path: Path) -> None:
    later = HEAD.replace("000.log", "007.log").replace("offset: 0", "offset: 7") + batch(7, 7) + RECORD.format(o=7)
    first = HEAD.replace("000.log", "005.log").replace("offset: 0", "offset: 5") + batch(5, 5) + RECORD.format(o=5)
    dump = read(tmp_path / "dump.txt", later + first)

    assert dump.start == 5
    assert [one.offset for one in dump.records] == [5, 7]
    assert dump.compacted == []  # 6 is missing between batches: nobody says why


def test_a_batch_that_was_cleaned_out_whole_and_a_torn_end_are_nothing_to_refuse(tmp_path: Path) -> None:
    text = HEAD + batch(0, 2, 0) + batch(3, 3) + RECORD.format(o=3) + "Found 17 invalid bytes at the end of 0.log\n"
    dump = read(tmp_path / "dump.txt", text)

    assert (dump.compacted, [one.offset for one in dump.records]) == ([0, 1, 2], [3])


def test_line_ends_of_windows_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "dump.txt"
    path.write_bytes((HEAD.replace("/", "\\") + batch(0, 0) + RECORD.format(o=0)).replace("\n", "\r\n").encode())

    assert texts(read_dump(path)["o-0"]) == ["x"]


MAGIC_1 = "offset: 0 position: 0 CreateTime: 1 size: 9 magic: 1 compresscodec: none\n"
CONTROL = batch(0, 0).replace("isControl: false", "isControl: true")
BROKEN = {
    "nothing": ("", None, "holds no segment"),
    "another file": ("hello\n", 1, "not the beginning of a segment"),
    "an index": ("Dumping data/o-0/0.log\noffset: 3 position: 9\n", 2, 'must say "Log starting offset"'),
    "a segment outside its folder": (HEAD.replace("o-0", "backup"), 1, "folder of its partition"),
    "no data": (HEAD + batch(0, 1, 2) + batch(2, 2), 4, "give --print-data-log"),
    "no data at the end": (HEAD + batch(0, 1, 2), 3, "give --print-data-log"),
    "a wrong checksum": (HEAD + batch(0, 0, 1, "false"), 3, "checksum"),
    "an old format": (HEAD + MAGIC_1, 3, "format 2"),
    "a record alone": (HEAD + RECORD.format(o=0), 3, "without a batch"),
    "no metadata": (HEAD + batch(0, 0) + "| key: a payload: b\n", 4, "--skip-record-metadata"),
    "a wrong size": (HEAD + batch(0, 0) + RECORD.format(o=0).replace("Size: 1", "Size: 9"), 4, "LC_ALL=C.UTF-8"),
    "a cut record": (HEAD + batch(0, 0) + RECORD.format(o=0)[:40], 4, "is not a record"),
    "a snapshot": (HEAD + CONTROL + "| offset: 0 CreateTime: 1 SnapshotHeader {}\n", 4, "control record of a"),
    "one offset twice": (HEAD + (batch(0, 0) + RECORD.format(o=0)) * 2, None, "offset 0 twice"),
    "a span beyond all records": (HEAD + batch(0, 2**40) + RECORD.format(o=0), 4, "spans"),
}  # fmt: skip


@pytest.mark.parametrize("text, number, words", BROKEN.values(), ids=BROKEN)
def test_what_is_no_dump_is_refused_in_one_line(tmp_path: Path, text: str, number: int | None, words: str) -> None:
    path = tmp_path / "dump.txt"
    path.write_text(text)

    with pytest.raises(InputError) as refused:
        read_dump(path)

    message = str(refused.value)
    assert message.startswith(f"{path}:{number}: " if number else f"{path}: ")
    assert words in message and "\n" not in message
