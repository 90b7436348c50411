"""``korder check --baseline FILE``: what changed in counts and rates since they were accepted.

A run is a function of scenario, seed and korder, so any difference has a reason: a changed scenario or option file, or
a korder whose change log says "results change: yes". ``--accept`` writes what is seen now; the file belongs in version
control, where its difference shows what was accepted.

Version 1 of the file, as JSON: ``format`` ("korder-baseline"), ``version``, ``korder`` (which wrote it) and
``scenarios``: by file ``seeds``, ``runs``, ``records``, ``unsettled`` and ``findings``, by name ``count`` (all seeds
together) and ``seeds`` (in how many); a name that was not seen is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.cli.files import write_text
from analysis.cli.rates import percent
from sim.errors import InputError

if TYPE_CHECKING:
    from analysis.cli.check import Outcome

__all__ = ["accept", "changes", "read_baseline"]

FORMAT, VERSION = "korder-baseline", 1


def read_baseline(path: Path) -> dict[str, Any]:
    way_out = f"write it first: korder check ... --baseline {path} --accept"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(str(path), "there is no such baseline", way_out) from None
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or "it is not JSON"
        raise InputError(str(path), f"cannot be read as a baseline: {reason}", way_out) from None
    scenarios = told.get("scenarios") if isinstance(told, dict) and told.get("format") == FORMAT else None
    whole = isinstance(scenarios, dict) and told.get("version") == VERSION
    keys = {"seeds", "runs", "records", "unsettled", "findings"}
    if not whole or not all(isinstance(one, dict) and keys <= set(one) for one in (scenarios or {}).values()):
        raise InputError(str(path), f"is not a baseline of version {VERSION}", way_out)
    return dict(told)


def accept(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write the outcomes as the new baseline; what it holds of scenarios that were not checked stays."""
    for one in outcomes:
        if one.not_run:
            rule = f"{one.not_run} seeds of {one.file} were not run in time"
            raise InputError(str(path), rule, "accept without --max-time")
    kept = read_baseline(path)["scenarios"] if path.exists() else {}
    scenarios = dict(sorted((kept | {one.file: _entry(one) for one in outcomes}).items()))
    told = {"format": FORMAT, "version": VERSION, "korder": _korder(), "scenarios": scenarios}
    write_text(path, json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def changes(baseline: dict[str, Any], outcome: Outcome) -> list[str]:
    """Sentences on what is not as it was accepted; none where all is."""
    old, new = baseline["scenarios"].get(outcome.file), _entry(outcome)
    if old is None:
        return ["it is not in the baseline"]
    if outcome.not_run:
        return [f"{outcome.not_run} seeds were not run in time: nothing can be compared"]
    if old["seeds"] != new["seeds"]:
        return [f"accepted over seeds {old['seeds']}, now {new['seeds']}: they cannot be compared"]
    told = [f"{key} {old[key]:,} -> {new[key]:,}" for key in ("records", "unsettled") if old[key] != new[key]]
    for name in dict.fromkeys([*old["findings"], *new["findings"]]):
        was, now = (one["findings"].get(name, {"count": 0, "seeds": 0}) for one in (old, new))
        if was != now:
            told.append(f"{name} {_seen(was, old)} -> {_seen(now, new)}")
    if told and baseline.get("korder") != _korder():
        told.append(f"the baseline is of korder {baseline.get('korder')}, this is {_korder()}: see its change log")
    return told


def _entry(outcome: Outcome) -> dict[str, Any]:
    results = [one.result for one in outcome.seen]
    names = dict.fromkeys(name for one in results for name, count in one.counts.items() if count)
    seeds = [one.seed for one in results]
    in_a_row = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    return {
        "seeds": f"{seeds[0]}..{seeds[-1]}" if in_a_row else ",".join(map(str, seeds)),
        "runs": len(results),
        "records": sum(one.records for one in results),
        "unsettled": sum(not one.settled for one in results),
        "findings": {
            name: {
                "count": sum(one.counts.get(name, 0) for one in results),
                "seeds": sum(one.counts.get(name, 0) > 0 for one in results),
            }
            for name in names
        },
    }


def _seen(found: dict[str, int], entry: dict[str, Any]) -> str:
    share = percent(found["count"] / entry["records"]) if entry["records"] else "-"
    return f"{found['count']:,} ({share} of records, in {found['seeds']} of {entry['runs']} seeds)"


def _korder() -> str:
    try:
        return version("korder")
    except PackageNotFoundError:
        return "unknown"
