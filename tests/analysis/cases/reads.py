"""What readers got: anomalies 1.5, 2.1 to 2.4, 2.6, 2.8, section 4."""

from __future__ import annotations

from tests.analysis.cases.case import Case, clean, dirty

LOG = "; ".join(f"send P1 {k} {v} o-0" for k, v in enumerate("abcde"))
LOG += "; " + "; ".join(f"append o-0 {k} {v}" for k, v in enumerate("abcde")) + "; "
ACKED = LOG + "; ".join(f"ack P1 {v} o-0 {k} #{v}" for k, v in enumerate("abcde")) + "; "
GROUP = {"C1": {"group": "G"}, "C2": {"group": "G"}, "D1": {"group": "H"}}
COMMITTED = {"C1": {"isolation": "read_committed"}, "C2": {}}
DECIDED = """
send P1 0 a o-0; send P2 0 x o-0 txn=T; send P1 1 c o-0
append o-0 0 a; append o-0 1 x pid=7; control o-0 2 {} pid=7; append o-0 3 c
"""

POLL_SKIP = [
    dirty(
        "poll-skip",
        "2.1",
        "two records left out",
        LOG + "poll C1 o-0:0:a #1; poll C1 o-0:3:d #2",
        ("a d", "0 3", "1 2"),
    ),
    dirty(
        "poll-skip",
        "2.1",
        "an aborted transaction moved nobody, and both later polls skip",
        LOG + "poll C1 o-0:0:a #1; poll C1 o-0:2:c txn=T #2; txn T abort; poll C1 o-0:3:d #3",
        ("a c", "0 2", "1 2"),
        ("a d", "0 3", "1 3"),
    ),
    dirty(
        "poll-skip",
        "2.1",
        "a committed record is for readers of committed data too",
        DECIDED.format("commit") + "poll C1 o-0:0:a #1; poll C1 o-0:3:c #2",
        ("a c", "0 3", "1 2"),
        consumers=COMMITTED,
    ),
    clean(
        "poll-skip",
        "2.1",
        "a marker",
        DECIDED.format("commit") + "poll C1 o-0:0:a o-0:1:x; poll C1 o-0:3:c",
        consumers=COMMITTED,
    ),
    clean(
        "poll-skip",
        "2.1",
        "aborted data for a read_committed reader",
        DECIDED.format("abort") + "poll C1 o-0:0:a; poll C1 o-0:3:c",
        consumers=COMMITTED,
    ),
    clean("poll-skip", "2.1", "compacted records", LOG + "poll C1 o-0:0:a; compact o-0 1,2; poll C1 o-0:3:d"),
    clean("poll-skip", "2.1", "expired records", LOG + "poll C1 o-0:0:a; logstart o-0 3; poll C1 o-0:3:d"),
    clean("poll-skip", "2.1", "seek", LOG + "poll C1 o-0:0:a; seek C1 o-0 3; poll C1 o-0:3:d"),
    clean(
        "poll-skip",
        "2.8",
        "records that became visible below the position only later, by a marker",
        """send P1 0 a o-0; send P2 0 x o-0 txn=T; send P1 1 c o-0; append o-0 0 a; append o-0 1 x pid=7; append o-0 2 c
          poll C1 o-0:0:a; poll C1 o-0:2:c; control o-0 3 commit pid=7""",
        consumers=COMMITTED,
    ),
    clean(
        "poll-skip",
        "2",
        "an eager rebalance",
        LOG + "assign C1 o-0; poll C1 o-0:0:a; revoke C1 o-0; assign C1 o-0; poll C1 o-0:3:d",
    ),
    clean("poll-skip", "2", "position reset", LOG + "poll C1 o-0:0:a; reset C1 o-0 3; poll C1 o-0:3:d"),
    clean("poll-skip", "2", "crash", LOG + "poll C1 o-0:0:a; crash C1; poll C1 o-0:3:d", consumers=GROUP),
    clean("poll-skip", "2", "an empty poll between", LOG + "poll C1 o-0:0:a; poll C1; poll C1 o-0:1:b"),
]

