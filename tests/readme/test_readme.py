"""README.md is true: its console blocks print what stands there, its Python blocks run, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.readme.blocks import ROOT, agrees, claims, outcome, prepare, rewritten

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("readme"))


def test_every_claim_of_the_readme_is_what_korder_prints_today(folder: Path) -> None:
    namespace: dict[str, Any] = {}
    for claim in claims(README):
        printed = outcome(claim, folder, namespace)
        if claim.output is not None:
            assert agrees(claim.output, printed), f"README.md:{claim.line}: {claim.source}\nprints today:\n{printed}"


def test_the_readme_claims_something_in_both_languages() -> None:
    assert {claim.language for claim in claims(README)} == {"console", "python"}


def test_every_relative_link_of_the_readme_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README)
    missing = [link for link in links if not link.startswith("http") and not (ROOT / link).exists()]
    assert links and missing == []


def test_an_output_that_differs_is_noticed_and_rewritten() -> None:
    page = "a\n```console\n$ korder x\nold\n$ korder y\nsame\n```\nz\n"

    new = rewritten(page, lambda claim: {"korder x": "new\n", "korder y": "same\n"}[claim.source])

    assert new == "a\n```console\n$ korder x\nnew\n$ korder y\nsame\n```\nz\n"


def test_dots_stand_for_any_lines_and_for_nothing_else() -> None:
    assert agrees("a\n[...]\nd\n", "a\nb\nc\nd\n")
    assert not agrees("a\n[...]\nd\n", "a\nb\nc\n")
    assert not agrees("a\nd\n", "a\nb\nd\n")
