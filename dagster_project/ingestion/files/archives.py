"""ZIP archives: what they hold, and one member at a time as a file.

A member is written under a name of our own, so its name can't lead out of the directory.
"""

import contextlib
import errno
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from dagster_project.config.errors import SourceError

# An archive that unpacks to more than both is refused: no table compresses that well.
_MOST_TIMES, _MOST_BYTES = 250, 1 << 30
_ENCRYPTED = 0x1
# What the standard library raises for bytes that are not what it expects.
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    ValueError,
)


def member_names(label: str, archive: Path) -> list[str]:
    """The files in an archive, without what macOS adds. Raises ``SourceError`` if it is damaged."""
    with reading(label), zipfile.ZipFile(archive) as opened:
        names = [item.filename for item in opened.infolist() if not item.is_dir()]
    return sorted(name for name in names if not _is_hidden(name))


def unpack(label: str, archive: Path, member: str, target: Path) -> None:
    """Write one member to a file.

    Raises ``SourceError`` if it is encrypted or damaged, or the archive too big when unpacked.
    """
    refuse_bomb(label, archive)
    with reading(label), zipfile.ZipFile(archive) as opened:
        if opened.getinfo(member).flag_bits & _ENCRYPTED:
            raise SourceError(
                f"{label}: encrypted with a password; unpack it, and read the file itself"
            )
        with opened.open(member) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)


def refuse_bomb(label: str, archive: Path) -> None:
    """Raise ``SourceError`` if unpacking an archive would fill the disk or the memory."""
    with reading(label), zipfile.ZipFile(archive) as opened:
        size = sum(item.file_size for item in opened.infolist())
    if size > max(_MOST_BYTES, _MOST_TIMES * archive.stat().st_size):
        raise SourceError(
            f"{label}: {archive.stat().st_size:,} bytes would unpack to {size:,}; unpack it "
            "yourself if that is right, and read the files"
        )


@contextlib.contextmanager
def reading(label: str) -> Iterator[None]:
    """What goes wrong in reading an archive as one line that names it."""
    try:
        yield
    except _DAMAGES as error:
        raise _damaged(label, error) from error
    except NotImplementedError as error:
        # What zipfile says of a compression that it does not know.
        raise SourceError(f"{label}: {error}; unpack it, and read the file itself") from error
    except OSError as error:
        # An offset that is beyond the file, where the directory of the archive is damaged.
        if error.errno != errno.EINVAL:
            raise
        raise _damaged(label, error) from error


def _damaged(label: str, error: Exception) -> SourceError:
    return SourceError(f"{label}: the ZIP archive is damaged or cut off ({error}); export it again")


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "__MACOSX" or (parts[-1].startswith(".") and parts[-1][1:2] != ".")
