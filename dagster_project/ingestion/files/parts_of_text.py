"""Cut a big CSV file into parts of whole records, which DuckDB can read side by side.

Its parallel scan can't be used (``delimited_text`` says why), and one scan uses one core. Only a
file without a single quote is cut: there every line is a record, whatever a reader makes of quotes.
"""

import codecs
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# Below, a second scan gains less than the copy costs.
SMALLEST = 32 << 20
_CHUNK = 1 << 20
# What a file has in which a line may be something else than one record.
_NO_LINE_EACH = (b'"', b"\n\n", b"\n\r\n")


class Part(NamedTuple):
    """A stretch of the file in a file of its own; ``before``: the records of the file before it."""

    path: Path
    before: int


def cut(path: Path, stem: Path, count: int) -> list[Part]:
    """Cut a file into ``count`` parts or fewer; ``stem``: how the names of their files begin.

    No parts of a file that is small, has a quote or a blank line (which is no record), or does not
    fit on the disk a second time.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        count = min(count, len(text) // SMALLEST)
        if count < 2 or text[:1] == b"\n" or any(text.find(it) >= 0 for it in _NO_LINE_EACH):
            return []
        starts = [0, *_line_starts(text, count)]
        parts: list[Part] = []
        before = 0
        try:
            for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
                part = Part(stem.with_name(f"{stem.name}-{len(parts)}.csv"), before)
                parts.append(part)
                with part.path.open("wb") as target:
                    for at in range(start, end, _CHUNK):
                        chunk = text[at : min(at + _CHUNK, end)]
                        target.write(chunk)
                        before += chunk.count(b"\n")
        except OSError:
            remove(parts)
            return []
    return parts if len(parts) > 1 else []


def _line_starts(text: mmap.mmap, count: int) -> Iterator[int]:
    """Where lines begin that divide the text into about equal parts."""
    last = 0
    for place in (len(text) * at // count for at in range(1, count)):
        start = text.find(b"\n", place) + 1
        # A byte order mark is skipped where a file begins, and is text where a line does.
        if last < start < len(text) and text[start : start + 3] != codecs.BOM_UTF8:
            yield start
            last = start


def remove(parts: Sequence[Part]) -> None:
    """Remove the files of parts."""
    for part in parts:
        part.path.unlink(missing_ok=True)
