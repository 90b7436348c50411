"""A file of JSON Lines as blocks of whole lines, plain, gzip or Zstandard, in bounded memory.

What is refused, with file and line: a line longer than a line may be, a stream that breaks off, and a compressed file
that grows beyond all proportion.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, TypeVar

import zstandard

from sim.errors import InputError

__all__ = ["MAX_LINE_BYTES", "LineTooLong", "ahead", "chunks_of_lines"]

MAX_LINE_BYTES = 4 << 20
MAX_RATIO = 100  # of unpacked to packed bytes; histories pack 10 to 60 times
FREE_BYTES = 16 << 20  # unpacked bytes that no ratio forbids
BLOCK_BYTES = 4 << 20  # enough for what is done once a block not to count


class LineTooLong(Exception):
    """The line behind all that were handed out."""


T = TypeVar("T")


def ahead(blocks: Iterator[bytes], prepare: Callable[[bytes], T]) -> Iterator[T]:
    """Each block prepared, in order. Another thread prepares the next one meanwhile, as far as NumPy lets go of
    Python's lock; what goes wrong there is raised when it is that block's turn."""

    def following() -> T | None:
        block = next(blocks, None)
        return None if block is None else prepare(block)

    with ThreadPoolExecutor(1) as other:
        coming = other.submit(following)
        while (prepared := coming.result()) is not None:
            coming = other.submit(following)
            yield prepared


def chunks_of_lines(path: Path) -> Iterator[bytes]:
    """Lines, the first alone and then a block of the file at a time; each line ends with a line feed."""
    chunks = _chunks(path)
    for first in chunks:
        end = first.index(b"\n") + 1
        yield first[:end]
        if end < len(first):
            yield first[end:]
        break
    yield from chunks


def _chunks(path: Path) -> Iterator[bytes]:
    rest = b""
    for block in _blocks(path):
        end = block.rfind(b"\n") + 1
        if not end:
            rest += block
        else:
            lines, rest = b"".join((rest, memoryview(block)[:end])), block[end:]
            if len(lines) > MAX_LINE_BYTES and lines.index(b"\n") > MAX_LINE_BYTES:  # only the first can be so long
                raise LineTooLong
            yield lines
        if len(rest) > MAX_LINE_BYTES:
            raise LineTooLong
    if rest:
        yield rest + b"\n"


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as raw:
            stream = _unpacked(raw, path.suffix)
            total = 0
            while block := stream.read(BLOCK_BYTES):
                total += len(block)
                if stream is not raw and total > max(FREE_BYTES, MAX_RATIO * raw.tell()):
                    rule = f"unpacks to more than {MAX_RATIO} times its size"
                    raise InputError(str(path), rule, "hand over the plain file")
                yield block
    except FileNotFoundError:
        raise InputError(str(path), "no such file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise InputError(str(path), f"cannot be unpacked: {error}", "hand over the plain file") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror or error}") from None


def _unpacked(raw: IO[bytes], suffix: str) -> Any:
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=raw)
    if suffix == ".zst":
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(raw, read_across_frames=True)
    return raw
