"""Faults of bodies: bytes that are no text, bombs, stuck cursors and damaged archives."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

from include.simulator.faults.answer import Answer
from include.simulator.faults.asked import Asked
from include.simulator.faults.book import Firing

ByteChange: TypeAlias = Callable[[Answer, Firing, Asked], Answer | None]

_MEGABYTE = b" " * 1_000_000
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"


def nest_deeply(answer: Answer, firing: Firing, _: Asked) -> Answer:
    """Answer nothing but nested arrays."""
    return replace(answer, body=b"[" * firing["depth"] + b"]" * firing["depth"])


@lru_cache(maxsize=4)
def gzip_bomb(megabytes: int) -> bytes:
    """Return an empty JSON array with megabytes of blanks in it, as a small gzip body."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = packer.compress(b"[") + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers back, so the same block may stand any number of times.
    block = packer.compress(_MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(b"]") + packer.flush(zlib.Z_FINISH)
    checksum = zlib.crc32(b"[")
    for _ in range(megabytes):
        checksum = zlib.crc32(_MEGABYTE, checksum)
    checksum = zlib.crc32(b"]", checksum)
    size = (megabytes * len(_MEGABYTE) + 2) % 2**32
    trailer = checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return _GZIP_HEAD + start + block * megabytes + end + trailer


def send_gzip_bomb(answer: Answer, firing: Firing, _: Asked) -> Answer:
    """Answer a body that grows when it is unpacked."""
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    return replace(answer, body=gzip_bomb(firing["megabytes"]), headers=headers)


def add_byte_order_mark(answer: Answer, *_: object) -> Answer:
    """Begin with a UTF-8 byte order mark."""
    return replace(answer, body=b"\xef\xbb\xbf" + answer.body)


def add_latin1(answer: Answer, *_: object) -> Answer | None:
    """Put a byte that is not UTF-8 into the first text."""
    if b'"' not in answer.body:
        return None
    return replace(answer, body=answer.body.replace(b'"', b'"\xe9', 1))


def repeat_first_page(answer: Answer, firing: Firing, asked: Asked) -> Answer | None:
    """Answer the first page of the series whatever is asked; that page itself is no fault."""
    first = firing.entry.memory.get(asked.series)
    if first is None:
        firing.entry.remember(asked.series, answer.body)
        return None
    return replace(answer, body=first)


def flip_bit(answer: Answer, firing: Firing, _: Asked) -> Answer | None:
    """Flip one bit of the compressed data of a zip."""
    place = _data_start(answer.body)
    end = answer.body.find(b"PK\x01\x02")
    if place is None or end <= place:
        return None
    body = bytearray(answer.body)
    body[place + int(firing.generator().integers(end - place))] ^= 0x10
    return replace(answer, body=bytes(body))


def _data_start(body: bytes) -> int | None:
    if body[:4] != b"PK\x03\x04":
        return None
    return 30 + int.from_bytes(body[26:28], "little") + int.from_bytes(body[28:30], "little")


def cut_zip(answer: Answer, *_: object) -> Answer | None:
    """Answer the first half of a zip as if it were all."""
    is_zip = answer.body[:2] == b"PK"
    return replace(answer, body=answer.body[: len(answer.body) // 2]) if is_zip else None


@lru_cache(maxsize=4)
def zip_bomb(member: str, megabytes: int) -> bytes:
    """Return a small zip whose one file holds megabytes of line ends."""
    buffer = io.BytesIO()
    lines = b"\n" * len(_MEGABYTE)
    entry = zipfile.ZipInfo(member)
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "w") as archive, archive.open(entry, "w") as target:
        for _ in range(megabytes):
            target.write(lines)
    return buffer.getvalue()


def send_zip_bomb(answer: Answer, firing: Firing, asked: Asked) -> Answer | None:
    """Answer a zip that grows when it is unpacked."""
    if answer.body[:2] != b"PK":
        return None
    member = asked.path.rsplit("/", 1)[-1].removesuffix(".zip") + ".csv"
    return replace(answer, body=zip_bomb(member, firing["megabytes"]))


def tell_wrong_checksum(answer: Answer, _: Firing, asked: Asked) -> Answer | None:
    """Answer the SHA-256 of other bytes in a ``.CHECKSUM``."""
    told, space, name = answer.body.partition(b" ")
    if not asked.path.endswith(".CHECKSUM") or len(told) != hashlib.sha256().digest_size * 2:
        return None
    other = hashlib.sha256(told).hexdigest().encode()
    return replace(answer, body=other + space + name)


BYTE_FAULTS: dict[str, ByteChange] = {
    "deep_nesting": nest_deeply,
    "gzip_bomb": send_gzip_bomb,
    "bom": add_byte_order_mark,
    "latin1": add_latin1,
    "stuck_cursor": repeat_first_page,
    "corrupt_zip": flip_bit,
    "truncated_zip": cut_zip,
    "zip_bomb": send_zip_bomb,
    "wrong_checksum": tell_wrong_checksum,
}
"""Changes of a body by fault; None says that the body held nothing to change."""
