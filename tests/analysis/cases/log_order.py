"""Order, copies and losses in the log: anomalies 1.1 to 1.4, 1.12, 1.13."""

from __future__ import annotations

from tests.analysis.cases.case import Case, clean, dirty

ABC = "send P1 1 a o-0; send P1 2 b o-0; send P1 3 c o-0; "
IN_ORDER = "append o-0 0 a; append o-0 1 b; append o-0 2 c; "

APPEND_REORDER = [
    dirty(
        "append-reorder",
        "1.1",
        "a refused batch came back behind its successor",
        ABC + "append o-0 0 b #first; append o-0 1 a #late; append o-0 2 c",
        ("a b", "1 0", "late first"),
    ),
    dirty(
        "append-reorder",
        "1.1",
        "two blocks, each behind its own overtaker; i need not be dense",
        """send P1 10 a o-0; send P1 20 b o-0; send P1 30 c o-0; send P1 41 d o-0; send P2 1 x o-0
        append o-0 0 b #b; append o-0 1 x; append o-0 2 a #a; append o-0 3 d #d; append o-0 4 c #c""",
        ("a b", "2 0", "a b"),
        ("c d", "4 3", "c d"),
    ),
    dirty(
        "append-reorder",
        "1.1",
        "inside a committed transaction",
        """send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=T
        append o-0 0 b pid=7 epoch=0 #b; append o-0 1 a pid=7 epoch=0 #a; control o-0 2 commit pid=7 epoch=0""",
        ("a b", "1 0", "a b"),
    ),
    clean(
        "append-reorder",
        "1.1",
        "other producers' records in between",
        ABC + "send P2 9 x o-0; append o-0 0 a; append o-0 1 x; append o-0 2 b; append o-0 3 c",
    ),
    clean("append-reorder", "1.1", "a missing i: a failed send", ABC + "fail P1 b; append o-0 0 a; append o-0 1 c"),
    clean("append-reorder", "1.1", "a later second copy", ABC + IN_ORDER + "append o-0 3 a"),
    clean(
        "append-reorder",
        "1.1",
        "ack callbacks in another order than the log",
        ABC + IN_ORDER + "ack P1 c o-0 2; ack P1 a o-0 0; ack P1 b o-0 1",
    ),
    clean(
        "append-reorder",
        "1.1",
        "record timestamps going back",
        "send P1 1 a o-0 ts=90; send P1 2 b o-0 ts=20; send P1 3 c o-0 ts=10; " + IN_ORDER,
    ),
    clean(
        "append-reorder",
        "1.1",
        "different partitions",
        "send P1 1 a o-0; send P1 2 b o-1; append o-1 0 b; append o-0 0 a",
    ),
    clean(
        "append-reorder",
        "1.1",
        "a restarted instance",
        "send P1 7 a o-0; send P1b 1 b o-0; append o-0 0 a; append o-0 1 b",
    ),
    clean(
        "append-reorder",
        "1.1",
        "two threads without an order between their calls have one position",
        "send P1 1 a o-0; send P1 1 b o-0; append o-0 0 b; append o-0 1 a",
    ),
    clean(
        "append-reorder",
        "1.1",
        "order inside an aborted transaction",
        """send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=T
          append o-0 0 b pid=7; append o-0 1 a pid=7; control o-0 2 abort pid=7""",
    ),
    clean(
        "append-reorder",
        "0",
        "order inside a transaction that is still open",
        "send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=T; append o-0 0 b pid=7; append o-0 1 a pid=7",
    ),
]

KEY_REORDER = [
    dirty(
        "key-reorder",
        "1.2",
        "the key moved to another partition and overtook",
        "send P1 1 a o-0 k=x; send P1 2 b o-1 k=x; append o-1 4 b #b; append o-0 9 a #a",
        ("a b", "9 4", "a b"),
    ),
    dirty(
        "key-reorder",
        "1.2",
        "within one partition it is also an append-reorder",
        "send P1 1 a o-0 k=x; send P1 2 b o-0 k=x; append o-0 0 b #b; append o-0 1 a #a",
        ("a b", "1 0", "a b"),
    ),
    clean(
        "key-reorder",
        "1.2",
        "records of one partition inverted although no key is",
        "send P1 1 a o-0 k=x; send P1 2 b o-0 k=y; append o-0 0 b; append o-0 1 a",
    ),
    clean(
        "key-reorder",
        "1.2",
        "two producers on one key without an order between them",
        "send P1 2 a o-0 k=x; send P2 1 b o-0 k=x; append o-0 0 a; append o-0 1 b",
    ),
    clean(
        "key-reorder",
        "1.2",
        "the key moved and kept its order by append time",
        "send P1 1 a o-1 k=x; send P1 2 b o-0 k=x; append o-1 0 a; append o-0 0 b",
    ),
    clean(
        "key-reorder",
        "1.2",
        "the overtaker is in an aborted transaction",
        """send P1 1 a o-0 k=x; send P1 2 b o-1 k=x txn=T
          append o-1 0 b pid=7; control o-1 1 abort pid=7; append o-0 0 a""",
    ),
]

