"""Transactions: anomalies 3.1 to 3.6."""

from __future__ import annotations

from tests.analysis.cases.case import Case, clean, dirty

COMMITTED = {"C1": {"isolation": "read_committed"}, "C2": {"isolation": "read_committed"}, "U1": {}}
ONE = "send P1 1 a o-0 txn=T; append o-0 0 a pid=7 #append; "
TWO = """
send P1 1 a o-0 txn=T; send P1 2 b o-1 txn=T; append o-0 0 a pid=7 #a; append o-1 0 b pid=7
ack P1 a o-0 0; ack P1 b o-1 0 #b
"""

ABORTED_READ = [
    dirty(
        "aborted-read",
        "3.1",
        "its send failed for certain",
        "send P1 1 a o-0; fail P1 a; append o-0 0 a; poll U1 o-0:0:a #poll",
        ("a", "0", "poll"),
        consumers=COMMITTED,
    ),
    dirty(
        "aborted-read",
        "3.1",
        "the log aborted it",
        ONE + "control o-0 1 abort pid=7; poll C1 o-0:0:a #poll",
        ("a", "0", "poll"),
        consumers=COMMITTED,
    ),
    dirty(
        "aborted-read",
        "3.4",
        "the client aborted, and a late commit marker promoted it",
        ONE + "control o-0 1 commit pid=7; txn T abort; poll C1 o-0:0:a #poll",
        ("a", "0", "poll"),
        consumers=COMMITTED,
    ),
    clean(
        "aborted-read",
        "3.1",
        "a read_uncommitted reader",
        ONE + "control o-0 1 abort pid=7; txn T abort; poll U1 o-0:0:a",
        consumers=COMMITTED,
    ),
    clean(
        "aborted-read",
        "3.1",
        "an unknown client result that the log committed",
        ONE + "control o-0 1 commit pid=7; txn T unknown; poll C1 o-0:0:a",
        consumers=COMMITTED,
    ),
    clean(
        "aborted-read",
        "0",
        "an unknown send is no failed one",
        "send P1 1 a o-0; unknown P1 a o-0; append o-0 0 a; poll C1 o-0:0:a",
        consumers=COMMITTED,
    ),
    clean(
        "aborted-read",
        "1.3",
        "the other copy was aborted, and this one no longer stands where it was read",
        """send P1 1 a o-0; append o-0 0 a pid=7 txn=T; control o-0 1 abort pid=7; append o-0 3 a pid=7 txn=U
        control o-0 4 commit pid=7; poll C1 o-0:2:a""",
        consumers=COMMITTED,
    ),
    clean(
        "aborted-read",
        "1.3",
        "the other copy was aborted",
        """send P1 1 a o-0; append o-0 0 a pid=7 txn=T; control o-0 1 abort pid=7; append o-0 2 a pid=7 txn=U
        control o-0 3 commit pid=7
          poll C1 o-0:2:a""",
        consumers=COMMITTED,
    ),
]

