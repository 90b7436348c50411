"""A scenario, a grid and seeds in; a table with a row a run out.

Every cell runs with the same seeds, and what happens to it comes from named streams of the seed alone, so that all
cells of one seed meet the same failures and latencies: comparisons are paired. Work is cut into blocks of about a
second, each the task of one executor; only so many are under way that nobody waits, so the memory of the parent does
not grow with the number of runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from analysis.cli.replay import command_of, law_broken_in
from analysis.finding import CLASSES
from analysis.formats import formatted
from analysis.processes import default_jobs
from analysis.sweep.executors import executor
from analysis.sweep.grid import Axis, Cell, cells_of, grid_of
from analysis.sweep.looks import Until, looks_of, narrow_enough
from analysis.sweep.measure import SCHEMA_VERSION, row_of
from analysis.sweep.store import Block, Store, read_table
from analysis.sweep.summary import Summary, summary_of
from sim.errors import InputError, LawBroken
from sim.scenario import Scenario, compile_plan, load, with_overrides
from sim.scenario.load import from_text
from sim.scenario.resolved import digest_part
from sim.trace import canonical

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["Sweep", "Work", "side_by_side", "sweep"]

SECONDS_A_BLOCK, MOST_SEEDS_A_BLOCK = 1.0, 64
FEW_RUNS = 64  # so few are not worth a trial
AHEAD = 2  # blocks handed out for each that is under way

Progress = Callable[[int, int], object]  # runs done, runs in all as far as is known


@dataclass
class Sweep:
    """``table`` (Arrow) and ``frame`` (pandas), a row a run; ``summary``, a row a cell and measure; the ``cells``."""

    path: Path
    summary: Summary
    cells: list[Cell]

    @cached_property
    def table(self) -> pa.Table:
        return read_table(self.path)

    @property
    def frame(self) -> pd.DataFrame:
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    @cached_property
    def counts_frame(self) -> pd.DataFrame:
        """What figures need: the frame without digests and without the counts of findings, a third of its memory."""
        left_out = {"digest", *CLASSES}
        table = self.table if "table" in vars(self) else read_table(self.path, left_out)
        table = table.drop_columns([name for name in left_out if name in table.column_names])
        # column by column, each let go of once it is copied: not twice the table at a time
        frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct="table" not in vars(self))
        return frame

    def _repr_html_(self) -> str:
        html: str = self.summary.frame.to_html(index=False)
        return html


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs, wherever it is: the scenario as text, not as a file."""

    scenario: str
    settings: tuple[str, ...]
    block: Block
    warm_up_us: int
    check_laws: bool
    korder: str
    file: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    """All that stays the same over the whole sweep."""

    scenario: Scenario
    axes: Sequence[Axis]
    cells: Sequence[tuple[Cell, Scenario]]
    seeds: Sequence[int]
    warm_up_us: int = 0
    until: Until | None = None
    check_laws: bool = False
    file: str = ""
    given: tuple[str, ...] = ()  # settings of the whole sweep, for lines that replay a run

    def header(self) -> dict[str, Any]:
        """What the table and the manifest say of the sweep: enough to repeat it, and nothing of how it was run."""
        seeds = self.seeds
        told = {
            "schema": SCHEMA_VERSION,
            "korder": _korder(),
            "title": self.scenario.title,
            "scenario": sha256(canonical(digest_part(compile_plan(self.scenario).resolved)).encode()).hexdigest(),
            "vary": {axis.key: list(axis.values) for axis in self.axes},
            "seeds": f"{seeds[0]}..{seeds[-1]}" if isinstance(seeds, range) else list(seeds),
            "warm_up_us": self.warm_up_us,
            "until": None if self.until is None else {"measure": self.until.measure, "width": self.until.width},
            "source": self.scenario.to_yaml(),
        }  # fmt: skip
        return formatted("manifest", told)


def sweep(
    scenario: Scenario | str | Path, vary: Iterable[str] = (), *, seeds: Sequence[int] | None = None,
    out: Path | None = None, jobs: int | None = None, executor_name: str = "process", scheduler: str | None = None,
    warm_up_us: int = 0, until: Until | None = None, check_laws: bool = False, overrides: Iterable[str] = (),
    block: int | None = None, progress: Progress = lambda done, total: None,
) -> Sweep:  # fmt: skip
    """Run every cell of the grid with every seed.

    *vary*: ``KEY=VALUES`` each (see :mod:`analysis.sweep.grid`). *seeds*: default the scenario's own; with *until* as
    many of them as it takes. *out*: keep the table there, and go on there after an interrupt. *block*: seeds a task
    (default: about a second's work). Raises InputError for wrong input, LawBroken where the simulator itself is wrong.
    """
    given, base = tuple(overrides), scenario if isinstance(scenario, Scenario) else load(scenario)
    base = with_overrides(base, given)
    axes = grid_of(vary)
    job = _Job(
        base, axes, cells_of(base, axes), base.seeds if seeds is None else seeds, warm_up_us, until, check_laws,
        base._origin.name, given,
    )  # fmt: skip
    _check_warm_up(job)
    if out is not None:
        return _kept(job, Store(out), jobs, executor_name, scheduler, block, progress)
    return _forgotten(job, jobs, executor_name, scheduler, block, progress)


def _forgotten(
    job: _Job, jobs: int | None, executor_name: str, scheduler: str | None, block: int | None, progress: Progress
) -> Sweep:
    with TemporaryDirectory(prefix="korder-") as folder:
        found = _kept(job, Store(Path(folder)), jobs, executor_name, scheduler, block, progress)
        assert found.table is not None  # read while the file is there
        return found