DUPLICATE_APPEND = [
    dirty(
        "duplicate-append",
        "1.3",
        "a retry after a lost response",
        ABC + "append o-0 0 a #1; append o-0 1 b; append o-0 2 a #2",
        ("a a", "0 2", "1 2"),
    ),
    dirty(
        "duplicate-append",
        "1.3",
        "both copies in committed transactions of another producer id",
        """send P1 1 a o-0; append o-0 0 a pid=7 txn=T #1; control o-0 1 commit pid=7
        append o-0 2 a pid=8 txn=U #2; control o-0 3 commit pid=8""",
        ("a a", "0 2", "1 2"),
    ),
    clean("duplicate-append", "1.3", "one offset read twice", ABC + IN_ORDER + "poll C1 o-0:0:a; poll C2 o-0:0:a"),
    clean("duplicate-append", "1.3", "equal payloads of different sends have values of their own", ABC + IN_ORDER),
    clean(
        "duplicate-append",
        "1.3",
        "a copy in an aborted transaction",
        """send P1 1 a o-0; append o-0 0 a pid=7 txn=T; control o-0 1 abort pid=7
          append o-0 2 a pid=7 txn=U; control o-0 3 commit pid=7""",
    ),
    clean(
        "duplicate-append",
        "1.3",
        "the copies on replicas",
        ABC + IN_ORDER + "append o-0 0 a b=2 role=follower; append o-0 0 a b=3 role=follower",
    ),
    clean(
        "duplicate-append",
        "1.3",
        "a batch that the broker recognised, acknowledged again with its old offset",
        ABC + IN_ORDER + "ack P1 a o-0 0; ack P1 a o-0 0",
    ),
    clean(
        "duplicate-append",
        "0",
        "a second copy in a transaction that is still open",
        "send P1 1 a o-0; append o-0 0 a; append o-0 1 a pid=7 txn=T",
    ),
]

LOST_ACKED = [
    dirty(
        "lost-acked",
        "1.4",
        "acknowledged by a leader that was cut back",
        ABC
        + """append o-0 0 a; append o-0 1 b #append; ack P1 b o-0 1 #ack; append o-0 0 a b=2 role=follower
        leader o-0 2 1; truncate o-0 1 b=1 #cut""",
        ("b", "1", "append ack cut"),
    ),
    dirty(
        "lost-acked",
        "1.4",
        "acks=0: told, and never appended",
        ABC + "append o-0 0 a; ack P1 b o-0 #ack",
        ("b", "", "ack"),
    ),
    dirty(
        "lost-acked",
        "1.4",
        "the client saw the commit, the log an abort",
        "send P1 1 a o-0 txn=T; append o-0 0 a pid=7 #append; ack P1 a o-0 0 #ack; control o-0 1 abort pid=7; "
        "txn T commit",
        ("a", "0", "append ack"),
    ),
    clean(
        "lost-acked",
        "1.4",
        "unknown and failed sends",
        ABC + "append o-0 0 a; ack P1 a o-0 0; unknown P1 b o-0; fail P1 c",
    ),
    clean("lost-acked", "1.4", "expired", ABC + IN_ORDER + "ack P1 a o-0 0; ack P1 b o-0 1; logstart o-0 2"),
    clean("lost-acked", "1.4", "compacted", ABC + "ack P1 a o-0 0; append o-0 1 b; ack P1 b o-0 1; compact o-0 0"),
    clean(
        "lost-acked",
        "1.4",
        "aborted data",
        "send P1 1 a o-0 txn=T; append o-0 0 a pid=7; ack P1 a o-0 0; control o-0 1 abort pid=7; txn T abort",
    ),
    clean(
        "lost-acked",
        "1.4",
        "aborted data of a producer id whose transactions have no names",
        "send P1 1 a o-0; append o-0 0 a pid=7; ack P1 a o-0 0; control o-0 1 abort pid=7",
    ),
    clean(
        "lost-acked",
        "1.4",
        "aborted data that was truncated as well",
        """send P1 1 a o-0 txn=T; append o-0 0 a pid=7; ack P1 a o-0 0; truncate o-0 0; txn T abort
          send P2 1 z o-0; append o-0 0 z; ack P2 z o-0 0""",
    ),
    clean(
        "lost-acked",
        "1.4",
        "an unknown transaction that the log aborted",
        "send P1 1 a o-0 txn=T; append o-0 0 a pid=7; ack P1 a o-0 0; control o-0 1 abort pid=7; txn T unknown",
    ),
    clean(
        "lost-acked",
        "1.4",
        "a reader that is only behind",
        ABC + IN_ORDER + "ack P1 a o-0 0; ack P1 b o-0 1; poll C1 o-0:0:a",
    ),
]

