"""Whatever a run or a history holds, every case of every finding has a story that can be shown, and a legal answer."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from analysis import judge
from analysis.amounts import amounts
from analysis.explaining import Explanation, explain
from analysis.explaining.mechanisms import MECHANISMS, NOT_EXPLAINED
from analysis.explaining.sequence import diagram_of, diagram_text
from analysis.explaining.story import MOST_LINES
from analysis.explaining.svg import diagram_svg
from analysis.jsonl.read import read_jsonl
from analysis.verdict import Verdict
from sim import simulate
from sim.errors import InputError
from sim.scenario import from_dict
from tests.analysis.chaos import Chaos
from tests.properties.schedules import Schedule, scenario_of, schedules

MOST_CASES = 6  # of one finding in one run


def explained(verdict: Verdict) -> list[Explanation]:
    found = [
        explain(verdict, name, case, proof=False)
        for name, finding in verdict.findings.items()
        for case in range(min(len(finding.witnesses), MOST_CASES))
    ]
    for one in found:
        times = [line.t for line in one.story]
        assert times == sorted(times) and len(one.story) <= MOST_LINES + 1
        assert one.mechanism in MECHANISMS or (one.mechanism == NOT_EXPLAINED and one.because)
        diagram = diagram_of(one.story, one.time_unit)
        assert len(diagram_text(diagram)) == len(diagram.rows) + 1 and diagram_svg(diagram).endswith("</svg>\n")
        json.dumps(one.to_json(), allow_nan=False)
    return found


def test_every_finding_of_random_schedules_has_a_mechanism() -> None:
    """Kills, pauses, cuts, slow disks, delayed answers against a producer without idempotence."""
    met: set[str] = set()

    @seed(5)
    @settings(
        deadline=None, database=None, max_examples=25, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(schedules())
    def look(schedule: Schedule) -> None:
        scenario = from_dict(scenario_of(schedule, idempotence=False))
        told = explained(judge(simulate(scenario, seed=schedule["seed"])))
        assert [one.because for one in told if one.mechanism == NOT_EXPLAINED] == []
        met.update(one.mechanism for one in told)

    look()
    assert met >= {"retry after a refused batch", "retry after a lost response", "request timed out and retried"}


def test_histories_in_which_everything_is_wrong_are_told_and_not_explained_wrongly(tmp_path: Path) -> None:
    """They have neither transmissions nor configuration, so that of the logs nothing but the elections can be told."""
    header = {"format": "korder-history", "version": 1, "time_unit": "us", "drain": True, "consumers": {}}
    path = tmp_path / "history.jsonl"
    for number in range(25):
        lines = [header, *Chaos(number).history(80)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        for one in explained(judge(read_jsonl(path))):
            if one.finding in ("append-reorder", "duplicate-append", "lost-acked", "committed-truncation"):
                assert one.mechanism == NOT_EXPLAINED, (number, one.finding)


# --- how much ---------------------------------------------------------------------------------------------------------
def test_the_picture_of_how_much_shows_what_the_measures_say() -> None:
    """anomalies.md, example A: 1 2 3 5 6 4 7 has one late record of extent 2 that is 2-reordered."""
    from analysis.measures import reordering

    figure = amounts({"P/o-0": reordering([1, 2, 3, 5, 6, 4, 7], sent=(1, 7))})
    extent, degrees = figure.axes
    heads = extent.lines[0]

    assert (np.asarray(heads.get_xdata()).tolist(), np.asarray(heads.get_ydata()).tolist()) == ([4], [2])
    steps = degrees.lines[0]
    assert (np.asarray(steps.get_xdata()).tolist(), np.asarray(steps.get_ydata()).tolist()) == ([1, 2, 3], [1, 1, 0])
    plt.close(figure)
    with pytest.raises(InputError, match="is not in this history"):
        amounts({}, "P/o-0")