def side_by_side(
    scenario: Scenario, sides: Sequence[tuple[Cell, Scenario]], seeds: Sequence[int], warm_up_us: int,
    jobs: int | None, progress: Progress,
) -> Sweep:  # fmt: skip
    """A sweep over any cells, such as the two sides of a comparison; nothing of it is kept."""
    job = _Job(scenario, (), sides, seeds, warm_up_us, file=scenario._origin.name)
    _check_warm_up(job)
    return _forgotten(job, jobs, "process", None, None, progress)


def _check_warm_up(job: _Job) -> None:
    for _, scenario in job.cells:
        if job.warm_up_us >= compile_plan(scenario).run_us:
            raise InputError("--warm-up", "leaves nothing of the run", "cut less, or let the scenario run longer")


def _kept(
    job: _Job, store: Store, jobs: int | None, name: str, scheduler: str | None, block: int | None, progress: Progress,
) -> Sweep:  # fmt: skip
    width = jobs or default_jobs()
    manifest = store.open(job.header(), lambda: block or _block_size(job))
    header = {key: value for key, value in manifest.items() if key != "block"}
    if not store.is_finished():
        blocks = _run_all(job, store, int(manifest["block"]), width, name, scheduler, progress)
        store.finish(blocks, job.axes, header)
    summary = summary_of(store.table)
    store.tidy_up(summary.to_json())
    return Sweep(store.table, summary, [cell for cell, _ in job.cells])


def _run_all(
    job: _Job, store: Store, size: int, width: int, name: str, scheduler: str | None, progress: Progress,
) -> list[Block]:  # fmt: skip
    """Look by look, as far as it takes; all blocks of the sweep."""
    blocks: list[Block] = []
    with _pool(name, width, scheduler) as pool:
        for begin, end in looks_of(len(job.seeds), job.until):
            new = list(_blocks(job, begin, end, size))
            missing = [one for one in new if not store.has(one)]
            blocks += new
            done, total = _runs(blocks) - _runs(missing), _runs(blocks)
            progress(done, total)
            for finished, rows in _results(missing, job, pool, width):
                store.keep(finished, rows)
                done += len(finished.seeds)
                progress(done, total)
            if job.until is not None and narrow_enough(job.until, (row for one in blocks for row in store.rows(one))):
                break
    return blocks


def _pool(name: str, width: int, scheduler: str | None) -> Any:
    from contextlib import nullcontext

    return nullcontext() if (name, width) == ("process", 1) and scheduler is None else executor(name, width, scheduler)


def _blocks(job: _Job, begin: int, end: int, size: int) -> Iterator[Block]:
    """Of the seeds at positions *begin* to *end*: all cells of a few seeds, then of the next few."""
    for first in range(begin, end, size):
        seeds = tuple(job.seeds[first : min(first + size, end)])
        yield from (Block(cell.number, first, seeds) for cell, _ in job.cells)


def _runs(blocks: Iterable[Block]) -> int:
    return sum(len(block.seeds) for block in blocks)


def _results(
    blocks: Iterable[Block], job: _Job, pool: Executor | None, width: int
) -> Iterator[tuple[Block, list[dict[str, Any]]]]:
    """As they end, whichever first."""
    text, korder = job.scenario.to_yaml(), _korder()
    coming = (
        Work(text, job.cells[one.cell][0].settings, one, job.warm_up_us, job.check_laws, korder, job.file, job.given)
        for one in blocks
    )
    if pool is None:
        yield from ((work.block, run_block(work)) for work in coming)
        return
    waiting: dict[Future[list[dict[str, Any]]], Block] = {}
    while True:
        for work in islice(coming, AHEAD * width - len(waiting)):
            waiting[pool.submit(run_block, work)] = work.block
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            yield waiting.pop(future), future.result()


def _block_size(job: _Job) -> int:
    """So many seeds that a task takes about a second: handing it over then costs far less than 5 % of it."""
    runs = len(job.seeds) * len(job.cells)
    if runs <= FEW_RUNS:
        return 1
    begun = time.perf_counter()
    _one_run(job.cells[0][1], job.seeds[0], 0, job.warm_up_us, job.check_laws)
    seconds = max(time.perf_counter() - begun, 1e-3)
    return max(1, min(MOST_SEEDS_A_BLOCK, round(SECONDS_A_BLOCK / seconds), len(job.seeds)))


# --- in a worker ------------------------------------------------------------------------------------------------------
def run_block(work: Work) -> list[dict[str, Any]]:
    """A row for every seed of the block."""
    if work.korder != _korder():
        rule = f"a worker has korder {_korder()}, not {work.korder}"
        raise InputError("--executor", rule, "install the same version everywhere")
    scenario = _scenario(work.scenario, work.settings, work.file)
    rows = []
    for seed in work.block.seeds:
        settings = (*work.overrides, *work.settings)
        try:
            rows.append(_one_run(scenario, seed, work.block.cell, work.warm_up_us, work.check_laws))
        except LawBroken as broken:
            raise law_broken_in(broken, work.file, seed, settings) from broken
        except Exception as error:
            error.add_note(f"in {command_of(work.file, seed, settings)}")
            raise
    return rows


def _one_run(scenario: Scenario, seed: int, cell: int, warm_up_us: int, check_laws: bool) -> dict[str, Any]:
    from sim.run import simulate

    return row_of(simulate(scenario, seed, check_laws=check_laws), cell, warm_up_us)


@lru_cache(maxsize=64)
def _scenario(text: str, settings: tuple[str, ...], name: str) -> Scenario:
    return with_overrides(from_text(text, name), settings)


def _korder() -> str:
    try:
        return version("korder")
    except PackageNotFoundError:
        return "unknown"
