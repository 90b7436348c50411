"""Texts of options as values: types, ranges, aliases and the refusals of a :class:`~sim.config.option.Table`.

``read`` checks each given option by itself. What options mean to each other (idempotence and ``acks``) is the business
of the modules that call it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.config.option import INT, LONG, Kind, Option, Table, Where
from sim.errors import InputError
from sim.wording import listed, one_line, shown

__all__ = ["Value", "Values", "read"]

Value = bool | int | float | str | None

_JAVA_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
_SWITCH = {"true": True, "false": False}
_C_SWITCH = _SWITCH | {"t": True, "1": True, "f": False, "0": False}


@dataclass(slots=True)
class Values:
    """The options of one client, topic or broker: what was given, what that makes of the whole table, and why."""

    table: Table
    release: str
    where: Where
    given: dict[str, str]  # as written, by canonical name
    written: dict[str, str] = field(default_factory=dict)  # canonical name -> the name in the file (an alias)
    values: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def explicit(self, name: str) -> bool:
        return name in self.given

    def number(self, name: str) -> int:
        value = self.values[name]
        assert isinstance(value, int), name
        return value

    def switch(self, name: str) -> bool:
        return self.values[name] is True

    def text(self, name: str) -> str:
        return str(self.values[name] if self.values[name] is not None else "")

    def refuse(self, name: str, rule: str, way_out: str) -> InputError:
        return InputError(self.where(self.written.get(name, name)), rule, way_out)

    def says(self, name: str) -> str:
        """``name=value`` as the user wrote it."""
        return one_line(f"{self.written.get(name, name)}={self.given[name]}", 100)

    def settings(self) -> dict[str, Value]:
        """The fields that an option sets by itself."""
        fields: dict[str, Value] = {}
        for option in self.table.options:
            if option.setting:
                fields[option.setting] = scaled(self.values[option.name], option.factor)
        return fields

    def effective(self) -> dict[str, str]:
        """Every modelled option with its value in force, as text, and the accepted ones that were given."""
        texts = {name: text_of(value) for name, value in self.values.items() if value is not None}
        return {**texts, **{name: text for name, text in self.given.items() if name not in texts}}


def read(table: Table, release: str, options: Mapping[str, str], where: Where) -> Values:
    """Check *options* against *table*; defaults of *release* fill the rest."""
    values = Values(table, release, where, {})
    for name, text in options.items():
        option = table.known(name, where)
        _refuse_contradicting_names(values, option, name, text)
        values.written[option.name] = name
        values.given[option.name] = text
        if option.kind is Kind.REFUSED:
            _refuse_unless_harmless(option, name, text, release, where)
        elif option.kind is Kind.MODELLED:
            values.values[option.name] = _parsed(table, option, name, text, where)
    for option in table.options:
        if option.kind is Kind.MODELLED and option.name not in values.values:
            default = option.default_in(release)
            values.values[option.name] = (
                None if default is None else _parsed(table, option, option.name, default, where)
            )
    return values


def scaled(value: Value, factor: int) -> Value:
    """A number in the unit of the settings: exact, and no larger than a run can tell from for ever."""
    if isinstance(value, bool) or not isinstance(value, int | float) or factor == 1:
        return value
    if value < 0:
        return value if isinstance(value, int) else int(value)  # -1 means "never" and has no unit
    return min(int(value * factor) if isinstance(value, int) else int(value * factor), 2**62)


def text_of(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _refuse_contradicting_names(values: Values, option: Option, name: str, text: str) -> None:
    if option.name in values.given and values.given[option.name] != text:
        rule = f"{name}={shown(text)} and {values.says(option.name)} are one option with two values"
        raise InputError(values.where(name), rule, "keep one of the two")


def _refuse_unless_harmless(option: Option, name: str, text: str, release: str, where: Where) -> None:
    default = option.default_in(release)
    harmless = tuple(word for word in (default, *option.harmless) if word is not None)
    if text.strip().lower() in (word.lower() for word in harmless) or (not text.strip() and default is None):
        return
    way_out = f"remove it, or set it to {listed(word or 'nothing' for word in harmless)}" if harmless else "remove it"
    raise InputError(where(name), f"{name}={shown(text)} is known but not modelled: {option.why}", way_out)


def _parsed(table: Table, option: Option, name: str, text: str, where: Where) -> Value:
    if option.type in ("string", "class", "password", "callback"):
        return text
    trimmed = text.strip()
    if option.type == "boolean":
        return _switch(table, name, trimmed, where)
    if option.type in ("enum", "list"):
        return _chosen(option, name, text, where)
    number = _number(option, name, trimmed, where)
    if (option.low is not None and number < option.low) or (option.high is not None and number > option.high):
        rule = f"{name} must be {_bounds(option)}, not {shown(trimmed)}"
        raise InputError(where(name), rule, "use a value in that range")
    return number


def _switch(table: Table, name: str, text: str, where: Where) -> bool:
    words = _C_SWITCH if table.title.startswith("librdkafka") else _SWITCH
    if text.lower() not in words:
        raise InputError(where(name), f"{name} must be true or false, not {shown(text)}", "write true or false")
    return words[text.lower()]


def _chosen(option: Option, name: str, text: str, where: Where) -> str:
    words = [word.strip() for word in text.split(",")] if option.type == "list" else [text]
    folded = {choice.lower() if option.any_case else choice: choice for choice in option.choices}
    for word in words:
        if (word.lower() if option.any_case else word) not in folded:
            rule = f"{name} must be {listed(option.choices)}, not {shown(word)}"
            raise InputError(where(name), rule, f"write {option.choices[0]}")
    return ",".join(folded[word.lower() if option.any_case else word] for word in words)


def _number(option: Option, name: str, text: str, where: Where) -> int | float:
    if option.type == "float":
        if not _DECIMAL.fullmatch(text):
            raise InputError(where(name), f"{name} must be a number, not {shown(text)}", "write a plain number, as 0.5")
        return float(text)
    if not _JAVA_INTEGER.fullmatch(text) or len(text) > 20:
        unit = {1000: " of milliseconds", 1_000_000: " of seconds"}.get(option.factor, "")
        way_out = f"write a plain number{unit}: Kafka's options carry no unit"
        raise InputError(where(name), f"{name} must be a whole number{unit}, not {shown(text)}", way_out)
    number, (low, high) = int(text), INT if option.type == "int" else LONG
    if not low <= number <= high:
        rule = f"{name} must fit Kafka's type {option.type} ({low}..{high}), not {shown(text)}"
        raise InputError(where(name), rule, "use a smaller number")
    return number


def _bounds(option: Option) -> str:
    low, high = option.low, option.high
    if high is None:
        return f"at least {low:.0f}"
    return f"at most {high:.0f}" if low is None else f"from {low:.0f} to {high:.0f}"
