"""What groups did with what they got: anomalies 2.5, 2.7."""

from __future__ import annotations

from tests.analysis.cases.case import Case, clean, dirty

LOG = "send P1 1 a o-0 k=x; send P1 2 b o-0 k=x; send P1 3 c o-0 k=y; append o-0 0 a; append o-0 1 b; append o-0 2 c; "
READ = LOG + "poll C1 o-0:0:a o-0:1:b o-0:2:c #poll; "
GROUP = {"C1": {"group": "G"}, "C2": {"group": "G"}, "D1": {"group": "H"}}


def done(*offsets: int, consumer: str = "C1") -> str:
    return "; ".join(f"proc_start {consumer} o-0 {o}; proc_end {consumer} o-0 {o}" for o in offsets) + "; "


OUT_OF_ORDER = [
    dirty(
        "out-of-order-processing",
        "2.5",
        "a thread pool takes the later record of a key first",
        READ + "proc_start C1 o-0 1 #b; proc_start C1 o-0 0 #a",
        ("a b", "0 1", "a b"),
        consumers=GROUP,
    ),
    dirty(
        "out-of-order-processing",
        "2.5",
        "without keys the partition is the lane",
        LOG.replace(" k=x", "").replace(" k=y", "")
        + "poll C1 o-0:0:a o-0:1:b o-0:2:c; proc_start C1 o-0 2 #c; proc_start C1 o-0 0 #a; proc_start C1 o-0 1 #b",
        ("a c", "0 2", "a c"),
        ("b c", "1 2", "b c"),
        consumers=GROUP,
    ),
    dirty(
        "out-of-order-processing",
        "2.5",
        "over two members of a group",
        LOG + "poll C1 o-0:0:a; poll C2 o-0:1:b; proc_start C2 o-0 1 #b; proc_start C1 o-0 0 #a",
        ("a b", "0 1", "a b"),
        consumers=GROUP,
    ),
    clean(
        "out-of-order-processing",
        "2.5",
        "different keys in parallel",
        READ + "proc_start C1 o-0 0; proc_start C1 o-0 2; proc_start C1 o-0 1",
        consumers=GROUP,
    ),
    clean(
        "out-of-order-processing",
        "2.5",
        "the log itself inverted: the consumer is innocent",
        """send P1 1 a o-0 k=x; send P1 2 b o-0 k=x; append o-0 0 b; append o-0 1 a; poll C1 o-0:0:b o-0:1:a
          proc_start C1 o-0 0; proc_start C1 o-0 1""",
        consumers=GROUP,
    ),
    clean(
        "out-of-order-processing",
        "2.5",
        "processed again after a rebalance: only first starts count",
        READ + done(0, 1) + "poll C2 o-0:0:a; proc_start C2 o-0 0",
        consumers=GROUP,
    ),
    clean(
        "out-of-order-processing",
        "2.5",
        "another group",
        READ + "poll D1 o-0:1:b; proc_start D1 o-0 1; proc_start C1 o-0 0",
        consumers=GROUP,
    ),
]

OVERLAPPING = [
    dirty(
        "overlapping-processing",
        "2.5",
        "the next of a key begins before the last has ended",
        READ + "proc_start C1 o-0 0 #a; proc_start C1 o-0 1 #b; proc_end C1 o-0 0; proc_end C1 o-0 1",
        ("b a", "1 0", "b a"),
        consumers=GROUP,
    ),
    dirty(
        "overlapping-processing",
        "2.5",
        "a zombie still at work when the next owner of the partition goes on",
        LOG + "poll C1 o-0:0:a; proc_start C1 o-0 0 #a; poll C2 o-0:1:b; proc_start C2 o-0 1 #b; proc_end C2 o-0 1; "
        "proc_end C1 o-0 0",
        ("b a", "1 0", "b a"),
        consumers=GROUP,
    ),
    dirty(
        "overlapping-processing",
        "2.5",
        "a record under way for the second time, after its first process died",
        READ + "proc_start C1 o-0 0; crash C1; poll C2 o-0:0:a o-0:1:b; proc_start C2 o-0 0 #a; proc_start C2 o-0 1 #b",
        ("b a", "1 0", "b a"),
        consumers=GROUP,
    ),
    clean(
        "overlapping-processing",
        "2.5",
        "different keys in parallel",
        READ + "proc_start C1 o-0 0; proc_start C1 o-0 2; proc_end C1 o-0 2; proc_end C1 o-0 0; proc_start C1 o-0 1",
        consumers=GROUP,
    ),
    clean(
        "overlapping-processing",
        "2.5",
        "a higher offset under way is out of order, and no overlap",
        READ + "proc_start C1 o-0 1; proc_start C1 o-0 0",
        consumers=GROUP,
    ),
    clean(
        "overlapping-processing",
        "2.5",
        "what a dead process had begun is over",
        READ + "proc_start C1 o-0 0; crash C1; poll C2 o-0:0:a o-0:1:b; " + done(0, 1, consumer="C2"),
        consumers=GROUP,
    ),
    clean("overlapping-processing", "2.5", "one after the other", READ + done(0, 1, 2), consumers=GROUP),
]