UNCOMMITTED_READ = [
    dirty(
        "uncommitted-read",
        "3.2",
        "before the marker",
        ONE + "poll C1 o-0:0:a #poll; control o-0 1 commit pid=7",
        ("a", "0", "poll"),
        consumers=COMMITTED,
    ),
    dirty(
        "uncommitted-read",
        "3.2",
        "no marker ever came, and each delivery counts",
        ONE + "poll C1 o-0:0:a #1; poll C2 o-0:0:a #2",
        ("a", "0", "1"),
        ("a", "0", "2"),
        consumers=COMMITTED,
    ),
    dirty(
        "uncommitted-read",
        "3.2",
        "the marker of another producer decides nothing",
        ONE + "control o-0 1 commit pid=8; poll C1 o-0:0:a #poll; control o-0 2 commit pid=7",
        ("a", "0", "poll"),
        consumers=COMMITTED,
    ),
    dirty(
        "uncommitted-read",
        "3.2",
        "the marker of the transaction before stands below it",
        """send P1 1 a o-0 txn=T; append o-0 0 a pid=7; control o-0 1 commit pid=7; send P1 2 b o-0 txn=U
        append o-0 2 b pid=7
          poll C1 o-0:0:a; poll C1 o-0:2:b #poll""",
        ("b", "2", "poll"),
        consumers=COMMITTED,
    ),
    clean(
        "uncommitted-read",
        "3.1",
        "a read_uncommitted reader",
        ONE + "poll U1 o-0:0:a; control o-0 1 commit pid=7",
        consumers=COMMITTED,
    ),
    clean(
        "uncommitted-read",
        "3.2",
        "after the marker, before the client knew",
        ONE + "control o-0 1 commit pid=7; poll C1 o-0:0:a; txn T commit",
        consumers=COMMITTED,
    ),
    clean(
        "uncommitted-read",
        "3.2",
        "a record outside of transactions beside an open one",
        ONE + "send P2 1 z o-0; append o-0 1 z; poll C1 o-0:1:z",
        consumers=COMMITTED,
    ),
    clean(
        "uncommitted-read",
        "0",
        "decided by the name of the transaction, where no producer id is given",
        "send P1 1 a o-0 txn=T; append o-0 0 a txn=T; control o-0 1 commit txn=T; poll C1 o-0:0:a",
        consumers=COMMITTED,
    ),
]

PRECOMMITTED_READ = [
    dirty(
        "precommitted-read",
        "3.2",
        "in the writing transaction itself",
        ONE + "poll C1 o-0:0:a txn=T #poll; control o-0 1 commit pid=7; txn T commit",
        ("a", "0", "poll"),
        consumers=COMMITTED,
    ),
    dirty(
        "precommitted-read",
        "3.2",
        "nobody tells the log: a poll in a transaction comes before its end",
        "send P1 1 a o-0 txn=T; ack P1 a o-0 0; poll C1 o-0:0:a txn=T #poll; txn T commit",
        ("a", "0", "poll"),
        consumers=COMMITTED,
    ),
    clean(
        "precommitted-read",
        "3.2",
        "in another transaction it is an uncommitted read only",
        ONE + "poll C1 o-0:0:a txn=U; control o-0 1 commit pid=7",
        consumers=COMMITTED,
    ),
    clean(
        "precommitted-read",
        "3.1",
        "a read_uncommitted reader in the writing transaction",
        ONE + "poll U1 o-0:0:a txn=T; control o-0 1 commit pid=7",
        consumers=COMMITTED,
    ),
    clean(
        "precommitted-read",
        "3.2",
        "it reads what the transaction before wrote",
        "send P1 1 a o-0 txn=S; append o-0 0 a pid=7; control o-0 1 commit pid=7; "
        + "send P1 2 b o-0 txn=T; append o-0 2 b pid=7; poll C1 o-0:0:a txn=T",
        consumers=COMMITTED,
    ),
]

TORN_TRANSACTION = [
    dirty(
        "torn-transaction",
        "3.4",
        "committed in one partition, aborted in the other",
        TWO + "control o-0 1 commit pid=7; control o-1 1 abort pid=7; txn T commit",
        ("a b", "0 0", "a b"),
    ),
    dirty(
        "torn-transaction",
        "3.4",
        "the marker of the transaction before came late and decided half of this one (KAFKA-17754)",
        """send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=T; append o-0 0 a pid=7; control o-0 1 abort pid=7
        append o-0 2 b pid=7 #b
          ack P1 a o-0 0 #a; ack P1 b o-0 2; control o-0 3 commit pid=7; txn T commit""",
        ("b a", "2 0", "b a"),
    ),
    dirty(
        "torn-transaction",
        "3.4",
        "of an unknown transaction one write is visible, so the others have to be",
        TWO + "control o-0 1 commit pid=7; txn T unknown",
        ("a b", "0 0", "a b"),
    ),
    clean(
        "torn-transaction",
        "3.3",
        "a reader that has seen a part: partitions are polled at different positions",
        TWO + "control o-0 1 commit pid=7; poll C1 o-0:0:a; control o-1 1 commit pid=7; txn T commit",
        consumers=COMMITTED,
    ),
    clean(
        "torn-transaction",
        "3.4",
        "aborted as a whole",
        TWO + "control o-0 1 abort pid=7; control o-1 1 abort pid=7; txn T abort",
    ),
    clean(
        "torn-transaction",
        "3.4",
        "the missing write was never acknowledged",
        """send P1 1 a o-0 txn=T; send P1 2 b o-1 txn=T; append o-0 0 a pid=7; ack P1 a o-0 0; unknown P1 b o-1
          control o-0 1 commit pid=7; txn T commit""",
    ),
    clean(
        "torn-transaction",
        "1.4",
        "one half has expired",
        """send P1 1 a o-0 txn=T; send P1 2 b o-1 txn=T; append o-0 0 a pid=7; ack P1 a o-0 0; ack P1 b o-1 0
          control o-0 1 commit pid=7; logstart o-1 5; txn T commit""",
    ),
    clean(
        "torn-transaction",
        "3.4",
        "all of it is hidden: lost, not torn",
        TWO + "control o-0 1 abort pid=7; control o-1 1 abort pid=7; txn T commit",
    ),
]