INT_POLL_SKIP = [
    dirty("int-poll-skip", "2.1", "inside one poll", LOG + "poll C1 o-0:0:a o-0:2:c #1", ("a c", "0 2", "1 1")),
    dirty(
        "int-poll-skip",
        "2.1",
        "between two polls of one transaction, committed or not",
        LOG + "poll C1 o-0:0:a txn=T #1; poll C1 o-0:2:c txn=T #2; txn T abort",
        ("a c", "0 2", "1 2"),
    ),
    clean(
        "int-poll-skip",
        "2.1",
        "aborted data inside one poll",
        DECIDED.format("abort") + "poll C1 o-0:0:a o-0:3:c",
        consumers=COMMITTED,
    ),
    clean(
        "int-poll-skip",
        "2.1",
        "two partitions in one poll",
        "send P1 0 a o-0; send P1 1 b o-1; append o-0 0 a; append o-1 7 b; poll C1 o-0:0:a o-1:7:b",
    ),
    clean("int-poll-skip", "2.1", "seek", LOG + "poll C1 o-0:0:a op=1; seek C1 o-0 2; poll C1 o-0:2:c op=1"),
    clean("int-poll-skip", "2.1", "between two polls it has another name", LOG + "poll C1 o-0:0:a; poll C1 o-0:2:c"),
]

NONMONOTONIC_POLL = [
    dirty(
        "nonmonotonic-poll",
        "2.2",
        "a step back",
        LOG + "poll C1 o-0:0:a o-0:1:b #1; poll C1 o-0:0:a #2",
        ("b a", "1 0", "1 2"),
    ),
    dirty(
        "nonmonotonic-poll",
        "2.2",
        "equal: a re-read",
        LOG + "poll C1 o-0:1:b #1; poll C1 o-0:1:b #2",
        ("b b", "1 1", "1 2"),
    ),
    dirty(
        "nonmonotonic-poll",
        "2",
        "for partitions that stay assigned the position is kept (cooperative rebalance)",
        LOG + "assign C1 o-0,o-1; poll C1 o-0:1:b #1; assign C1 o-0; poll C1 o-0:0:a #2",
        ("b a", "1 0", "1 2"),
    ),
    clean("nonmonotonic-poll", "2.2", "replay after seek", LOG + "poll C1 o-0:1:b; seek C1 o-0 0; poll C1 o-0:0:a"),
    clean(
        "nonmonotonic-poll",
        "2.2",
        "return to the committed offset after a rebalance",
        LOG + "poll C1 o-0:0:a o-0:1:b; commit C1 o-0 1; poll C1 o-0:1:b rebalanced=o-0",
        consumers=GROUP,
    ),
    clean(
        "nonmonotonic-poll",
        "2.2",
        "return to the committed offset after a crash",
        LOG + "poll C1 o-0:0:a o-0:1:b; commit C1 o-0 1; crash C1; poll C1 o-0:1:b",
        consumers=GROUP,
    ),
    clean(
        "nonmonotonic-poll",
        "2.2",
        "rewind after an abort",
        LOG + "poll C1 o-0:0:a; poll C1 o-0:1:b o-0:2:c txn=T; txn T abort; poll C1 o-0:1:b",
    ),
    clean(
        "nonmonotonic-poll",
        "2",
        "rewind after a transaction of which nobody knows how it ended",
        LOG + "poll C1 o-0:0:a; poll C1 o-0:1:b o-0:2:c txn=T; txn T unknown; poll C1 o-0:1:b",
    ),
]

INT_NONMONOTONIC_POLL = [
    dirty("int-nonmonotonic-poll", "2.2", "inside one poll", LOG + "poll C1 o-0:2:c o-0:0:a #1", ("c a", "2 0", "1 1")),
    dirty(
        "int-nonmonotonic-poll",
        "2.2",
        "between polls of one operation",
        LOG + "poll C1 o-0:1:b op=1 #1; poll C1 o-0:1:b op=1 #2",
        ("b b", "1 1", "1 2"),
    ),
    clean(
        "int-nonmonotonic-poll",
        "2.2",
        "two partitions in one poll",
        "send P1 0 a o-0; send P1 1 b o-1; append o-0 9 a; append o-1 0 b; poll C1 o-0:9:a o-1:0:b",
    ),
    *(
        clean(
            "int-nonmonotonic-poll",
            "2.2",
            f"the position is forgotten between polls of one operation: {between}",
            LOG + f"assign C1 o-0; poll C1 o-0:1:b op=1; {between}; poll C1 o-0:1:b op=1",
        )
        for between in ("seek C1 o-0 1", "revoke C1 o-0; assign C1 o-0", "crash C1", "reset C1 o-0 1")
    ),
    clean("int-nonmonotonic-poll", "2.2", "two consumers", LOG + "poll C1 o-0:1:b op=1; poll C2 o-0:0:a op=1"),
]