DUPLICATE_PROCESSING = [
    dirty(
        "duplicate-processing",
        "2.5",
        "a zombie after a rebalance",
        LOG
        + """poll C1 o-0:0:a; proc_start C1 o-0 0; poll C2 o-0:0:a; proc_start C2 o-0 0; proc_end C2 o-0 0 #second
          proc_end C1 o-0 0 #first""",
        ("a a", "0 0", "second first"),
        consumers=GROUP,
    ),
    dirty(
        "duplicate-processing",
        "2.5",
        "three ends are one place",
        LOG + "poll C1 o-0:0:a; proc_end C1 o-0 0 #1; proc_end C1 o-0 0 #2; proc_end C1 o-0 0 #3",
        ("a a a", "0 0 0", "1 2 3"),
        consumers=GROUP,
    ),
    clean(
        "duplicate-processing",
        "2.5",
        "begun twice, ended once",
        LOG + "poll C1 o-0:0:a; proc_start C1 o-0 0; crash C1; poll C2 o-0:0:a; " + done(0, consumer="C2"),
        consumers=GROUP,
    ),
    clean(
        "duplicate-processing",
        "2.3",
        "another group is independent",
        LOG + "poll C1 o-0:0:a; poll D1 o-0:0:a; " + done(0) + done(0, consumer="D1"),
        consumers=GROUP,
    ),
    clean(
        "duplicate-processing",
        "2",
        "the first time in a transaction that aborted",
        LOG + "poll C1 o-0:0:a txn=T; " + done(0) + "txn T abort; poll C1 o-0:0:a txn=U; " + done(0) + "txn U commit",
        consumers=GROUP,
    ),
]

PREMATURE_COMMIT = [
    dirty(
        "premature-commit",
        "2.7",
        "auto-commit while a thread is still at work",
        READ + "proc_start C1 o-0 0; commit C1 o-0 1 auto=true #commit; proc_end C1 o-0 0",
        ("a", "0", "poll commit"),
        consumers=GROUP,
    ),
    dirty(
        "premature-commit",
        "2.7",
        "every commit that covers it counts, and the first record is told",
        READ + done(1) + "commit C1 o-0 2 #1; commit C1 o-0 3 #2",
        ("a", "0", "poll 1"),
        ("a", "0", "poll 2"),
        consumers=GROUP,
    ),
    dirty(
        "premature-commit",
        "2.7",
        "offsets in a transaction take effect when it commits",
        LOG + "poll C1 o-0:0:a o-0:1:b txn=T #poll; proc_start C1 o-0 0; txn_offsets T C1 o-0 2 #sent; "
        "proc_end C1 o-0 0; txn T commit",
        ("b", "1", "poll sent"),
        consumers=GROUP,
    ),
    clean(
        "premature-commit",
        "2.7",
        "a commit of records whose processing has ended",
        READ + done(0, 1) + "commit C1 o-0 2",
        consumers=GROUP,
    ),
    clean(
        "premature-commit",
        "2.7",
        "whoever makes it: auto-commit at the next poll, another member",
        READ + done(0, 1, 2) + "commit C2 o-0 3 auto=true",
        consumers=GROUP,
    ),
    clean("premature-commit", "2.7", "a refused commit", READ + done(0) + "commit C1 o-0 3 ok=false", consumers=GROUP),
    clean(
        "premature-commit",
        "2.7",
        "aborted data that nobody had to process",
        """send P1 1 a o-0 txn=T; send P2 1 b o-0; append o-0 0 a pid=7; control o-0 1 abort pid=7; append o-0 2 b
          poll C1 o-0:0:a o-0:2:b; proc_start C1 o-0 2; proc_end C1 o-0 2; commit C1 o-0 3""",
        consumers=GROUP,
    ),
    clean(
        "premature-commit",
        "2.7",
        "the offsets of a transaction that aborted",
        READ + done(0) + "txn_offsets T C1 o-0 3; txn T abort; commit C1 o-0 1",
        consumers=GROUP,
    ),
]

