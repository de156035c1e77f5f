"""The one member of a zip, read with a bound on everything the zip may claim. Pure."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Final

from include.market.errors import ContractError

MAX_CSV_BYTES: Final = 1024**3
MAX_RATIO: Final = 200
"""CSV of market data packs 3 to 15 times; DEFLATE can reach 1032 times, on nothing but repeats."""
_SMALL: Final = 1 << 16
_CHUNK: Final = 1 << 20
_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_only_member(
    packed: bytes, name: str, *, max_bytes: int = MAX_CSV_BYTES, max_ratio: int = MAX_RATIO
) -> bytes:
    """Return the content of the zip's only member, which must be called ``name``.

    Sizes are counted while reading; what the zip's headers say about them is not relied on.

    Raises:
        ContractError: another number of members or another name, encrypted, unknown packing,
            damaged (CRC), or larger than ``max_bytes`` or than ``max_ratio`` times the zip.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            member = _only_member(archive, name)
            text = _read(archive, member, min(max_bytes, max(_SMALL, max_ratio * len(packed))))
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        OSError,
        ValueError,
    ) as error:
        raise ContractError(
            f"the zip of {name} cannot be read ({error}): take this span from the venue's REST"
        ) from None
    if len(text) != member.file_size:
        raise ContractError(
            f"the zip of {name} states {member.file_size} bytes and holds {len(text)}"
        )
    return text


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    members = archive.infolist()
    if [member.filename for member in members] != [name]:
        found = ", ".join(repr(member.filename) for member in members[:3]) or "nothing"
        raise ContractError(f"expected a zip of {name} alone, was one of {found}")
    if members[0].flag_bits & _ENCRYPTED or members[0].compress_type not in _METHODS:
        raise ContractError(
            f"the zip of {name} is encrypted or packed by method {members[0].compress_type}: "
            "expected plain deflate"
        )
    return members[0]


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > most_bytes:
                raise ContractError(
                    f"{member.filename} unpacks to over {most_bytes} bytes, more than market data "
                    "can: it is left alone"
                )
            chunks.append(chunk)
    return b"".join(chunks)