DUPLICATE_DELIVERY = [
    dirty(
        "duplicate-delivery",
        "2.3",
        "in a group, after the committed offset",
        LOG + "assign C1 o-0; poll C1 o-0:0:a #1; commit C1 o-0 1; revoke C1 o-0; assign C2 o-0; poll C2 o-0:0:a #2",
        ("a a", "0", "1 2"),
        consumers=GROUP,
    ),
    dirty(
        "duplicate-delivery",
        "2.3",
        "a manual consumer is its own group",
        LOG + "poll M1 o-0:0:a #1; poll M1 o-0:0:a #2",
        ("a a", "0", "1 2"),
    ),
    dirty(
        "duplicate-delivery",
        "2.3",
        "under exactly-once, between two committed transactions",
        """send P1 0 a o-0; append o-0 0 a; assign C1 o-0; poll C1 o-0:0:a txn=T #1; assign C2 o-0
        txn_offsets T C1 o-0 1; txn T commit
          poll C2 o-0:0:a txn=U #2; txn_offsets U C2 o-0 1; txn U commit""",
        ("a a", "0", "1 2"),
        consumers=GROUP,
    ),
    clean(
        "duplicate-delivery",
        "2.3",
        "another group is independent",
        LOG + "poll C1 o-0:0:a; poll D1 o-0:0:a",
        consumers=GROUP,
    ),
    clean("duplicate-delivery", "2.3", "two manual consumers", LOG + "poll M1 o-0:0:a; poll M2 o-0:0:a"),
    clean(
        "duplicate-delivery",
        "2.3",
        "an aborted reader transaction",
        LOG + "poll C1 o-0:0:a txn=T; txn T abort; poll C1 o-0:0:a txn=U; txn U commit",
        consumers=GROUP,
    ),
    clean(
        "duplicate-delivery",
        "2.3",
        "a reader transaction that nobody knows to have committed",
        LOG + "poll C1 o-0:0:a txn=T; txn T unknown; poll C1 o-0:0:a",
        consumers=GROUP,
    ),
    clean(
        "duplicate-delivery",
        "2.3",
        "an explicit replay",
        LOG + "poll C1 o-0:0:a; seek C1 o-0 0; poll C1 o-0:0:a",
        consumers=GROUP,
    ),
]

UNSEEN = [
    dirty(
        "unseen",
        "2.4",
        "at the end of the log",
        ACKED + "poll C1 o-0:0:a o-0:1:b o-0:2:c o-0:3:d",
        ("e", "4", "e"),
        drain=True,
    ),
    dirty(
        "unseen",
        "2.4",
        "a committed transaction that the log hides",
        "send P1 0 a o-0 txn=T; append o-0 0 a pid=7; ack P1 a o-0 0 #a; control o-0 1 abort pid=7; txn T commit; "
        "poll C1",
        ("a", "0", "a"),
        drain=True,
    ),
    dirty(
        "unseen",
        "2.4",
        "behind a hanging transaction that holds the last stable offset",
        """send P1 0 x o-0 txn=T; send P2 0 b o-0; append o-0 0 x pid=7; append o-0 1 b; ack P2 b o-0 1 #b; poll C1""",
        ("b", "1", "b"),
        drain=True,
        consumers=COMMITTED,
    ),
    clean(
        "unseen",
        "2.4",
        "aborted data",
        DECIDED.format("abort") + "ack P1 a o-0 0; ack P2 x o-0 1; txn T abort; poll C1 o-0:0:a o-0:3:c",
        drain=True,
        consumers=COMMITTED,
    ),
    clean(
        "unseen",
        "2.4",
        "seen by another group",
        LOG + "ack P1 a o-0 0; poll C1; poll D1 o-0:0:a",
        drain=True,
        consumers=GROUP,
    ),
    clean(
        "unseen",
        "0",
        "unknown and failed sends",
        LOG + "ack P1 a o-0 0; unknown P1 b o-0 1; fail P1 c; poll C1 o-0:0:a",
        drain=True,
    ),
    clean("unseen", "1.4", "expired unread", ACKED + "logstart o-0 4; poll C1 o-0:4:e", drain=True),
]

