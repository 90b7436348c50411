"""From a verdict's word to an exit status."""

from __future__ import annotations

__all__ = ["status_of_verdict", "worst"]

ORDER = ("holds", "undecided", "broken")


def worst(words: list[str]) -> str:
    """The worst wins; nothing expected holds."""
    return max(words, key=ORDER.index, default="holds")


def status_of_verdict(word: str, allow_undecided: bool = False) -> int:
    if word == "holds" or (word == "undecided" and allow_undecided):
        return 0
    return 1
