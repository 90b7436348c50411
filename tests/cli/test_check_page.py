"""The page of a check: verdicts, what broke with its story and picture, and the line that makes the page again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Said

Korder = Callable[..., Said]


def test_what_broke_is_told_with_story_picture_and_the_line_that_shows_it(
    korder: Korder, duplicated: Path, tmp_path: Path
) -> None:
    duplicated.write_text(duplicated.read_text().replace("title: ", "title: <b>&amp; ", 1))
    file = tmp_path / "check.html"

    said = korder("check", duplicated, "order_within_partition", "--seeds", "0..1", "--jobs", "1", "--html", file)

    page = file.read_text()
    assert said.status == 1
    assert page.count("<span class='word broken'>broken</span>") >= 3  # the whole, the scenario, the expectation
    assert "<span class='word holds'>holds</span> <code>order_within_partition</code>, 2 seeds" in page
    assert "100 % (34.2..100) of seeds" in page  # Wilson, 2 of 2: 2 / (2 + 1.96 ** 2)
    assert f"<pre>korder run {duplicated} --seed 0</pre>" in page
    assert page.count("<img ") == 1 and "src='data:image/png;base64," in page and "http" not in page
    assert "&lt;b&gt;" in page and "<b>&" not in page
    story = re.findall(r"</pre><pre>([^<]+)</pre><figure>", page)
    assert len(story) == 1 and "stored" in story[0]
    line = re.findall(r"<pre>(korder check [^<]+)</pre>", page)[-1]
    again = korder(*shlex.split(line)[1:], "--jobs", "1")
    assert again.status == 1 and file.read_text() == page


def test_where_all_holds_there_is_no_story_and_the_scenario_stands_there(korder: Korder, tmp_path: Path) -> None:
    file = tmp_path / "check.html"

    said = korder("check", "ten_records", "--seeds", "0..0", "--jobs", "1", "--html", file)

    page = file.read_text()
    assert said.status == 0 and "<img " not in page and "class='word broken'" not in page
    assert "duplicate-append: never" in page.partition("<summary>The scenario</summary>")[2]
    assert "Made with korder" in page


def test_a_page_that_cannot_be_written_is_refused_before_the_first_run(korder: Korder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    said = korder("check", "ten_records", "--html", tmp_path / "file" / "check.html")

    assert said.status == 2 and said.out == "" and "is not a folder" in said.err and "checking" not in said.err
