"""What stands at an offset, and the identities in the log: anomalies 1.6 to 1.11."""

from __future__ import annotations

from tests.analysis.cases.case import Case, clean, dirty

ABC = "send P1 1 a o-0; send P1 2 b o-0; send P1 3 c o-0; "
TWO = ABC + "append o-0 0 a; append o-0 1 b #b; append o-0 0 a b=2 role=follower; "


def chain(*identities: str) -> str:
    """A log of records with these ``pid epoch seq``."""
    sends = "; ".join(f"send P1 {k} v{k} o-0" for k in range(len(identities)))
    told = [dict(zip(("pid", "epoch", "seq"), one.split(), strict=True)) for one in identities]
    words = [" ".join(f"{name}={x}" for name, x in one.items()) for one in told]
    return sends + "; " + "; ".join(f"append o-0 {k} v{k} {word} #{k}" for k, word in enumerate(words)) + "; "


INCONSISTENT_OFFSETS = [
    dirty(
        "inconsistent-offsets",
        "1.6",
        "two acks give one offset to two values",
        ABC + "append o-0 0 a; ack P1 a o-0 0 #a; ack P1 b o-0 0 #b",
        ("a b", "0", "a b"),
    ),
    dirty(
        "inconsistent-offsets",
        "1.6",
        "an unknown send of a transaction that its client saw commit",
        "send P1 1 a o-0 txn=T; send P2 1 b o-0; ack P2 b o-0 5 #b; unknown P1 a o-0 5 #a; txn T commit",
        ("b a", "5", "b a"),
    ),
    dirty(
        "inconsistent-offsets",
        "1.6",
        "an unknown send, proven by a read of another write of its transaction",
        """send P1 1 a o-0 txn=T; send P1 2 c o-1 txn=T; send P2 1 b o-0
          unknown P1 a o-0 0 #a; ack P2 b o-0 0 #b; poll C1 o-1:5:c""",
        ("b a", "0", "b a"),
    ),
    clean(
        "inconsistent-offsets",
        "1.6",
        "an unknown send that nothing proves",
        "send P1 1 a o-0 txn=T; send P2 1 b o-0; unknown P1 a o-0 0; ack P2 b o-0 0; txn T unknown",
    ),
    clean(
        "inconsistent-offsets",
        "1.6",
        "a write of an aborted transaction was read by somebody: that proves nothing",
        """send P1 1 a o-0 txn=T; send P1 2 c o-1 txn=T; send P2 1 b o-0
          unknown P1 a o-0 0; ack P2 b o-0 0; poll C1 o-1:5:c; txn T abort""",
    ),
    clean(
        "inconsistent-offsets", "1.6", "what is at one offset of two partitions", ABC + "ack P1 a o-0 0; ack P1 b o-1 0"
    ),
]

COMMITTED_TRUNCATION = [
    dirty(
        "committed-truncation",
        "1.8",
        "an unclean leader lacks what was committed",
        TWO + "hw o-0 2 b=1; leader o-0 2 1; truncate o-0 1 b=1 #cut",
        ("b", "1", "b cut"),
    ),
    dirty(
        "committed-truncation",
        "1.8",
        "overwritten by the next leader without a truncation on the old one",
        TWO + "hw o-0 2 b=1; leader o-0 2 1; append o-0 1 c b=2",
        ("b", "1", "b"),
    ),
    clean(
        "committed-truncation",
        "1.8",
        "the unreplicated tail, even if it had been acknowledged with acks=1",
        TWO + "ack P1 b o-0 1; hw o-0 1 b=1; leader o-0 2 1; truncate o-0 1 b=1",
    ),
    clean(
        "committed-truncation",
        "1.8",
        "a follower truncates and fetches the same records again",
        TWO + "append o-0 1 b b=2 role=follower; hw o-0 2 b=1; truncate o-0 0 b=2; append o-0 0 a b=2 role=follower",
    ),
    clean(
        "committed-truncation",
        "1.8",
        "a control record is no data record",
        """send P1 1 a o-0 txn=T; append o-0 0 a pid=7; control o-0 1 commit pid=7
        append o-0 0 a b=2 pid=7 role=follower
          hw o-0 2 b=1; leader o-0 2 1; truncate o-0 1 b=1""",
    ),
]

