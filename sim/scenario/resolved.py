"""The whole scenario with every setting resolved, in plain JSON types: what digest and header of a trace are made of.

``about`` (title, question, answer, expectations, seeds), ``options``, ``notes`` and ``source`` say where a run comes
from and change nothing in it; :func:`digest_part` leaves them out. All the rest decides the run. Keys come in one
order.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from sim.plan import Action, MessageFault, Plan
from sim.protocol.settings import ProcessingSettings
from sim.scenario.model import Scenario

__all__ = ["digest_part", "resolved", "source"]

FORMAT = 1
OLD_PROCESSING = (
    "per_poll", "commit", "commit_async", "commit_in_revoke", "fails_nth", "fails_ppm", "on_failure",
)  # fmt: skip
NOT_DIGESTED = ("about", "options", "notes", "source")


def resolved(
    scenario: Scenario,
    plan: Plan,
    actions: tuple[Action, ...],
    message_faults: tuple[MessageFault, ...],
    notes: dict[str, tuple[str, ...]],
    options: dict[str, dict[str, str]],
) -> Plan:
    """*plan* with its faults and its canonical form."""
    whole = replace(plan, actions=actions, message_faults=message_faults)
    form = {
        field.name: _plain(getattr(whole, field.name))
        for field in fields(Plan)
        if field.name not in ("resolved", "title")
    }
    for producer in form["producers"]:
        producer.pop("options")  # the settings say what they come to
        _leave_out(producer, feeds=[])
    for reader in form["readers"]:
        reader.pop("options")
        _leave_out(reader, calls=[])
        _leave_out(reader["settings"], reset_duration_us=-1)
    if whole.groups is None:
        form.pop("groups")
    else:
        for member in form["groups"]["members"]:
            member.pop("options")
            _leave_out(member, outlets=[], calls=[])
            _leave_out(member["reader"], reset_duration_us=-1)
            _leave_out(member["processing"], **_plain(ProcessingSettings()), keep=OLD_PROCESSING)
    told = source(scenario)
    about = {key: told[key] for key in ("title", "question", "answer", "seeds", "expect") if key in told}
    return replace(
        whole,
        resolved={
            "format": FORMAT,
            **form,
            "about": about,
            "options": {place: dict(sorted(texts.items())) for place, texts in options.items()},
            "notes": {place: list(lines) for place, lines in notes.items()},
            "source": told,
        },
    )


def _leave_out(form: dict[str, Any], keep: tuple[str, ...] = (), **unused: Any) -> None:
    """Whatever is as if a scenario had no word for it: a digest of before that word stays what it was."""
    for key, value in unused.items():
        if key not in keep and form[key] == value:
            del form[key]


def digest_part(form: Any) -> dict[str, Any]:
    """What of the canonical form decides a run."""
    return {key: value for key, value in form.items() if key not in NOT_DIGESTED}


def source(scenario: Scenario) -> dict[str, Any]:
    """The scenario as its file could be written: option files read in, quantities with their units."""
    data: dict[str, Any] = scenario.model_dump(mode="python", by_alias=True, exclude_unset=True, exclude_none=True)
    return data


def _plain(value: Any) -> Any:
    """JSON types; a dataclass is a mapping of its fields in order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
