"""``korder check``: all expectations over all seeds, the same words whatever the number of processes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from analysis.processes import process_pool
from tests.cli.conftest import Said

Korder = Callable[..., Said]


def test_scenarios_that_hold_are_a_line_each_and_status_0(korder: Korder, quiet: Path) -> None:
    said = korder("check", quiet, "--jobs", "1")

    assert said.status == 0
    assert said.out.splitlines()[0] == f"holds      {quiet}  4 seeds"
    assert said.out.splitlines()[-1] == "1 scenario, 4 runs: 1 holds"


def test_a_broken_one_names_the_seed_its_witness_and_the_line_that_replays_it(
    korder: Korder, quiet: Path, duplicated: Path
) -> None:
    said = korder("check", quiet.parent, "--seeds", "2..5", "--jobs", "1")

    assert said.status == 1
    assert "duplicate-append is expected never: seen in 4 of 4 seeds (first: 2)" in said.out
    assert "shop/2 stands at orders-0 at" in said.out
    replay = next(line.partition("again: ")[2] for line in said.out.splitlines() if "again: " in line)
    again = korder(*shlex.split(replay)[1:])
    assert again.status == 1 and "duplicate-append: shop/2 stands at" in again.out


def test_the_processes_end_by_themselves_and_not_by_force(
    korder: Korder, quiet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool that is left by an exception has its workers killed, and Python may then complain at its own end."""
    left_by: list[type[BaseException] | None] = []

    @contextmanager
    def watched(jobs: int) -> Iterator[ProcessPoolExecutor]:
        with process_pool(jobs) as pool:
            try:
                yield pool
            except BaseException as error:
                left_by.append(type(error))
                raise
            left_by.append(None)

    monkeypatch.setattr("analysis.cli.pool.process_pool", watched)

    assert korder("check", quiet, "--seeds", "0..15", "--jobs", "2").status == 0
    assert left_by == [None]


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_number_of_processes_changes_no_byte_of_the_result(
    korder: Korder, quiet: Path, duplicated: Path, more: tuple[str, ...]
) -> None:
    one, two = (korder("check", quiet.parent, "--seeds", "0..8", "--jobs", jobs, *more) for jobs in ("1", "2"))

    assert one.out == two.out and one.status == two.status == 1


def test_json_has_every_scenario_with_its_expectations(korder: Korder, quiet: Path, duplicated: Path) -> None:
    told = json.loads(korder("check", duplicated, quiet, "--json", "--jobs", "1").out)

    assert told["verdict"] == "broken"
    assert [(one["verdict"], one["runs"]) for one in told["scenarios"]] == [("broken", 4), ("holds", 4)]
    broken = told["scenarios"][0]
    assert broken["expectations"]["duplicate-append"]["seeds"] == [0, 1, 2, 3]
    assert [one["name"] for one in broken["failures"]] == ["duplicate-append"]


def test_a_sometimes_that_is_never_seen_fails(korder: Korder, quiet: Path) -> None:
    quiet.write_text(quiet.read_text().replace("lost-acked: never", "lost-acked: sometimes"))

    said = korder("check", quiet, "--jobs", "1")

    assert said.status == 1 and "never seen in 4 seeds" in said.out
    assert f"again: korder check {quiet}" in said.out


def test_a_run_that_does_not_settle_is_undecided_unless_allowed(korder: Korder, quiet: Path) -> None:
    stuck = quiet.read_text().replace("settle: 2s", "settle: 0s").replace("run: 1s", "run: 993ms")
    quiet.write_text(stuck)

    said = korder("check", quiet, "--jobs", "1")

    assert said.status == 1 and said.out.startswith("undecided  ")
    assert korder("check", quiet, "--jobs", "1", "--allow-undecided").status == 0


def test_a_wrong_file_among_many_stops_everything_before_the_first_run(korder: Korder, quiet: Path) -> None:
    (quiet.parent / "zzz.yaml").write_text("titel: x\n")

    said = korder("check", quiet.parent, "--jobs", "1")

    assert said.status == 2 and said.out == "" and "zzz.yaml:1" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "5..2"], "2..5"),
        (["--seeds", "all"], "A..B"),
        (["--jobs", "0"], "--jobs"),
        (["--set", "acks"], "KEY=VALUE"),
    ],
)
def test_a_wrong_argument_is_one_line(korder: Korder, quiet: Path, arguments: list[str], words: str) -> None:
    said = korder("check", quiet, *arguments)

    assert said.status == 2 and said.out == "" and said.err.count("\n") == 1 and words in said.err


def test_no_path_at_all_is_refused(korder: Korder) -> None:
    assert korder("check").status == 2


def test_an_override_holds_for_every_scenario_and_stands_in_the_replay(korder: Korder, duplicated: Path) -> None:
    healed = korder("check", duplicated, "--set", "enable.idempotence=true", "--jobs", "1")
    broken = korder("check", duplicated, "--set", "linger.ms=1", "--jobs", "1")

    assert healed.status == 0
    assert "--set linger.ms=1" in broken.out


def test_a_broken_law_stops_the_check_with_file_and_seed(
    korder: Korder, quiet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.errors import LawBroken

    def broken(_scenario: object, seed: int, **_options: object) -> None:
        raise LawBroken("INV-4", "9 is above 1", f"seed {seed}, event 3, 1.0 s. Again: korder run FILE --seed {seed}")

    monkeypatch.setattr("sim.run.simulate", broken)

    said = korder("check", quiet, "--seeds", "3..4", "--jobs", "1")

    assert said.status == 3
    assert f"Again: korder run {quiet} --seed 3 --check-laws" in said.err