REPLICA_DIVERGENCE = [
    dirty(
        "replica-divergence",
        "1.7",
        "another value on the follower",
        TWO + "append o-0 1 c b=2 role=follower #c; hw o-0 2 b=1",
        ("b c", "1", "b c"),
    ),
    dirty(
        "replica-divergence",
        "1.7",
        "a marker of the other kind",
        """send P1 1 a o-0 txn=T; append o-0 0 a pid=7; control o-0 1 commit pid=7 #commit
          append o-0 0 a b=2 pid=7 role=follower; control o-0 1 abort b=2 pid=7 role=follower #abort; hw o-0 2 b=1""",
        ("- -", "1", "commit abort"),
    ),
    clean("replica-divergence", "1.7", "a shorter follower", TWO + "hw o-0 2 b=1"),
    clean(
        "replica-divergence",
        "1.7",
        "differences at or above the high watermark",
        TWO + "append o-0 1 c b=2 role=follower; hw o-0 1 b=1",
    ),
    *(
        clean(
            "replica-divergence",
            "1.7",
            f"the {who} does not tell its leader epoch",
            f"send P1 1 a o-0; append o-0 0 a {leader}; append o-0 0 a {follower} b=2 role=follower; hw o-0 1 b=1",
        )
        for who, leader, follower in (("follower", "lep=0", ""), ("leader", "", "lep=0"))
    ),
    dirty(
        "replica-divergence",
        "1.7",
        "two followers tell other leader epochs, and the leader none",
        """send P1 1 a o-0; append o-0 0 a #a; append o-0 0 a b=2 lep=0 role=follower #b
          append o-0 0 a b=3 lep=1 role=follower #c; hw o-0 1 b=1""",
        ("a a a", "0", "a b c"),
    ),
    clean("replica-divergence", "1.7", "compaction progress", TWO + "compact o-0 0; hw o-0 2 b=1"),
]

SEQUENCES = [
    dirty("sequence-gap", "1.9", "one is missing", chain("1 0 4", "1 0 6"), ("v0 v1", "0 1", "0 1")),
    dirty("sequence-gap", "1.9", "over the wrap", chain("1 0 2147483646", "1 0 0"), ("v0 v1", "0 1", "0 1")),
    clean("sequence-gap", "1.9", "2147483647 followed by 0", chain("1 0 2147483647", "1 0 0")),
    clean(
        "sequence-gap",
        "1.9",
        "a control record between",
        chain("1 0 0", "1 0 1").replace("o-0 1 v1", "o-0 2 v1") + "control o-0 1 commit pid=1 epoch=0",
    ),
    clean(
        "sequence-gap",
        "1.9",
        "a hole made by compaction",
        chain("1 0 0", "1 0 2").replace("o-0 1 v1", "o-0 2 v1") + "compact o-0 1",
    ),
    dirty(
        "sequence-gap",
        "1.9",
        "wider than the hole made by compaction",
        chain("1 0 0", "1 0 3").replace("o-0 1 v1", "o-0 2 v1") + "compact o-0 1",
        ("v0 v1", "0 2", "0 1"),
    ),
    clean(
        "sequence-gap",
        "1.9",
        "a first record after the broker forgot the producer",
        """send P1 1 a o-0; send P1 2 b o-0; @1 append o-0 0 a pid=1 epoch=0 seq=0
          @86400001 append o-0 1 b pid=1 epoch=0 seq=7""".replace("send", "@0 send"),
        time_unit="ms",
    ),
    clean(
        "sequence-gap",
        "1.9",
        "an aborted record keeps its sequence",
        "send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=U; append o-0 0 a pid=1 epoch=0 seq=0; "
        "control o-0 1 abort pid=1 epoch=0; "
        "append o-0 2 b pid=1 epoch=0 seq=1; control o-0 3 commit pid=1 epoch=0",
    ),
    dirty("sequence-regression", "1.9", "the same sequence again", chain("1 0 4", "1 0 4"), ("v0 v1", "0 1", "0 1")),
    dirty(
        "sequence-regression", "1.9", "back to the beginning", chain("1 0 4", "1 0 5", "1 0 0"), ("v1 v2", "1 2", "1 2")
    ),
    dirty(
        "sequence-regression",
        "1.9",
        "over a hole made by compaction",
        chain("1 0 5", "1 0 2").replace("o-0 1 v1", "o-0 2 v1") + "compact o-0 1",
        ("v0 v1", "0 2", "0 1"),
    ),
    clean("sequence-regression", "1.9", "a new epoch restarts at 0", chain("1 0 4", "1 0 5", "1 1 0")),
    clean("sequence-regression", "1.9", "2147483647 followed by 0", chain("1 0 2147483647", "1 0 0")),
    clean(
        "sequence-regression",
        "1.9",
        "a first record after the broker forgot the producer",
        """send P1 1 a o-0; send P1 2 b o-0; @1 append o-0 0 a pid=1 epoch=0 seq=9
          @86400001 append o-0 1 b pid=1 epoch=0 seq=0""".replace("send", "@0 send"),
        time_unit="ms",
    ),
]