LOST_PROCESSING = [
    dirty(
        "lost-processing",
        "2.7",
        "committed too far, then a crash",
        READ + done(0) + "commit C1 o-0 3 #c; crash C1",
        ("b", "1", "c"),
        ("c", "2", "c"),
        consumers=GROUP,
        drain=True,
    ),
    dirty(
        "lost-processing",
        "2.7",
        "never handed to the group at all",
        LOG + "poll C1 o-0:2:c; " + done(2) + "commit C1 o-0 3 #c",
        ("a", "0", "c"),
        ("b", "1", "c"),
        consumers=GROUP,
        drain=True,
    ),
    dirty(
        "lost-processing",
        "2.7",
        "the library reset a position that had been committed",
        READ + done(0) + "commit C1 o-0 1; reset C1 o-0 2; " + done(2) + "commit C1 o-0 3 #c",
        ("b", "1", "c"),
        consumers=GROUP,
        drain=True,
    ),
    clean(
        "lost-processing",
        "2.7",
        "processed by another member",
        READ + done(0) + done(1, 2, consumer="C2") + "commit C1 o-0 3",
        consumers=GROUP,
        drain=True,
    ),
    clean(
        "lost-processing",
        "2.7",
        "at or above the committed offset",
        READ + done(0) + "commit C1 o-0 1",
        consumers=GROUP,
        drain=True,
    ),
    clean(
        "lost-processing",
        "2.7",
        "only what is committed in the end counts",
        READ + done(0) + "commit C1 o-0 3; commit C1 o-0 1",
        consumers=GROUP,
        drain=True,
    ),
    clean(
        "lost-processing",
        "1.5",
        "a group that started later on purpose: seek",
        LOG + "assign C1 o-0; seek C1 o-0 2; poll C1 o-0:2:c; " + done(2) + "commit C1 o-0 3",
        consumers=GROUP,
        drain=True,
    ),
    clean(
        "lost-processing",
        "1.5",
        "a group that started at the end: auto.offset.reset=latest",
        LOG + "assign C1 o-0; reset C1 o-0 2; poll C1 o-0:2:c; " + done(2) + "commit C1 o-0 3",
        consumers=GROUP,
        drain=True,
    ),
    clean(
        "lost-processing",
        "1.4",
        "expired before it was read",
        LOG + "logstart o-0 2; poll C1 o-0:2:c; " + done(2) + "commit C1 o-0 3",
        consumers=GROUP,
        drain=True,
    ),
    clean(
        "lost-processing",
        "0",
        "aborted data",
        """send P1 1 a o-0 txn=T; send P2 1 b o-0; append o-0 0 a pid=7; control o-0 1 abort pid=7; append o-0 2 b
          poll C1 o-0:2:b; proc_start C1 o-0 2; proc_end C1 o-0 2; commit C1 o-0 3""",
        consumers=GROUP,
        drain=True,
    ),
]

NO_LOG = "send P1 1 a o-0; send P1 2 b o-0; ack P1 a o-0 0; ack P1 b o-0 1; poll C1 o-0:0:a o-0:1:b #poll; "
WITHOUT_A_LOG = [
    dirty(
        "premature-commit",
        "2.7",
        "where no log is told, what was received counts as visible",
        NO_LOG + done(1) + "commit C1 o-0 2 #c",
        ("a", "0", "poll c"),
        consumers=GROUP,
    ),
    dirty(
        "lost-processing",
        "2.7",
        "where no log is told, of what acks and polls tell",
        NO_LOG + done(1) + "commit C1 o-0 2 #c",
        ("a", "0", "c"),
        consumers=GROUP,
        drain=True,
    ),
    clean(
        "premature-commit",
        "2.7",
        "without a log, in order",
        NO_LOG + done(0, 1) + "commit C1 o-0 2",
        consumers=GROUP,
    ),
    clean(
        "lost-processing",
        "2.7",
        "without a log, in order",
        NO_LOG + done(0, 1) + "commit C1 o-0 2",
        consumers=GROUP,
        drain=True,
    ),
]

CASES: list[Case] = [
    *OUT_OF_ORDER,
    *OVERLAPPING,
    *DUPLICATE_PROCESSING,
    *PREMATURE_COMMIT,
    *WITHOUT_A_LOG,
    *LOST_PROCESSING,
]