LOST_WRITE = [
    dirty(
        "lost-write",
        "1.5",
        "passed over",
        LOG + "ack P1 a o-0 0; ack P1 b o-0 1 #b; poll C1 o-0:0:a o-0:2:c",
        ("b", "1", "b"),
        drain=True,
    ),
    dirty(
        "lost-write",
        "1.5",
        "an unknown send, proven by a read of another write of its transaction",
        """send P1 0 a o-0 txn=T; send P1 1 b o-1 txn=T; send P2 0 c o-1; unknown P1 a o-0; unknown P1 b o-1 0 #b
        ack P2 c o-1 1
          append o-0 0 a pid=7; control o-0 1 commit pid=7; append o-1 1 c; poll C1 o-0:0:a; poll C1 o-1:1:c""",
        ("b", "0", "b"),
        drain=True,
    ),
    clean("lost-write", "1.5", "above the bound: that is unseen", ACKED + "poll C1 o-0:0:a o-0:1:b", drain=True),
    clean(
        "lost-write",
        "1.5",
        "readers that started later on purpose: seek",
        ACKED + "seek C1 o-0 3; poll C1 o-0:3:d o-0:4:e",
        drain=True,
    ),
    clean(
        "lost-write",
        "1.5",
        "readers that started later on purpose: auto.offset.reset=latest",
        ACKED + "assign C1 o-0; reset C1 o-0 4; poll C1 o-0:4:e",
        drain=True,
    ),
    clean(
        "lost-write",
        "1.5",
        "an unknown send that nothing proves",
        "send P1 0 b o-1 txn=T; send P2 0 c o-1; unknown P1 b o-1 0; ack P2 c o-1 1; append o-1 1 c; "
        "poll C1 o-1:1:c; txn T unknown",
        drain=True,
    ),
    clean(
        "lost-write",
        "1.5",
        "aborted data",
        DECIDED.format("abort") + "ack P2 x o-0 1; txn T abort; poll C1 o-0:0:a o-0:3:c",
        drain=True,
    ),
]

KEYED = (
    "send P1 1 a o-0 k=x; send P1 2 b o-0 k=x; send P1 3 c o-1 k=x; append o-0 0 a; append o-0 1 b; append o-1 0 c; "
)
E2E = [
    dirty(
        "e2e-key-reorder",
        "2.6",
        "a key in two partitions, read at different speed",
        KEYED + "poll C2 o-1:0:c #c; poll C1 o-0:0:a #a; poll C1 o-0:1:b #b",
        ("a c", "0 0", "a c"),
        ("b c", "1 0", "b c"),
        consumers=GROUP,
    ),
    dirty(
        "e2e-key-reorder",
        "2.6",
        "by processing start where the group has such events",
        KEYED + "poll C1 o-0:0:a o-0:1:b; proc_start C1 o-0 1 #b; proc_start C1 o-0 0 #a",
        ("a b", "0 1", "a b"),
        consumers=GROUP,
    ),
    clean(
        "e2e-key-reorder",
        "2.6",
        "delivered out of order, processed in order",
        KEYED
        + "poll C1 o-1:0:c; poll C1 o-0:0:a o-0:1:b; proc_start C1 o-0 0; proc_start C1 o-0 1; proc_start C1 o-1 0",
        consumers=GROUP,
    ),
    clean(
        "e2e-key-reorder",
        "2.6",
        "polls of a transaction that did not commit do not count",
        KEYED + "poll C1 o-1:0:c txn=T; txn T abort; poll C1 o-0:0:a o-0:1:b; poll C1 o-1:0:c",
        consumers=GROUP,
    ),
    clean(
        "e2e-key-reorder",
        "2.6",
        "nor does what was processed in it",
        KEYED
        + """poll C1 o-0:0:a o-0:1:b txn=T; proc_start C1 o-0 1; txn T abort
          poll C1 o-0:0:a o-0:1:b; proc_start C1 o-0 0; proc_start C1 o-0 1""",
        consumers=GROUP,
    ),
    dirty(
        "e2e-key-reorder",
        "2.6",
        "a group that tells ends alone meets records by delivery, whatever another one tells",
        KEYED
        + """poll C1 o-0:1:b #b; poll C1 o-0:0:a #a; proc_end C1 o-0 0; proc_end C1 o-0 1
        poll D1 o-0:0:a o-0:1:b; proc_start D1 o-0 0; proc_start D1 o-0 1""",
        ("a b", "0 1", "a b"),
        consumers=GROUP,
    ),
    clean(
        "e2e-key-reorder",
        "2.6",
        "another group read it first",
        KEYED + "poll D1 o-0:1:b; poll C1 o-0:0:a; poll C1 o-0:1:b",
        consumers=GROUP,
    ),
]
CROSS = [
    dirty(
        "cross-partition-inversion",
        "4",
        "the later record of the other partition came first",
        "send P1 1 a o-0; send P1 2 b o-1; append o-0 0 a; append o-1 0 b; poll C1 o-1:0:b #b; poll C1 o-0:0:a #a",
        ("a b", "0 0", "a b"),
    ),
    dirty(
        "cross-partition-inversion",
        "4",
        "by delivery, whatever was processed first",
        """send P1 1 a o-0; send P1 2 b o-1; append o-0 0 a; append o-1 0 b; poll C1 o-1:0:b #b; poll C1 o-0:0:a #a
          proc_start C1 o-0 0; proc_start C1 o-1 0""",
        ("a b", "0 0", "a b"),
    ),
    clean(
        "cross-partition-inversion",
        "4",
        "two producers",
        "send P1 1 a o-0; send P2 2 b o-1; append o-0 0 a; append o-1 0 b; poll C1 o-1:0:b; poll C1 o-0:0:a",
    ),
    clean(
        "cross-partition-inversion",
        "4",
        "two groups, each in order",
        """send P1 1 a o-0; send P1 2 b o-1; append o-0 0 a; append o-1 0 b
          poll D1 o-0:0:a; poll D1 o-1:0:b; poll C1 o-0:0:a; poll C1 o-1:0:b""",
        consumers=GROUP,
    ),
]

