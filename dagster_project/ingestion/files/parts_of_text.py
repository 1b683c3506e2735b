"""Cut a big CSV file into parts of whole records, which DuckDB can read side by side.

Its own parallel scan can't be used (``delimited_text`` says why), and one scan uses one core.
"""

import mmap
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

# Below, a second scan gains less than the copy costs.
SMALLEST = 32 << 20
_CHUNK = 1 << 20
_QUOTE, _LINE_FEED = b'"'[0], b"\n"[0]


class Part(NamedTuple):
    """A copy of a stretch of the file; ``before``: how many records of the file come first."""

    path: Path
    before: int


def cut(path: Path, scratch: Path, most: int) -> list[Part]:
    """Cut a file into at most so many parts, as copies in ``scratch``.

    A record ends at a line feed behind an even number of quotes. In a file whose quotes are broken
    that is not so: then ``before`` is not what a reader counts. None at all where the file is
    small, or where a line is blank, which is no record.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        count = min(most, len(text) // SMALLEST)
        if count < 2 or text[:1] == b"\n" or text.find(b"\n\n") >= 0 or text.find(b"\n\r\n") >= 0:
            return []
        starts = _starts(text, [len(text) * at // count for at in range(1, count)])
        if len(starts) < 2:
            return []
        ends = [at for at, _ in starts[1:]] + [len(text)]
        parts = []
        for number, ((start, before), end) in enumerate(zip(starts, ends, strict=True)):
            part = Part(scratch / f"{path.stem}-part-{number}.csv", before)
            with part.path.open("wb") as target:
                for at in range(start, end, _CHUNK):
                    target.write(text[at : min(at + _CHUNK, end)])
            parts.append(part)
    return parts


def _starts(text: mmap.mmap, wanted: list[int]) -> list[tuple[int, int]]:
    """The first record behind each wanted place, and the records before it; first of all (0, 0)."""
    starts, at, records, quotes = [(0, 0)], 0, 0, 0
    for place in wanted:
        while at < place:
            chunk = text[at : min(at + _CHUNK, place)]
            records += _record_ends(chunk, quotes).true_count
            quotes += chunk.count(b'"')
            at += len(chunk)
        # The next end of a record, in one chunk or in several.
        while at < len(text):
            chunk = text[at : at + _CHUNK]
            end = pc.index(_record_ends(chunk, quotes), True).as_py()
            chunk = chunk if end < 0 else chunk[: end + 1]
            quotes += chunk.count(b'"')
            at += len(chunk)
            if end >= 0:
                records += 1
                starts.append((at, records))
                break
    return starts


def _record_ends(chunk: bytes, quotes: int) -> pa.BooleanArray:
    """Which bytes end a record, behind so many quotes."""
    signs = pa.Array.from_buffers(pa.uint8(), len(chunk), [None, pa.py_buffer(chunk)])
    is_end = pc.equal(signs, _LINE_FEED)
    if b'"' not in chunk:
        return is_end if quotes % 2 == 0 else pc.and_(is_end, False)
    before = pc.cumulative_sum(pc.cast(pc.equal(signs, _QUOTE), pa.uint32()), start=quotes % 2)
    return pc.and_(is_end, pc.equal(pc.bit_wise_and(before, 1), 0))