REALTIME_INVERSION = [
    dirty(
        "realtime-inversion",
        "1.12",
        "acknowledged at 1 before the record at 0 was sent",
        """send P1 1 y o-0; append o-0 1 y #y; ack P1 y o-0 1 #acked
        send P2 1 x o-0 #sent; append o-0 0 x #x; ack P2 x o-0 0""",
        ("x y", "0 1", "acked sent x y"),
    ),
    dirty(
        "realtime-inversion",
        "1.12",
        "the same in two partitions at once",
        """send P1 1 y o-0; append o-0 1 y #y; ack P1 y o-0 1 #yack; send P1 2 w o-1; append o-1 6 w #w
        ack P1 w o-1 6 #wack
        send P2 1 x o-0 #xsent; append o-0 0 x #x; ack P2 x o-0 0; send P2 2 v o-1 #vsent; append o-1 5 v #v
        ack P2 v o-1 5""",
        ("x y", "0 1", "yack xsent x y"),
        ("v w", "5 6", "wack vsent v w"),
    ),
    clean(
        "realtime-inversion",
        "1.12",
        "concurrent sends",
        "send P1 1 y o-0; append o-0 1 y; send P2 1 x o-0; ack P1 y o-0 1; append o-0 0 x; ack P2 x o-0 0",
    ),
    clean(
        "realtime-inversion",
        "1.12",
        "of another partition",
        "send P1 1 y o-1; append o-1 1 y; ack P1 y o-1 1; send P2 1 x o-0; append o-0 0 x; ack P2 x o-0 0",
    ),
    clean(
        "realtime-inversion",
        "1.12",
        "an ack without offset says nothing of when the record was appended (acks=0)",
        "send P1 1 y o-0; ack P1 y o-0; send P2 1 x o-0; append o-0 0 x; append o-0 1 y; ack P2 x o-0 0",
    ),
    clean(
        "realtime-inversion",
        "1.12",
        "the one acknowledged before was aborted",
        """send P1 1 y o-0 txn=T; append o-0 1 y pid=7; ack P1 y o-0 1; control o-0 2 abort pid=7
          send P2 1 x o-0; append o-0 0 x; ack P2 x o-0 0""",
    ),
]

NONMONOTONIC_SEND = [
    dirty(
        "nonmonotonic-send",
        "1.13",
        "the next operation stands before the last one",
        "send P1 1 a o-0 op=1; send P1 2 b o-0 op=2; append o-0 0 b #b; append o-0 1 a #a",
        ("a b", "1 0", "a b"),
    ),
    dirty(
        "nonmonotonic-send",
        "1.13",
        "transactions are operations: from the last record of one to the first of the next",
        """send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=T; send P1 3 c o-0 txn=U; send P1 4 d o-0 txn=U
        append o-0 0 c pid=7 txn=U #c; append o-0 1 d pid=7 txn=U; control o-0 2 commit pid=7
        append o-0 3 a pid=7 txn=T; append o-0 4 b pid=7 txn=T #b; control o-0 5 commit pid=7""",
        ("b c", "4 0", "b c"),
    ),
    clean(
        "nonmonotonic-send",
        "1.13",
        "inside one operation it has another name",
        "send P1 1 a o-0 op=1; send P1 2 b o-0 op=1; append o-0 0 b; append o-0 1 a",
    ),
    clean(
        "nonmonotonic-send",
        "1.13",
        "on two partitions",
        "send P1 1 a o-0 op=1; send P1 2 b o-1 op=2; append o-1 0 b; append o-0 0 a",
    ),
    clean(
        "nonmonotonic-send",
        "1.13",
        "of two producers",
        "send P2 1 a o-0 op=1; send P1 1 b o-0 op=2; append o-0 0 b; append o-0 1 a",
    ),
]

