"""``korder schema``, ``new`` and ``scenarios``: what a writer of scenario files needs."""

from __future__ import annotations

import sys
from pathlib import Path

from analysis.cli.console import print_json, results
from analysis.cli.files import must_be_writable, write_text
from analysis.formats import formatted
from sim.errors import InputError
from sim.wording import did_you_mean, listed, shown

__all__ = ["list_scenarios", "print_schema", "write_template"]


def print_schema(what: str) -> int:
    if what == "scenario":
        from sim.scenario import schema_text

        sys.stdout.write(schema_text())
    elif what == "sweep":
        from analysis.sweep.measure import COLUMNS, SCHEMA_VERSION

        columns = {
            name: {"type": one.kind, "means": one.words, "null": one.null or None} for name, one in COLUMNS.items()
        }  # fmt: skip
        told = {"table": "sweep.parquet", "schema": SCHEMA_VERSION, "varied keys": "a column each, behind cell"}
        print_json(formatted("columns", told | {"columns": columns}))
    else:
        from analysis.schemas import SCHEMAS, output_schema

        if what not in SCHEMAS:
            known = ("scenario", "sweep", *SCHEMAS)
            guess = did_you_mean(what, known) or f"write one of {listed(known, most=len(known))}"
            raise InputError("schema", f"there is none of {shown(what)}", guess)
        print_json(output_schema(what))
    return 0


def write_template(file: Path | None) -> int:
    from sim.scenario import template

    if file is None:
        sys.stdout.write(template())
        return 0
    if file.exists() or file.is_symlink():
        raise InputError(str(file), "exists already", "choose a name that is free, or remove it first")
    must_be_writable(file.parent)
    write_text(file, template())
    print(f"wrote {file}; run it: korder run {file}")
    return 0


def list_scenarios(as_json: bool) -> int:
    from sim.scenario import bundled, load

    found = {name: load(name) for name in bundled()}
    if as_json:
        told = [
            {"name": name, "title": one.title, "question": " ".join(one.question.split())}
            for name, one in found.items()
        ]
        print_json(formatted("scenarios", {"scenarios": told}))
        return 0
    console = results()
    for name, one in found.items():
        console.print(name, style="bold")
        console.print(f"  {one.title}", soft_wrap=True)
    console.print()
    console.print("korder run NAME runs one of them", style="dim")
    return 0
