"""Interrupted at any moment, a sweep goes on, does nothing twice, and ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from analysis.sweep import run, sweep
from analysis.sweep.looks import Until
from sim.errors import InputError
from tests.cli.conftest import started
from tests.sweep.conftest import VARY

KILLS = int(os.environ.get("KORDER_KILLS", "3"))  # the longer form: KORDER_KILLS=20
FILES = ("sweep.parquet", "summary.json", "manifest.json")
ASKED = ("--seeds", "0..5", "--jobs", "2", *(word for one in VARY for word in ("--vary", one)))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def whole(small: Path, tmp_path: Path) -> Path:
    """The sweep that nobody interrupts."""
    sweep(small, VARY, seeds=range(6), jobs=1, out=tmp_path / "whole")
    return tmp_path / "whole"


def test_a_sweep_killed_at_random_moments_ends_with_the_same_bytes(small: Path, whole: Path, tmp_path: Path) -> None:
    drawn, met = random.Random(7), set()
    for number in range(KILLS):
        out = tmp_path / f"killed-{number}"
        process = started("sweep", small, *ASKED, "--out", out, start_new_session=True)
        kept = _kill_when(process, out, parts=drawn.randrange(1, 24), later=drawn.random() / 10)
        met.add(kept)

        done: list[int] = []
        sweep(small, VARY, seeds=range(6), jobs=1, out=out, progress=lambda now, _, done=done: done.append(now))

        assert done[:1] == [kept] or kept == 24  # goes on with what was there
        assert [(out / name).read_bytes() for name in FILES] == [(whole / name).read_bytes() for name in FILES]
        assert files(out) == sorted(FILES)
    assert met - {24}  # at least once in the middle


def _kill_when(process: subprocess.Popen[str], out: Path, parts: int, later: float) -> int:
    """SIGKILL when so many parts are there and a little more; how many there are then."""
    _wait_for(process, out, parts)
    if not _ended(process, later):
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)  # the pipes close when the workers are gone too: they follow their parent
    return len(list((out / "parts").glob("[0-9]*"))) if (out / "parts").exists() else 24


def _wait_for(process: subprocess.Popen[str], out: Path, parts: int) -> None:
    while not _ended(process, 0.01) and len(list((out / "parts").glob("[0-9]*"))) < parts:
        pass


def _ended(process: subprocess.Popen[str], within_s: float) -> bool:
    try:
        process.wait(timeout=within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_an_interrupt_says_that_the_same_command_goes_on(small: Path, tmp_path: Path) -> None:
    process = started("sweep", small, *ASKED, "--out", tmp_path / "out", start_new_session=True)
    _wait_for(process, tmp_path / "out", 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130 and out == "" and "Traceback" not in err
    assert f"{tmp_path / 'out'} keeps what was finished; the same command goes on there" in err


def test_what_is_finished_is_not_run_again(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_run, ran = run._one_run, []

    def counted(scenario: object, seed: int, cell: int, *more: object) -> object:
        ran.append((cell, seed))
        if len(ran) == 9:
            raise KeyboardInterrupt
        return true_run(scenario, seed, cell, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "_one_run", counted)
    with pytest.raises(KeyboardInterrupt):
        sweep(small, VARY, seeds=range(6), jobs=1, out=tmp_path / "out")
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 8
    sweep(small, VARY, seeds=range(6), jobs=1, out=tmp_path / "out")

    assert len(ran) == 25 and len(set(ran)) == 24  # one was under way


def test_a_finished_sweep_is_told_again_and_not_run(small: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [(whole / name).read_bytes() for name in FILES]
    monkeypatch.setattr(run, "_one_run", lambda *_: pytest.fail("ran again"))

    found = sweep(small, VARY, seeds=range(6), jobs=1, out=whole)

    assert found.table.num_rows == 24 and [(whole / name).read_bytes() for name in FILES] == before


def test_a_part_that_a_power_cut_left_empty_is_made_again(small: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "parts").mkdir(parents=True)
    (out / "manifest.json").write_bytes((whole / "manifest.json").read_bytes())
    for name, text in (("00000-0000000-1.json", ""), ("00001-0000000-1.json", "[{}]"), (".x-12", "torn")):
        (out / "parts" / name).write_text(text)

    sweep(small, VARY, seeds=range(6), jobs=1, out=out)

    assert (out / "sweep.parquet").read_bytes() == (whole / "sweep.parquet").read_bytes()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"vary": VARY[:1]}, "vary"),
        ({"seeds": range(7)}, 'seeds "0..5", not "0..6"'),
        ({"warm_up_us": 500_000}, "warm_up_us 0, not 500000"),
        ({"overrides": ["linger.ms=5"]}, "another scenario"),
    ],
)
def test_another_sweep_is_not_resumed(small: Path, whole: Path, more: dict[str, object], words: str) -> None:
    before = (whole / "manifest.json").read_bytes()

    with pytest.raises(InputError, match="holds another sweep") as caught:
        sweep(small, **{"vary": VARY, "seeds": range(6), "jobs": 1, "out": whole, **more})  # type: ignore[arg-type]

    assert words in str(caught.value) and caught.value.way_out
    assert (whole / "manifest.json").read_bytes() == before


def test_other_words_about_the_same_scenario_are_the_same_sweep(small: Path, whole: Path) -> None:
    before = (whole / "sweep.parquet").read_bytes()
    small.write_text(small.read_text().replace("title: Lost answers at random", "answer: It depends."))

    sweep(small, VARY, seeds=range(6), jobs=1, out=whole)

    assert (whole / "sweep.parquet").read_bytes() == before


def test_a_folder_with_other_things_is_left_alone(small: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")

    with pytest.raises(InputError, match="holds no sweep"):
        sweep(small, VARY, seeds=range(6), jobs=1, out=tmp_path / "out")
    assert files(tmp_path / "out") == ["thesis.tex"]


@pytest.mark.parametrize("text", ["not json", "[]", json.dumps({"format": 99})])
def test_a_manifest_of_something_else_is_refused(small: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(text)

    with pytest.raises(InputError, match="is not the manifest of a sweep"):
        sweep(small, VARY, seeds=range(6), jobs=1, out=tmp_path / "out")


def test_a_full_disk_is_one_line_and_loses_no_finished_run(small: Path, whole: Path, tmp_path: Path) -> None:
    """Files of up to 4,000 bytes: the manifest and each part fit, the table does not."""
    out = tmp_path / "out"
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))}

    process = started("sweep", small, *ASKED, "--out", out, **limit)
    said, err = process.communicate(timeout=120)

    assert process.returncode == 2 and said == "" and "Traceback" not in err
    assert "cannot write" in err.splitlines()[-1] and "goes on where this one stopped" in err.splitlines()[-1]
    assert files(out) == ["manifest.json", "parts"] and len(files(out / "parts")) == 24
    sweep(small, VARY, seeds=range(6), jobs=1, out=out)
    assert (out / "sweep.parquet").read_bytes() == (whole / "sweep.parquet").read_bytes()


def test_a_place_that_cannot_be_written_is_refused_before_the_first_run(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    process = started("sweep", small, *ASKED, "--out", tmp_path / "file" / "out")
    said, err = process.communicate(timeout=60)

    assert process.returncode == 2 and said == "" and err.count("\n") == 1 and "is not a folder" in err


def test_a_sweep_that_adds_seeds_resumes_between_its_looks(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The looks are a function of what was seen, so what was killed after one of them goes on to the same next one."""
    true_run, row = run._one_run, dict[str, object]()

    def quick(scenario: object, seed: int, cell: int, *more: object) -> object:
        row.update(row or true_run(scenario, seed, cell, *more))  # type: ignore[arg-type, call-overload]
        return {**row, "seed": seed, "cell": cell, "late": seed % 2, "counted": 100}

    def stopped(scenario: object, seed: int, cell: int, *more: object) -> object:
        if seed == 70:
            raise KeyboardInterrupt
        return quick(scenario, seed, cell, *more)

    asked = {"seeds": range(1000), "jobs": 1, "block": 5, "until": Until("late", 0.0022)}
    monkeypatch.setattr(run, "_one_run", quick)
    whole = sweep(small, out=tmp_path / "whole", **asked)  # type: ignore[arg-type]
    monkeypatch.setattr(run, "_one_run", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweep(small, out=tmp_path / "out", **asked)  # type: ignore[arg-type]
    monkeypatch.setattr(run, "_one_run", quick)
    sweep(small, out=tmp_path / "out", **asked)  # type: ignore[arg-type]

    assert whole.table.num_rows == 100  # 2 * 1.98 * 0.005 / sqrt(n - 1): 0.0028 with 50 seeds, 0.0020 with 100
    assert [(tmp_path / "out" / name).read_bytes() for name in FILES] == [
        (tmp_path / "whole" / name).read_bytes() for name in FILES
    ]
