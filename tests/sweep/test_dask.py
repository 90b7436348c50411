"""The same table from a Dask cluster; a scheduler that is not there is one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.sweep import sweep
from sim.errors import InputError
from tests.cli.conftest import started
from tests.sweep.conftest import VARY


def test_a_cluster_gives_the_same_table(small: Path, tmp_path: Path) -> None:
    sweep(small, VARY[1:], seeds=range(4), jobs=1, out=tmp_path / "here")
    asked = ["--vary", VARY[1], "--seeds", "0..3", "--executor", "dask", "--jobs", "1", "--out", tmp_path / "there"]

    process = started("sweep", small, *asked)
    _, err = process.communicate(timeout=120)

    assert process.returncode == 0 and "Traceback" not in err
    for name in ("sweep.parquet", "summary.json"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_a_scheduler_that_is_not_there_is_refused(small: Path) -> None:
    with pytest.raises(InputError, match="no Dask scheduler"):
        sweep(small, seeds=range(1), jobs=1, executor_name="dask", scheduler="tcp://127.0.0.1:1")


def test_an_address_that_is_none_is_refused(small: Path) -> None:
    with pytest.raises(InputError, match="no Dask scheduler"):
        sweep(small, seeds=range(1), jobs=1, executor_name="dask", scheduler="nowhere::")
