"""How korder words a refusal: the value as it was found, the rule, the way out; always one line.

:class:`Wrong` is raised where the place in the file is not known; whoever knows the place turns it into an
:class:`~sim.errors.InputError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["Wrong", "did_you_mean", "listed", "one_line", "shown"]

_LONGEST = 60  # characters of a value that are repeated in a message


class Wrong(ValueError):
    """A value that cannot be used: *rule* (with the value found) and *way_out*, without the place."""

    def __init__(self, rule: str, way_out: str = "") -> None:
        super().__init__(rule, way_out)
        self.rule, self.way_out = rule, way_out

    def __str__(self) -> str:
        return f"{self.rule}; {self.way_out}" if self.way_out else self.rule


def shown(value: object) -> str:
    """*value* in one short line, as a user would recognise it from the file."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        plain = len(value) <= 4 and all(isinstance(item, str | int | float) for item in value)
        return f"[{', '.join(shown(item) for item in value)}]" if plain else "a list"
    text = one_line(f"'{value}'" if isinstance(value, str) else str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def one_line(text: str, longest: int = 200) -> str:
    """*text* without line breaks and other characters that do not print as themselves."""
    plain = text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:longest])
    return plain if len(plain) <= longest else f"{plain[:longest]}..."


def listed(words: Iterable[str], most: int = 12) -> str:
    """``a, b or c``; a long list is cut."""
    names = list(words)
    if len(names) > most:
        return f"{', '.join(names[:most])}, ... ({len(names)} in all)"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}" if names else "nothing"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A guess, or an empty string. Case is ignored; a word with other separators is found too."""
    by_form: dict[str, str] = {}
    for name in known:
        by_form.setdefault(_form(name), name)
    near = get_close_matches(_form(word), by_form, n=1, cutoff=0.72)
    return f"did you mean {by_form[near[0]]}?" if near else ""


def _form(word: str) -> str:
    return word.lower().replace("_", ".").replace("-", ".")
