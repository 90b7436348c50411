"""Arguments made into values: seeds, files, expectations. Each refusal is one line with a way out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sim import units
from sim.errors import InputError
from sim.scenario import bundled
from sim.scenario.finding_names import FINDING_NAMES
from sim.wording import Wrong, did_you_mean, listed, shown

__all__ = ["duration_of", "expectations_of", "scenario_files", "seed_of", "seeds_of"]

SUFFIXES = (".yaml", ".yml")
LARGEST_SEED = 2**63 - 1


def seed_of(seed: int) -> int:
    if seed > LARGEST_SEED:
        raise InputError("--seed", f"{seed} is larger than the largest seed", f"use seeds up to {LARGEST_SEED}")
    return seed


def seeds_of(text: str) -> range:
    """``A..B``, both ends included, or one seed."""
    match = re.fullmatch(r"\s*(\d{1,19})\s*(?:\.\.\s*(\d{1,19})\s*)?", text, re.ASCII)
    if match is None:
        raise InputError("--seeds", f"{text!r} is not a range of seeds", "write A..B, for example 0..199")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise InputError("--seeds", f"{text!r} ends before it begins", f"did you mean {last}..{first}?")
    if last > LARGEST_SEED:
        raise InputError("--seeds", f"{last} is larger than the largest seed", f"use seeds up to {LARGEST_SEED}")
    return range(first, last + 1)


def duration_of(option: str, text: str) -> int:
    """A duration with its unit, in microseconds."""
    try:
        return units.duration_us(text)
    except Wrong as error:
        raise InputError(option, error.rule, error.way_out) from None


def scenario_files(paths: list[str]) -> list[str]:
    """Every scenario that *paths* name, each once: files and bundled names as they are, folders by what is in them."""
    files: list[str] = []
    for path in paths:
        folder = Path(path)
        hides = path in bundled() and not any(one.suffix in SUFFIXES for one in folder.rglob("*"))  # as run --out makes
        files += _inside(folder) if folder.is_dir() and not hides else [path]
    return list(dict.fromkeys(files))


def _inside(folder: Path) -> list[str]:
    """The folder's scenario files, at any depth, in order of their names; what begins with a dot is left out."""
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise InputError(str(folder), "no scenario file (*.yaml) in this folder", "name a folder of them or a file")
    return [str(path) for path in sorted(found)]


def expectations_of(texts: list[str]) -> dict[str, Any]:
    """``NAME=never``, ``NAME={max: 3}`` ... as a mapping; what may be expected is the verdict's business."""
    expected: dict[str, Any] = {}
    for text in texts:
        name, equals, wanted = (part.strip() for part in text.partition("="))
        if not (name and equals and wanted):
            raise InputError("--expect", f"{text!r} is not NAME=EXPECTATION", "for example --expect lost-acked=never")
        if name not in FINDING_NAMES:
            guess = did_you_mean(name, FINDING_NAMES) or f"known: {listed(FINDING_NAMES, 60)}"
            raise InputError("--expect", f"{shown(name)} is not the name of a finding", guess)
        if name in expected:
            raise InputError("--expect", f"{name} is given twice", "give it once")
        expected[name] = _value(wanted) if wanted.startswith("{") else wanted
    return expected


def _value(text: str) -> Any:
    """As it would be read in a scenario file; what is no YAML stays what it is, and is refused as such."""
    try:
        return YAML(typ="safe").load(text)
    except YAMLError:
        return text
