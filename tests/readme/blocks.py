"""The fenced blocks of a Markdown page that are claims about korder, and how to make them true again.

- ``console``: each line that begins with ``$ `` is a command, what follows is all that it prints to stdout;
- ``python``: runs, in one namespace with the blocks before it; what it prints is the ``text`` block right behind it;
- every other language is shown and not run.

A line ``[...]`` in an output stands for any lines. ``python tests/readme/blocks.py`` puts today's output into
README.md: look at the difference before it is committed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ANY = "[...]"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXPECTED_OUTPUT = re.compile(r"\n*^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Claim:
    """*source* (a command or a Python block) prints *output*. *start* and *end* are where the output stands."""

    language: str
    source: str
    output: str | None
    start: int
    end: int
    line: int


def claims(page: str) -> list[Claim]:
    found: list[Claim] = []
    for match in FENCE.finditer(page):
        line = page.count("\n", 0, match.start()) + 1
        if match[1] == "console":
            found += _commands(match, line)
        elif match[1] == "python":
            found.append(_python(page, match, line))
    return found


def _commands(block: re.Match[str], line: int) -> list[Claim]:
    parts = list(re.finditer(r"^\$ (.*)\n", block[2], re.MULTILINE))
    ends = [part.start() for part in parts[1:]] + [len(block[2])]
    base = block.start(2)
    return [
        Claim("console", part[1], block[2][part.end() : end], base + part.end(), base + end, line)
        for part, end in zip(parts, ends, strict=True)
    ]


def _python(page: str, block: re.Match[str], line: int) -> Claim:
    output = EXPECTED_OUTPUT.match(page, block.end())
    if output is None:
        return Claim("python", block[2], None, block.end(), block.end(), line)
    return Claim("python", block[2], output[1], output.start(1), output.end(1), line)


def outcome(claim: Claim, folder: Path, namespace: dict[str, Any]) -> str:
    """What it prints when run in *folder*."""
    if claim.language == "console":
        return _shell(claim.source, folder)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.chdir(folder):
        exec(compile(claim.source, f"README.md:{claim.line}", "exec"), namespace)
    return printed.getvalue()


def _shell(command: str, folder: Path) -> str:
    """``korder`` is the one of this interpreter; everything else is refused, a page must not need a shell."""
    words = shlex.split(command)
    if words[0] != "korder":
        raise ValueError(f"a console block runs only korder: {command}")
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-m", "analysis.cli", *words[1:]], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    return done.stdout


def agrees(expected: str, printed: str) -> bool:
    """Line by line, blanks at the ends of lines aside; ``[...]`` is any number of lines."""
    pieces = [_stripped(piece) for piece in re.split(rf"^{re.escape(ANY)}$\n?", expected, flags=re.MULTILINE)]
    pattern = ".*".join(re.escape(piece) for piece in pieces)
    return re.fullmatch(pattern, _stripped(printed), re.DOTALL) is not None


def _stripped(text: str) -> str:
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


def rewritten(page: str, run: Callable[[Claim], str]) -> str:
    """The page with every output that no longer agrees replaced; one with ``[...]`` is left for a person."""
    for claim in reversed(list(claims(page))):
        printed = run(claim)
        if claim.output is not None and ANY not in claim.output and not agrees(claim.output, printed):
            page = page[: claim.start] + _stripped(printed) + page[claim.end :]
    return page


def prepare(folder: Path) -> Path:
    """A folder that looks like a checkout to a reader of the page: the scenarios stand in it."""
    (folder / "scenarios").symlink_to(ROOT / "scenarios", target_is_directory=True)
    return folder


def main() -> None:
    import tempfile

    readme = ROOT / "README.md"
    page = readme.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as made:
        folder, namespace = prepare(Path(made)), dict[str, Any]()
        printed = {claim.start: outcome(claim, folder, namespace) for claim in claims(page)}
    readme.write_text(rewritten(page, lambda claim: printed[claim.start]), encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
