"""What a zip may be, and what it may not."""

from __future__ import annotations

import struct
import zipfile

import pytest

from include.exchanges.binance_archive.unzip import read_only_member
from include.market.errors import ContractError
from tests.support.archive import zipped

NAME = "BTCUSDT-1m-2025-01-01.csv"
TEXT = b"".join(b"%d,%d\n" % (row, row * row) for row in range(5000))


def test_the_only_member_comes_back_whole() -> None:
    assert read_only_member(zipped(TEXT, NAME), NAME) == TEXT
    assert read_only_member(zipped(b"", NAME), NAME) == b""
    assert read_only_member(zipped(TEXT, NAME, method=zipfile.ZIP_STORED), NAME) == TEXT


@pytest.mark.parametrize(
    "names",
    [("other.csv",), (f"../{NAME}",), (NAME, "second.csv"), ()],
    ids=["another name", "a path upwards", "two members", "none"],
)
def test_another_member_than_the_named_one_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ContractError, match="alone"):
        read_only_member(zipped(TEXT, *names), NAME)


def test_a_bomb_is_left_by_its_ratio_before_it_is_unpacked() -> None:
    bomb = zipped(b"0" * 20_000_000, NAME)
    assert len(bomb) < 25_000
    with pytest.raises(ContractError, match="unpacks to over"):
        read_only_member(bomb, NAME)


def test_more_bytes_than_agreed_are_refused_whatever_the_ratio() -> None:
    with pytest.raises(ContractError, match="unpacks to over 1000 bytes"):
        read_only_member(zipped(TEXT, NAME), NAME, max_bytes=1000)


@pytest.mark.parametrize("stated", [10, len(TEXT) + 10, 2**31])
def test_a_header_that_lies_about_the_size_is_refused(stated: int) -> None:
    packed = bytearray(zipped(TEXT, NAME))
    central = packed.rindex(b"PK\x01\x02")
    packed[central + 24 : central + 28] = struct.pack("<I", stated)
    with pytest.raises(ContractError, match=r"cannot be read|states"):
        read_only_member(bytes(packed), NAME)


def test_a_flipped_bit_is_refused() -> None:
    packed = bytearray(zipped(TEXT, NAME, method=zipfile.ZIP_STORED))
    packed[100] ^= 1
    with pytest.raises(ContractError, match="cannot be read"):
        read_only_member(bytes(packed), NAME)


@pytest.mark.parametrize(("at", "value"), [(8, 1), (10, 12)], ids=["encrypted", "bzip2"])
def test_other_packing_is_refused(at: int, value: int) -> None:
    packed = bytearray(zipped(TEXT, NAME))
    central = packed.rindex(b"PK\x01\x02")
    packed[central + at] = value
    with pytest.raises(ContractError, match="encrypted or packed by method"):
        read_only_member(bytes(packed), NAME)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", zipped(TEXT, NAME)[:-30], zipped(TEXT, NAME)[50:]]
)
def test_what_is_no_zip_is_refused(body: bytes) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        read_only_member(body, NAME)
