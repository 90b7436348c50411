"""What a fresh machine gets: pins for every dependency, one version, scenarios inside the package."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version

from sim.scenario import bundled, bundled_folder
from tests.cli.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = (ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8").splitlines()


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match[0].lower().replace("_", "-")


def test_every_dependency_has_a_pin_and_every_pin_is_exact() -> None:
    pins = {_name(line) for line in PINS if line and not line.startswith("#")}
    extras = PROJECT["project"]["optional-dependencies"].values()
    asked = {_name(one) for some in (PROJECT["project"]["dependencies"], *extras) for one in some}

    assert asked <= pins
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._]+", line) for line in PINS if not line.startswith("#"))


def test_the_installed_packages_are_the_pinned_ones() -> None:
    pinned = dict(line.split("==") for line in PINS if "==" in line)

    asked = [_name(one) for one in PROJECT["project"]["dependencies"]]

    assert {name: version(name) for name in asked} == {
        name: next(pin for other, pin in pinned.items() if _name(other) == name) for name in asked
    }


def test_the_folder_of_scenarios_is_what_goes_into_the_package() -> None:
    folders = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert folders == {"scenarios": "sim/_scenarios"}
    assert bundled_folder() == ROOT / "scenarios" and len(bundled()) > 20
    assert (bundled_folder() / "LIMITS.md").is_file()


def test_the_readme_names_every_command_and_every_make_target() -> None:
    from analysis.cli.app import app

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [command.callback.__name__ for command in app.registered_commands if command.callback]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert len(commands) >= 6 and all(f"`korder {name}" in readme for name in commands)
    assert {"demo", "test", "bench", "conformance"} <= set(targets)
    assert all(f"make {target}" in readme for target in ("demo", "test", "bench", "conformance"))


def test_the_changelog_says_of_every_entry_whether_results_change() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    entries = re.split(r"^- ", changelog, flags=re.MULTILINE)[1:]

    assert entries and all("Results change:" in " ".join(entry.split()) for entry in entries)
