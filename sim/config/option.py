"""One Kafka option as korder knows it, and a table of them.

An option is one of four things (``Kind``):

- ``MODELLED``: it sets a field of the resolved settings;
- ``ACCEPTED``: without influence on order, duplicates or loss (credentials, buffers of the operating system, metrics);
- ``REFUSED``: known, not modelled, and able to change the answer; only the values in ``harmless`` (by default the
  option's own default) are let through, because they ask for what is modelled anyway;
- not in the table: unknown, refused with a guess.

Defaults are texts as Kafka writes them, one for each release that korder knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from sim.errors import InputError
from sim.wording import did_you_mean, shown

__all__ = ["RELEASES", "Kind", "Option", "Table", "Where", "accepted", "modelled", "refused"]

RELEASES = ("3.9", "4.3")
INT = (-(2**31), 2**31 - 1)
LONG = (-(2**63), 2**63 - 1)

type_names = ("boolean", "int", "long", "float", "string", "enum", "list", "class", "password", "callback")
Where = Callable[[str], str]  # the place of an option by name, for messages


class Kind(Enum):
    MODELLED = "modelled"
    ACCEPTED = "without influence on order"
    REFUSED = "not modelled"


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    kind: Kind
    type: str = "string"
    default: Mapping[str, str | None] = field(default_factory=dict)  # by release; None: Kafka has no default
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()  # for enum; case matters unless any_case
    any_case: bool = False
    setting: str = ""  # field of the settings dataclass that it sets by itself (others are set by a rule)
    factor: int = 1  # setting = value * factor (1000 for milliseconds)
    harmless: tuple[str, ...] = ()  # of a refused option, beside its default
    aliases: tuple[str, ...] = ()
    why: str = ""  # reason of a refusal, or what an accepted option does instead

    def default_in(self, release: str) -> str | None:
        return self.default.get(release)


def _defaults(default: str | None | tuple[str | None, ...]) -> dict[str, str | None]:
    texts = default if isinstance(default, tuple) else (default,) * len(RELEASES)
    return dict(zip(RELEASES, texts, strict=True))


def modelled(
    name: str,
    type: str,
    default: str | None | tuple[str | None, ...],
    setting: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    factor: int = 1,
    choices: tuple[str, ...] = (),
    any_case: bool = False,
    aliases: tuple[str, ...] = (),
) -> Option:
    """A modelled option; *default* is one text, or one a release in the order of ``RELEASES``."""
    return Option(
        name, Kind.MODELLED, type, _defaults(default), low, high, choices, any_case, setting, factor, (), aliases
    )


def accepted(names: str, type: str = "string", why: str = "") -> list[Option]:
    """Options without influence on order, by names separated by blanks."""
    return [Option(name, Kind.ACCEPTED, type, why=why) for name in names.split()]


def refused(
    names: str, why: str, default: str | None | tuple[str | None, ...] = None, *, harmless: tuple[str, ...] = ()
) -> list[Option]:
    """Options that could change the answer and are not modelled."""
    return [
        Option(name, Kind.REFUSED, "string", _defaults(default), harmless=harmless, why=why) for name in names.split()
    ]


@dataclass(frozen=True)
class Table:
    """All options of one place (a client flavour's producer, a topic, ...)."""

    title: str  # "Java producer": stands in messages
    options: tuple[Option, ...]
    prefixes: tuple[str, ...] = ()  # families without influence (ssl., sasl.)
    elsewhere: Mapping[str, str] = field(default_factory=dict)  # a name of the other flavour -> the name here
    by_name: dict[str, Option] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for option in self.options:
            for name in (option.name, *option.aliases):
                if name in self.by_name:
                    raise ValueError(f"{self.title}: {name} is in the table twice")
                self.by_name[name] = option

    def find(self, name: str) -> Option | None:
        """The option of that name or alias; a member of an accepted family is made on the spot."""
        option = self.by_name.get(name)
        if option is None and any(name.startswith(prefix) and name != prefix for prefix in self.prefixes):
            return Option(name, Kind.ACCEPTED)
        return option

    def known(self, name: str, where: Where) -> Option:
        """The option of that name, or the refusal of an unknown one."""
        option = self.find(name)
        if option is not None:
            return option
        here = self.elsewhere.get(name)
        guess = f"its name here is {here}" if here else did_you_mean(name, self.by_name)
        rule = f"{shown(name)} is not an option of a {self.title}"
        raise InputError(where(name), rule, guess or "remove it, or look it up in Kafka's documentation")


def joined(*groups: Option | Iterable[Option]) -> tuple[Option, ...]:
    """Options and lists of options as one tuple."""
    found: list[Option] = []
    for group in groups:
        found.extend([group] if isinstance(group, Option) else group)
    return tuple(found)
