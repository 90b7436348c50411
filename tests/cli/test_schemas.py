"""Every output for programs follows its published schema and names no key that the schema does not; one with a key
less or with a value of another type does not follow it."""

from __future__ import annotations

import copy
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from analysis.cli import claims
from analysis.cli.app import app
from analysis.cli.main import status_of
from analysis.formats import FORMATS
from analysis.outcome import outcome_of
from analysis.schemas import SCHEMAS, output_schema
from analysis.sweep import sweep
from analysis.sweep.looks import Until
from sim.run import simulate
from sim.scenario import load, with_overrides
from tests.cli.conftest import DUPLICATED, Said
from tests.cli.test_confirm import as_simulated
from tests.real.outcomes import scenario
from tests.schema_checks import closed, fails, follows
from tests.sweep.conftest import SMALL, VARY

Korder = Callable[..., Said]
Path_ = tuple[str | int, ...]
WRONG = [[None]]  # no value of any output is a list of lists of nothing
SHOW = {"scenario": "ten_records", "finding": "append-reorder", "seen": "always"}

# Of each output, a value that lies deep.
DEEP: dict[str, Path_] = {
    "run": ("findings", "duplicate-append", "witnesses", 0, "records", 0, "o"),
    "analyze": ("measures", "shop/orders-0", "runs", "lengths"),
    "check": ("scenarios", 0, "failures", 0, "again"),
    "baseline": ("scenarios", "duplicated.yaml", "findings", "duplicate-append", "seeds"),
    "explain": ("proof", "tried", 0, "gone"),
    "diff": ("parting", "a", "t_us"),
    "summary": ("rows", 0, "low"),
    "manifest": ("until", "width"),
    "compare": ("lines", 0, "difference", "note"),
    "columns": ("columns", "seed", "type"),
    "confirm": ("real", 0, "outcome", "log", "t-0", 0, 1),
    "claims": ("claims", 0, "shows", 0, "as_claimed"),
    "scenarios": ("scenarios", 0, "question"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the commands really write, by the name of the output."""
    folder = tmp_path_factory.mktemp("outputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("duplicated.yaml").write_text(DUPLICATED)
        Path("small.yaml").write_text(SMALL)
        Path("three.yaml").write_text(scenario(expect={"lost-acked": "never", "nonmonotonic-poll": "never"}).to_yaml())
        patch.setattr("analysis.confirm.play_real", lambda *_, **__: [as_simulated()])
        patch.setattr("sim.scenario.bundled", lambda: ["ten_records"])
        patch.setattr(claims, "claims", lambda: [{"claim": "x", "verdict": "true if", "if": "y", "shows": [SHOW]}])
        yield _of_runs() | _of_sweeps() | {
            "confirm": _printed("confirm", "three.yaml", "--json"),
            "claims": _printed("claims", "--seeds", "0..0", "--jobs", "1", "--json"),
            "scenarios": _printed("scenarios", "--json"),
        }


def _printed(*words: str) -> Any:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        assert status_of(list(words)) in (0, 1)
    return json.loads(out.getvalue())


def _written(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _of_runs() -> dict[str, Any]:
    plain = load("duplicated.yaml")
    simulate(plain, 0).save(Path("a"))
    simulate(with_overrides(plain, ["enable.idempotence=true"]), 0).save(Path("b"))
    seeds = ("--seeds", "0..1", "--jobs", "1", "--baseline", "baseline.json", "--json")
    _printed("check", "duplicated.yaml", "--set", "enable.idempotence=true", *seeds, "--accept")
    check = _printed("check", "duplicated.yaml", *seeds)
    _printed("check", "duplicated.yaml", *seeds, "--accept")
    return {
        "run": _printed("run", "duplicated.yaml", "--json"),
        "analyze": _printed("analyze", "a", "--json"),
        "check": check,
        "baseline": _written("baseline.json"),
        "explain": _printed("explain", "a", "duplicate-append", "--json"),
        "diff": _printed("diff", "a", "b", "--json"),
    }


def _of_sweeps() -> dict[str, Any]:
    few = ("--seeds", "0..2", "--jobs", "1", "--json")
    sweep("small.yaml", VARY[:1], seeds=range(3), jobs=1, out=Path("swept"), until=Until("late", 0.1))
    return {
        "summary": _printed("sweep", "small.yaml", "--vary", VARY[0], *few),
        "manifest": _written("swept/manifest.json"),
        "compare": _printed("compare", "small.yaml", "--set", "enable.idempotence=true", *few),
        "columns": _printed("schema", "sweep"),
    }  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_written_follows_its_schema_which_names_every_key(told: dict[str, Any], name: str) -> None:
    assert follows(Draft202012Validator(closed(output_schema(name))), told[name]) == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_without_any_of_its_keys_it_does_not(told: dict[str, Any], name: str) -> None:
    for key in output_schema(name)["required"]:
        assert fails(name, {other: x for other, x in told[name].items() if other != key}), key


@pytest.mark.parametrize("name", SCHEMAS)
def test_with_another_type_it_does_not_at_the_top_or_deep_inside(told: dict[str, Any], name: str) -> None:
    for path in [*((key,) for key in told[name]), DEEP[name]]:
        dirty = copy.deepcopy(told[name])
        *way, last = path
        inner = dirty
        for step in way:
            inner = inner[step]
        assert inner[last] is not None or path != DEEP[name]
        inner[last] = WRONG
        assert fails(name, dirty), path


def test_a_key_that_is_not_known_is_no_fault_and_another_version_is_one(told: dict[str, Any]) -> None:
    for name in SCHEMAS:
        assert not fails(name, told[name] | {"of a later korder": 1}), name
        assert fails(name, told[name] | {"format": 2}), name


def test_the_outcome_of_groups_follows_its_schema() -> None:
    side = output_schema("confirm")["properties"]["simulated"]["properties"]["outcome"]
    outcome = outcome_of(simulate(load("application_commit_after"), 0))
    validator = Draft202012Validator(closed(side))

    assert follows(validator, json.loads(json.dumps(outcome))) == []
    assert outcome["processed"] and follows(validator, outcome | {"processed": {"member": {"t-0": [[1]]}}})


# --- the schemas themselves -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_says_whose_and_which_version_it_is(korder: Korder, name: str) -> None:
    said = korder("schema", name)
    schema = json.loads(said.out)

    Draft202012Validator.check_schema(schema)
    assert (said.status, schema) == (0, output_schema(name))
    assert schema["$schema"].endswith("/2020-12/schema") and schema["title"]
    told = schema["properties"]["version" if name == "baseline" else "format"]["const"]
    assert schema["$id"] == f"urn:korder:{name}:{told}" and told == FORMATS.get(name, 1)


def test_every_command_with_json_has_a_schema_and_help_names_all_schemas(korder: Korder) -> None:
    commands = [one.callback for one in app.registered_commands if one.callback is not None]
    printing = [one.__name__ for one in commands if "json" in inspect.signature(one).parameters]
    words = re.findall(r"\w+", korder("schema", "--help").out)

    assert len(printing) >= 10
    assert {"summary" if name == "sweep" else name for name in printing} <= set(SCHEMAS)
    assert set(SCHEMAS) == {*FORMATS, "baseline"} and {*SCHEMAS, "sweep", "scenario"} <= set(words)


@pytest.mark.parametrize(("name", "words"), [("expain", "did you mean explain?"), ("x", "scenario, sweep, run, ")])
def test_a_schema_that_there_is_not_is_one_line_that_says_what_there_is(korder: Korder, name: str, words: str) -> None:
    said = korder("schema", name)

    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert f"there is none of '{name}'" in said.err and words in said.err