ABOVE_HW = [
    dirty("above-hw-read", "2.8", "at the mark", LOG + "hw o-0 1; poll C1 o-0:0:a o-0:1:b #1", ("b", "1", "1")),
    dirty(
        "above-hw-read",
        "2.8",
        "each delivery counts",
        LOG + "hw o-0 1; poll C1 o-0:1:b #1; poll C2 o-0:1:b #2; hw o-0 5",
        ("b", "1", "1"),
        ("b", "1", "2"),
    ),
    clean(
        "above-hw-read",
        "2.8",
        "no mark was ever announced of the partition",
        LOG + "send P1 5 f o-1; append o-1 0 f; hw o-0 1; poll C1 o-0:0:a o-1:0:f",
    ),
    clean("above-hw-read", "2.8", "below the mark", LOG + "hw o-0 2; poll C1 o-0:0:a o-0:1:b"),
    clean(
        "above-hw-read",
        "2.8",
        "the next leader's mark is lower for a while",
        LOG + "hw o-0 3 b=1; leader o-0 2 1; hw o-0 1 b=2; poll C1 o-0:2:c",
    ),
]

COMMIT_REGRESSION = [
    dirty(
        "commit-regression",
        "3",
        "a zombie commits what it once read",
        "commit C1 o-0 5 #1; commit C2 o-0 3 #2",
        ("", "5 3", "1 2"),
        consumers=GROUP,
    ),
    dirty(
        "commit-regression",
        "3",
        "a commit below the offsets of a committed transaction",
        "txn_offsets T C1 o-0 7 #1; txn T commit; commit C2 o-0 3 #2",
        ("", "7 3", "1 2"),
        consumers=GROUP,
    ),
    clean(
        "commit-regression",
        "3",
        "refused commits and those of aborted transactions",
        "commit C1 o-0 5; commit C2 o-0 3 ok=false; txn_offsets T C1 o-0 2; txn T abort",
        consumers=GROUP,
    ),
    clean(
        "commit-regression",
        "3",
        "another group, another partition",
        "commit C1 o-0 5; commit D1 o-0 3; commit C1 o-1 1",
        consumers=GROUP,
    ),
]

CASES: list[Case] = [
    *POLL_SKIP,
    *INT_POLL_SKIP,
    *NONMONOTONIC_POLL,
    *INT_NONMONOTONIC_POLL,
    *DUPLICATE_DELIVERY,
    *UNSEEN,
    *LOST_WRITE,
    *E2E,
    *CROSS,
    *ABOVE_HW,
    *COMMIT_REGRESSION,
]
