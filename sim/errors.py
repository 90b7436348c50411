"""The three ways korder says no.

- :class:`InputError`: the user's file, option or history is wrong. One line: place, rule, way out. Exit status 2.
- :class:`LawBroken`: a law that holds under every configuration does not. The fault is korder's. Exit status 3.
- :class:`Unsettled` is *not* here: a run that did not settle is a result, not an error.
"""

from __future__ import annotations

__all__ = ["InputError", "LawBroken"]


class InputError(Exception):
    """Something the user handed over cannot be used.

    Parameters are plain strings: *place* (``file:line: key`` or an option), *rule* (what is required, with the value
    that was found) and *way_out* (what to write instead; may be empty).
    """

    def __init__(self, place: str, rule: str, way_out: str = "") -> None:
        super().__init__(place, rule, way_out)
        self.place, self.rule, self.way_out = place, rule, way_out

    def __str__(self) -> str:
        text = f"{self.place}: {self.rule}" if self.place else self.rule
        return f"{text}; {self.way_out}" if self.way_out else text


class LawBroken(Exception):
    """A law of the simulator itself was broken: *law* names it (``INV-4``), *what* gives the values met.

    ``context`` is filled in by the run (seed, time, the command that replays it).
    """

    def __init__(self, law: str, what: str, context: str = "") -> None:
        super().__init__(law, what, context)
        self.law, self.what, self.context = law, what, context

    def __str__(self) -> str:
        text = f"law {self.law}: {self.what}"
        return f"{text}\n  {self.context}" if self.context else text
