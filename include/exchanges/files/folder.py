"""Finds and opens the files of a mapping, and never one outside its folder. Edge."""

from __future__ import annotations

import fnmatch
import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, Any, Final, Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from include.market.errors import InvalidInputError, SourceUnavailableError

BLOCK_BYTES: Final = 1 << 22
"""So much text is held at a time; a line longer than this is no line."""


class FolderPath(Protocol):
    """What we need of a path: ``pathlib.Path`` has it, and Airflow's ObjectStoragePath."""

    @property
    def name(self) -> str:
        """Last part of the path."""
        ...

    def iterdir(self) -> Iterator[Any]:
        """Yield what lies in this folder or under this prefix."""
        ...

    def is_dir(self) -> bool:
        """Tell whether this is a folder or a prefix."""
        ...

    def is_file(self) -> bool:
        """Tell whether this is an object that can be read."""
        ...

    def open(self, mode: str) -> AbstractContextManager[IO[Any]]:
        """Open the object."""
        ...


OpenFolder: TypeAlias = Callable[[str], FolderPath]
"""Turns the url of a store that is not this machine's disk into a path."""


def open_folder(url: str, open_remote: OpenFolder) -> FolderPath:
    """Return the folder at ``url``: a path of this machine, a file:// URL, or another store's URL.

    Raises:
        InvalidInputError: no such folder, a relative path, or a file URL with a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("", "file"):
        return open_remote(url)
    folder = Path(unquote(parts.path) if parts.scheme else url)
    if parts.netloc or not folder.is_absolute() or not folder.is_dir():
        raise InvalidInputError(
            f"mapping of files, url: expected the full path of a folder that exists, was {url!r}"
        )
    return folder.resolve()


def no_store(url: str) -> FolderPath:
    """Refuse every store but this machine's disk."""
    raise InvalidInputError(
        f"mapping of files, url: expected a folder of this machine, was {url!r}"
    )


def find_files(folder: FolderPath, pattern: str) -> list[FolderPath]:
    """Return the files below ``folder`` that match, by path; ``*`` and ``?`` stay in one part.

    Raises:
        InvalidInputError: a link leads out of the folder.
        SourceUnavailableError: the folder cannot be read now.
    """
    found: list[FolderPath] = [folder]
    parts = pattern.split("/")
    try:
        for depth, part in enumerate(parts, start=1):
            last = depth == len(parts)
            found = [
                _inside(folder, child)
                for parent in found
                for child in parent.iterdir()
                if fnmatch.fnmatchcase(child.name, part)
                and (child.is_file() if last else child.is_dir())
            ]
    except OSError as error:
        raise SourceUnavailableError(
            f"folder {folder} cannot be read ({type(error).__name__}): is it mounted?"
        ) from error
    return sorted(found, key=str)


@contextmanager
def open_bytes(path: FolderPath) -> Iterator[IO[bytes]]:
    """Open a file as the bytes of its content: .gz, .zst and .zip are unpacked while reading.

    Raises:
        InvalidInputError: the packing is damaged, or a .zip holds other than one file.
    """
    with _told(path), ExitStack() as stack:
        stored: Any = stack.enter_context(path.open("rb"))
        kind = path.name.rpartition(".")[2].lower()
        if kind == "gz":
            stored = stack.enter_context(closing(gzip.GzipFile(fileobj=stored)))
        elif kind == "zst":
            packed = stack.enter_context(pa.PythonFile(stored, mode="r"))
            stored = stack.enter_context(pa.CompressedInputStream(packed, "zstd"))
        elif kind == "zip":
            archive = stack.enter_context(zipfile.ZipFile(stored))
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) != 1:
                raise InvalidInputError(
                    f"{path}: expected a zip of one file, was one of {len(members)}: unpack it"
                )
            stored = stack.enter_context(archive.open(members[0]))
        yield stored


def whole_lines(stream: IO[bytes], path: FolderPath) -> Iterator[bytes]:
    """Yield the content in blocks that end with a line's end.

    Raises:
        InvalidInputError: a line is longer than a block.
    """
    rest = b""
    while chunk := stream.read(BLOCK_BYTES):
        head, newline, tail = chunk.rpartition(b"\n")
        if newline:
            yield rest + head + newline
            rest = tail
        else:
            rest += chunk
        if len(rest) > BLOCK_BYTES:
            raise InvalidInputError(
                f"{path}: a line is longer than {BLOCK_BYTES} bytes: is it CSV text?"
            )
    if rest:
        yield rest


@contextmanager
def _told(path: FolderPath) -> Iterator[None]:
    try:
        yield
    except (
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        pa.ArrowException,
    ) as error:
        shown = " ".join(str(error).split())[:200]
        raise InvalidInputError(f"{path} is damaged ({shown}): fetch it again") from error
    except OSError as error:
        # Arrow reports a damaged stream as an OSError of its own making, without a number.
        if error.errno is None:
            raise InvalidInputError(f"{path} is damaged ({error}): fetch it again") from error
        raise SourceUnavailableError(
            f"{path} cannot be read ({type(error).__name__}): is its store reachable?"
        ) from error


def _inside(folder: FolderPath, child: Any) -> FolderPath:
    """Return ``child`` with its links followed, refused where they lead out of ``folder``."""
    if not isinstance(folder, Path):
        return child  # type: ignore[no-any-return]
    real: Path = child.resolve()
    if not real.is_relative_to(folder):
        raise InvalidInputError(
            f"{child} is a link out of {folder}: copy the file there, or map the other folder"
        )
    return real
