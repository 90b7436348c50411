"""A file of JSON Lines as blocks of whole lines, plain, gzip or Zstandard, in bounded memory.

What is refused, with file and line: a line longer than a line may be, a stream that breaks off, and a compressed file
that grows beyond all proportion.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from sim.errors import InputError

__all__ = ["MAX_LINE_BYTES", "LineTooLong", "chunks_of_lines"]

MAX_LINE_BYTES = 4 << 20
MAX_RATIO = 100  # of unpacked to packed bytes; histories pack 10 to 60 times
FREE_BYTES = 16 << 20  # unpacked bytes that no ratio forbids
BLOCK_BYTES = 3 << 20  # enough for what is done once a block not to count


class LineTooLong(Exception):
    """The line behind all that were handed out."""


def chunks_of_lines(path: Path) -> Iterator[bytes]:
    """Lines, a block of the file at a time; each line ends with a line feed."""
    rest = b""
    for block in _blocks(path):
        end = block.rfind(b"\n") + 1
        if not end:
            rest += block
        else:
            lines, rest = rest + block[:end], block[end:]
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
