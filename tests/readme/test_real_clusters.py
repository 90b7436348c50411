"""The page on real clusters: its commands print what stands there, and its program wraps clients as it says."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.jsonl.read import read_jsonl
from tests.analysis.test_recorder import FakeConsumer, FakeProducer, Message
from tests.readme.blocks import ROOT, agrees, claims, outcome

PATH = ROOT / "analysis" / "REAL_CLUSTERS.md"
PAGE = PATH.read_text(encoding="utf-8")
FILES = ROOT / "tests" / "analysis" / "dumps" / "shop"


def test_its_commands_print_what_stands_there(tmp_path: Path) -> None:
    for file in FILES.iterdir():
        shutil.copy(file, tmp_path)
    commands = [claim for claim in claims(PAGE) if claim.language == "console"]
    for claim in commands:
        printed = outcome(claim, tmp_path, {})
        assert claim.output is not None
        assert agrees(claim.output, printed), f"{PATH.name}:{claim.line}: {claim.source}\nprints today:\n{printed}"

    assert len(commands) == 3
    assert (tmp_path / "verdict.xml").exists()


def test_its_program_records_what_its_clients_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs: list[dict[str, Any]] = []
    fakes = SimpleNamespace(
        Producer=lambda config: configs.append(config) or FakeProducer(),
        Consumer=lambda config: configs.append(config) or FakeConsumer(),
    )
    monkeypatch.setitem(sys.modules, "confluent_kafka", fakes)  # type: ignore[arg-type]
    program = next(claim for claim in claims(PAGE) if claim.language == "python")
    made: dict[str, Any] = {}
    outcome(program, tmp_path, made)

    made["producer"].produce("orders", b"order-8")
    made["consumer"]._client.waiting = [Message("orders", 0, 3, value_=b"order-8")]
    made["consumer"].poll(1)
    configs[1]["on_commit"](None, [SimpleNamespace(topic="orders", partition=0, offset=4)])
    made["recorder"].close()

    history = read_jsonl(tmp_path / "orders.jsonl")
    assert (history.values, len(history.polls), history.commits.offset.tolist()) == (["order-8"], 1, [4])


def test_the_readme_leads_to_it_and_its_own_links_lead_somewhere() -> None:
    assert "(analysis/REAL_CLUSTERS.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert [link for link in re.findall(r"\]\(([^)#]+)\)", PAGE) if not (PATH.parent / link).exists()] == []
