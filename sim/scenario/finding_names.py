"""The names under which findings come back, and may be expected (exchange format, section 3). The one list of them."""

from __future__ import annotations

__all__ = ["ALTERNATIVE", "FINDING_NAMES", "INFORMATION", "VIOLATIONS"]

VIOLATIONS = (
    "append-reorder", "key-reorder", "e2e-key-reorder", "duplicate-append", "lost-acked", "inconsistent-offsets",
    "committed-truncation", "replica-divergence", "sequence-gap", "sequence-regression", "fenced-append",
    "leader-epoch-regression", "offset-gap", "realtime-inversion", "poll-skip", "nonmonotonic-poll", "int-poll-skip",
    "int-nonmonotonic-poll", "duplicate-delivery", "aborted-read", "uncommitted-read", "precommitted-read",
    "above-hw-read",
    "unseen", "lost-processing", "lost-write", "out-of-order-processing", "overlapping-processing",
    "duplicate-processing",
    "premature-commit", "torn-transaction", "G1c-wr",
)  # fmt: skip
ALTERNATIVE = ("nonmonotonic-send", "int-nonmonotonic-send")
INFORMATION = (
    "int-send-skip", "G0", "G1c", "cross-partition-inversion", "key-partition-split", "open-transaction",
    "commit-regression",
)  # fmt: skip
FINDING_NAMES = (*VIOLATIONS, *ALTERNATIVE, *INFORMATION)