INT_NONMONOTONIC_SEND = [
    dirty(
        "int-nonmonotonic-send",
        "1.13",
        "two sends of one operation, inverted",
        "send P1 1 a o-0 op=1; send P1 2 b o-0 op=1; append o-0 0 b #b; append o-0 1 a #a",
        ("a b", "1 0", "a b"),
    ),
    dirty(
        "int-nonmonotonic-send",
        "1.13",
        "within a transaction",
        "send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=T; append o-0 0 b pid=7 #b; append o-0 1 a pid=7 #a; "
        "control o-0 2 commit pid=7",
        ("a b", "1 0", "a b"),
    ),
    clean(
        "int-nonmonotonic-send",
        "1.13",
        "between operations it has another name",
        "send P1 1 a o-0 op=1; send P1 2 b o-0 op=2; append o-0 0 b; append o-0 1 a",
    ),
    clean(
        "int-nonmonotonic-send",
        "1.13",
        "within an aborted transaction",
        "send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=T; append o-0 0 b pid=7; append o-0 1 a pid=7; "
        "control o-0 2 abort pid=7",
    ),
]

INT_SEND_SKIP = [
    dirty(
        "int-send-skip",
        "1.13",
        "a foreign record between two sends of an operation",
        "send P1 1 a o-0 op=1; send P1 2 c o-0 op=1; send P2 1 b o-0 op=2; append o-0 0 a #a; append o-0 1 b; "
        "append o-0 2 c #c",
        ("a c", "0 2", "a c"),
    ),
    dirty(
        "int-send-skip",
        "1.13",
        "two transactions that interleave, both ways",
        """send P1 1 a o-0 txn=T; send P1 2 c o-0 txn=T; send P2 1 b o-0 txn=U; send P2 2 d o-0 txn=U
        append o-0 0 a pid=1 #a; append o-0 1 b pid=2 #b; append o-0 2 c pid=1 #c; append o-0 3 d pid=2 #d
        control o-0 4 commit pid=1; control o-0 5 commit pid=2""",
        ("a c", "0 2", "a c"),
        ("b d", "1 3", "b d"),
    ),
    clean(
        "int-send-skip",
        "1.13",
        "an aborted record between takes no dense index",
        """send P1 1 a o-0 op=1; send P1 2 c o-0 op=1; send P2 1 b o-0 txn=U
          append o-0 0 a; append o-0 1 b pid=2; append o-0 2 c; control o-0 3 abort pid=2""",
    ),
    clean(
        "int-send-skip",
        "1.13",
        "a marker between",
        """send P1 1 a o-0 op=1; send P1 2 c o-0 op=1; send P2 1 b o-0 txn=U
          append o-0 0 b pid=2; append o-0 1 a; control o-0 2 commit pid=2; append o-0 3 c""",
    ),
]

KEY_PARTITION_SPLIT = [
    dirty(
        "key-partition-split",
        "1.2",
        "the partition count changed",
        "send P1 1 a o-0 k=x; send P1 2 b o-1 k=x; append o-0 0 a #a; append o-1 0 b #b",
        ("a b", "0 0", "a b"),
    ),
    dirty(
        "key-partition-split",
        "1.2",
        "two clients with two partitioners",
        "send P1 1 a o-0 k=x; send P2 1 b o-1 k=x; append o-0 3 a #a; append o-1 5 b #b; send P1 2 c o-0 k=y; "
        "append o-0 4 c",
        ("a b", "3 5", "a b"),
    ),
    clean(
        "key-partition-split",
        "1.2",
        "records without key",
        "send P1 1 a o-0; send P1 2 b o-1; append o-0 0 a; append o-1 0 b; send P1 3 c o-0 k=x",
    ),
    clean(
        "key-partition-split",
        "1.2",
        "one of the two was aborted",
        """send P1 1 a o-0 k=x; send P1 2 b o-1 k=x txn=T
          append o-0 0 a; append o-1 0 b pid=7; control o-1 1 abort pid=7""",
    ),
]

CASES: list[Case] = [
    *APPEND_REORDER,
    *KEY_REORDER,
    *DUPLICATE_APPEND,
    *LOST_ACKED,
    *REALTIME_INVERSION,
    *NONMONOTONIC_SEND,
    *INT_NONMONOTONIC_SEND,
    *INT_SEND_SKIP,
    *KEY_PARTITION_SPLIT,
]
