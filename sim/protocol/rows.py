"""The rows of a trace: their kinds and what each column of a kind means.

One table ``events``, one row per thing that happened, in the order in which it happened; a row's id is its position.
Every row has ``t_us``, ``kind``, ``cause`` (row id or -1) and ``host`` (host number of who saw it). A batch is named by
``prod`` and the slice ``lo..hi`` (half open) of its lane, the list of send indexes of (producer, partition); a log
position by ``partition`` and ``offset``. Columns that a kind does not use are -1 (``code``: 0).

The second table, ``sends``, has a row per record (see ``sim.trace``). Together they expand to the exchange format.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["COLUMNS", "Kind"]

COLUMNS = (
    "t_us", "kind", "cause", "host", "conn", "partition", "prod", "lo", "hi",
    "offset", "lep", "pid", "epoch", "seq", "n", "code",
)  # fmt: skip


class Kind(IntEnum):
    # Producer. conn: connection number; n: transmission number of the batch (1 is the first) unless said otherwise.
    ATTEMPT = 1  # conn, partition, prod, lo, hi, pid, epoch, seq, n; host: producer, offset: broker it goes to
    RESPONSE = 2  # the answer for one batch reached the client: conn, partition, prod, lo, hi, offset, n, code
    ACK = 3  # delivery report, success: partition, prod, lo, hi, offset (of the first record, -1 not told)
    FAIL = 4  # delivery report, certainly not written (every transmission answered, "Log?" no for each): ..., code
    UNKNOWN = 5  # delivery report of failure where the log may have it: ..., code
    REFUSED = 6  # send() itself failed, no batch was made: prod, lo, hi = *send indexes* (not lane positions), code
    EXPIRE = 7  # the client gave up waiting for a batch: partition, prod, lo, hi
    PRODUCER_ID = 8  # a producer id was obtained or an epoch bumped locally: prod, pid, epoch, partition (-1 all)
    CONNECT = 9  # the opener has a ready connection: conn, n: host number of the server
    # a side learned that the connection is gone: conn, n: the other host, code (7 timed out, 13 lost, 0: closed here)
    DISCONNECT = 10
    METADATA = 11  # a client learned a new leader: partition, n: leader host or -1, lep
    # Log. host is the broker; lo..hi of a follower's or leader's append is the producer's slice again.
    APPEND = 20  # leader wrote a batch: partition, prod, lo, hi, offset, lep, pid, epoch, seq, conn
    REPLICATE = 21  # follower wrote a batch it fetched: same columns
    REJECT = 22  # leader refused a batch: partition, prod, lo, hi, pid, epoch, seq, conn, code
    DUPLICATE = 23  # leader recognised a batch: partition, prod, lo, hi, offset of the original, pid, epoch, seq, conn
    HIGH_WATERMARK = 24  # partition, offset, lep; host: replica whose mark moved; n: 1 on a leader, else 0
    TRUNCATE = 25  # replica removed offset and above: partition, offset, n: number of records removed
    LOG_START = 26  # partition, offset
    # Roles of replicas and the controller's decisions.
    LEADER = 30  # controller chose: partition, n: leader host or -1, lep, code: 1 if unclean
    ISR = 31  # controller committed an in-sync set: partition, lep, n: bit mask of hosts, offset: partition epoch
    LEADS = 32  # a broker applied that it leads: partition, lep, offset: its log end
    FOLLOWS = 33  # a broker applied that it follows: partition, lep, n: the leader
    FENCE = 34  # controller fenced broker n
    UNFENCE = 35  # controller unfenced broker n
    PARTITIONS = 36  # controller created partitions: partition (first new), n: how many the topic has now
    # Reader.
    ASSIGN = 40  # partition; host is the consumer
    POLL = 41  # records handed to the application: partition, prod, lo, hi, offset (of the first), n: poll number
    RESET = 42  # the client library moved its position: partition, offset, code: error that made it
    SEEK = 43  # partition, offset
    # Member of a group. host is the consumer, also in rows that its coordinator writes.
    REVOKE = 44  # it gave a partition up: partition, epoch: generation, code: 1 if lost (no longer its own), else 0
    PROC_START = 45  # the application began a run of records: partition, prod, lo, hi, offset
    PROC_END = 46  # ... and ended it: the same columns
    # partition, offset, epoch: generation, n: 1 stored and replicated (lo: row of the append), 0 refused; code; seq: 1
    # automatic
    COMMIT = 47
    PROC_FAIL = 49  # the work on a record failed: partition, prod, lo, hi, offset
    # a member leaves its group: epoch: generation, code: 1 its poll interval expired, 0 it was closed, 2 poll() threw
    LEFT = 48
    # Coordinator. host is the broker, partition that of __consumer_offsets, pid the group's number.
    COORDINATES = 56  # a broker took the group over from its log: pid, epoch: generation, n: members
    GENERATION = 57  # a join phase is over: pid, epoch: the new generation, n: members
    # a member: pid, epoch: generation, n: its host, code: 0 new, 1 left, 2 expired, 3 did not rejoin, 4 loaded
    MEMBER = 58
    # The world.
    FAULT = 50  # n: index in the plan's list of faults (text: trace header); host, conn or partition struck
    HEAL = 51  # the end of a fault that lasts: n as above
    CRASH = 52  # host: who died; n: 1 if pages that were not flushed are gone too
    RESTART = 53  # host: who is back (a new incarnation)
    PAUSE = 54  # host stands still
    RESUME = 55  # host goes on