EPOCHS = [
    dirty(
        "fenced-append", "1.10", "a zombie of a lower epoch", chain("1 0 0", "1 1 0", "1 0 1"), ("v1 v2", "1 2", "1 2")
    ),
    dirty(
        "fenced-append",
        "1.10",
        "behind the marker with which the coordinator fenced it",
        """send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=T; append o-0 0 a pid=1 epoch=4 #a
          control o-0 1 abort pid=1 epoch=5 #fence; append o-0 2 b pid=1 epoch=4 #b""",
        ("- b", "1 2", "fence b"),
    ),
    clean("fenced-append", "1.10", "another producer id", chain("1 3 0", "2 0 0")),
    clean(
        "fenced-append",
        "1.10",
        "a marker of the same epoch, and an epoch a transaction (KIP-890)",
        """send P1 1 a o-0 txn=T; send P1 2 b o-0 txn=U; append o-0 0 a pid=1 epoch=4
        control o-0 1 commit pid=1 epoch=5
          append o-0 2 b pid=1 epoch=5; control o-0 3 commit pid=1 epoch=6""",
    ),
    clean(
        "fenced-append",
        "1.10",
        "a late marker of an old epoch is no data record",
        "send P1 1 a o-0 txn=T; append o-0 0 a pid=1 epoch=5; control o-0 1 commit pid=1 epoch=4",
    ),
    dirty(
        "leader-epoch-regression",
        "1.11",
        "an epoch goes down",
        "send P1 1 a o-0; send P1 2 b o-0; append o-0 0 a lep=7 #a; append o-0 1 b lep=6 #b",
        ("a b", "0 1", "a b"),
    ),
    dirty(
        "leader-epoch-regression",
        "1.11",
        "at a control record",
        "send P1 1 a o-0 txn=T; append o-0 0 a pid=1 lep=7 #a; control o-0 1 commit pid=1 lep=3 #m",
        ("a -", "0 1", "a m"),
    ),
    clean(
        "leader-epoch-regression",
        "1.11",
        "epochs that rise and leave some out",
        "send P1 1 a o-0; send P1 2 b o-0; append o-0 0 a lep=0; append o-0 1 b lep=9",
    ),
    clean(
        "leader-epoch-regression",
        "1.11",
        "a lower epoch in another partition",
        "send P1 1 a o-0; send P1 2 b o-1; append o-0 0 a lep=5; append o-1 0 b lep=2",
    ),
    clean(
        "leader-epoch-regression",
        "1.11",
        "on a replica that does not lead",
        "send P1 1 a o-0; send P1 2 b o-0; append o-0 0 a lep=5; append o-0 1 b lep=5; append o-0 0 a lep=5 b=2; "
        "append o-0 1 b lep=4 b=2",
    ),
]

OFFSET_GAP = [
    dirty(
        "offset-gap",
        "1.11",
        "two offsets that nothing explains",
        ABC + "append o-0 4 a #a; append o-0 7 b #b",
        ("a b", "5 6", "a b"),
        count=2,
    ),
    dirty(
        "offset-gap",
        "1.11",
        "part of it compacted",
        ABC + "append o-0 0 a #a; append o-0 4 b #b; compact o-0 1,2",
        ("a b", "3", "a b"),
        count=1,
    ),
    clean(
        "offset-gap",
        "1.11",
        "a control record",
        "send P1 1 a o-0 txn=T; send P1 2 b o-0; append o-0 0 a pid=1; control o-0 1 abort pid=1; append o-0 2 b",
    ),
    clean("offset-gap", "1.11", "compaction", ABC + "append o-0 0 a; append o-0 2 b; compact o-0 1"),
    clean("offset-gap", "1.11", "retention", ABC + "append o-0 0 a; append o-0 9 b; logstart o-0 9"),
]

CASES: list[Case] = [
    *INCONSISTENT_OFFSETS,
    *COMMITTED_TRUNCATION,
    *REPLICA_DIVERGENCE,
    *SEQUENCES,
    *EPOCHS,
    *OFFSET_GAP,
]