OPEN_TRANSACTION = [
    dirty("open-transaction", "3.6", "no marker at the end", ONE, ("a", "0", "append")),
    dirty(
        "open-transaction",
        "3.6",
        "two of them; one has its marker in one partition only",
        """send P1 1 a o-0 txn=T; send P1 2 b o-1 txn=T; send P2 1 c o-0 txn=U; append o-0 0 a pid=7
        append o-1 0 b pid=7 #b
          append o-0 1 c pid=8 #c; control o-0 2 commit pid=7""",
        ("b", "0", "b"),
        ("c", "1", "c"),
    ),
    dirty(
        "open-transaction",
        "3.6",
        "its marker was truncated",
        ONE + "control o-0 1 commit pid=7; truncate o-0 1",
        ("a", "0", "append"),
    ),
    clean("open-transaction", "3.6", "decided", ONE + "control o-0 1 abort pid=7"),
    clean(
        "open-transaction",
        "3.6",
        "data outside of transactions",
        ONE + "control o-0 1 commit pid=7; send P2 1 z o-0; append o-0 2 z pid=9",
    ),
    clean(
        "open-transaction",
        "3.6",
        "its open records have expired",
        ONE + "send P2 1 z o-0; append o-0 1 z; logstart o-0 1",
    ),
    clean(
        "open-transaction",
        "3.6",
        "its open records were truncated",
        ONE + "truncate o-0 0; send P2 1 z o-0; append o-0 0 z",
    ),
]

CIRCLE = """
send P1 1 a o-0 txn=T; send P2 1 b o-1 txn=U; append o-0 0 a pid=1; append o-1 0 b pid=2
poll {0} o-1:0:b txn=T #one; poll {1} o-0:0:a txn=U #two; control o-0 1 commit pid=1; control o-1 1 commit pid=2
"""
G1C_WR = [
    dirty(
        "G1c-wr",
        "3.5",
        "each has read what the other wrote",
        CIRCLE.format("C1", "C2"),
        ("a b", "0 0", "two one"),
        consumers=COMMITTED,
    ),
    dirty(
        "G1c-wr",
        "3.5",
        "a circle of three, told by its reads",
        """send P1 1 a o-0 txn=T; send P2 1 b o-0 txn=U; send P3 1 c o-0 txn=V
          append o-0 0 a pid=1; append o-0 1 b pid=2; append o-0 2 c pid=3
          poll C1 o-0:2:c txn=T #c; poll C1 o-0:0:a txn=U #a; poll C1 o-0:1:b txn=V #b""",
        ("a b c", "0 1 2", "a b c"),
        consumers=COMMITTED,
    ),
    clean("G1c-wr", "3.5", "read_uncommitted readers", CIRCLE.format("U1", "U1"), consumers=COMMITTED),
    clean(
        "G1c-wr",
        "3.5",
        "one of the two edges by a read_uncommitted reader",
        CIRCLE.format("C1", "U1"),
        consumers=COMMITTED,
    ),
    clean(
        "G1c-wr",
        "3.5",
        "a chain",
        CIRCLE.replace("poll {1} o-0:0:a txn=U #two; ", "").format("C1"),
        consumers=COMMITTED,
    ),
    clean("G1c-wr", "3.2", "its own write is no circle", ONE + "poll C1 o-0:0:a txn=T", consumers=COMMITTED),
]
CROSSED = """
send P1 1 a o-0 txn=T; send P1 2 b o-1 txn=T; send P2 1 c o-0 txn=U; send P2 2 d o-1 txn=U
append o-0 0 a pid=1 #a; append o-0 1 c pid=2 #c; append o-1 0 d pid=2 #d; append o-1 1 b pid=1 #b
control o-0 2 commit pid=1; control o-0 3 commit pid=2; control o-1 2 commit pid=1; control o-1 3 {} pid=2
"""
G0 = [
    dirty("G0", "3.5", "writes in opposite orders in two partitions", CROSSED.format("commit"), ("c b", "1 1", "c b")),
    dirty(
        "G0",
        "3.5",
        "writes that interleave in one partition",
        """send P1 1 a o-0 txn=T; send P2 1 b o-0 txn=U; send P1 2 c o-0 txn=T
          append o-0 0 a pid=1; append o-0 1 b pid=2 #b; append o-0 2 c pid=1 #c; control o-0 3 commit pid=1
          control o-0 4 commit pid=2""",
        ("b c", "1 2", "b c"),
    ),
    clean(
        "G0",
        "3.5",
        "one after the other",
        """send P1 1 a o-0 txn=T; append o-0 0 a pid=1; control o-0 1 commit pid=1
          send P1 2 b o-0 txn=U; append o-0 2 b pid=1; control o-0 3 commit pid=1""",
    ),
    clean(
        "G0",
        "3.5",
        "aborted writes are no versions",
        """send P1 1 a o-0 txn=T; send P2 1 b o-0 txn=U; send P1 2 c o-0 txn=T
          append o-0 0 a pid=1; append o-0 1 b pid=2; append o-0 2 c pid=1; control o-0 3 commit pid=1
          control o-0 4 abort pid=2""",
    ),
]
G1C = [
    dirty(
        "G1c",
        "3.5",
        "it read from one whose write stands behind its own",
        """send P1 1 a o-0 txn=T; send P1 2 c o-1 txn=T; send P2 1 b o-1 txn=U; append o-0 0 a pid=1
        append o-1 0 b pid=2
          append o-1 1 c pid=1 #c; control o-0 1 commit pid=1; control o-1 2 commit pid=1; control o-1 3 commit pid=2
          poll C1 o-0:0:a txn=U #a""",
        ("a c", "0 1", "a c"),
        consumers=COMMITTED,
    ),
    dirty(
        "G1c",
        "3.5",
        "a circle of reads alone, whoever read",
        CIRCLE.format("U1", "U1"),
        ("a b", "0 0", "two one"),
        consumers=COMMITTED,
    ),
    clean(
        "G1c",
        "3.5",
        "a circle of writes alone is a G0",
        CROSSED.format("commit") + "poll C1 o-0:0:a txn=V",
        consumers=COMMITTED,
    ),
    clean(
        "G1c",
        "3.5",
        "a read along the order of the writes",
        """send P1 1 a o-0 txn=T; append o-0 0 a pid=1; control o-0 1 commit pid=1
          send P2 1 b o-0 txn=U; poll C1 o-0:0:a txn=U; append o-0 2 b pid=2; control o-0 3 commit pid=2""",
        consumers=COMMITTED,
    ),
]

CASES: list[Case] = [
    *ABORTED_READ,
    *UNCOMMITTED_READ,
    *PRECOMMITTED_READ,
    *TORN_TRANSACTION,
    *OPEN_TRANSACTION,
    *G1C_WR,
    *G0,
    *G1C,
]
