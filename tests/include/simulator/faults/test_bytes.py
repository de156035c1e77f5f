from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib

import pytest

from include.simulator.faults.byte_faults import gzip_bomb, zip_bomb
from tests.support.fault_server import (
    KLINES,
    ZIP_PATH,
    FaultServer,
    archive_lines,
    archive_zip,
    page,
)


def _lines(body: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return archive.read(archive.namelist()[0]).decode().splitlines()


def test_deep_nesting(server: FaultServer) -> None:
    server.on({"fault": "deep_nesting", "depth": 100_000})
    assert server.ask(KLINES).body == b"[" * 100_000 + b"]" * 100_000


def test_a_gzip_bomb_is_small_and_grows(server: FaultServer) -> None:
    server.on({"fault": "gzip_bomb", "megabytes": 20})
    reply = server.ask(KLINES)
    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.body) < 40_000
    grown = zlib.decompress(reply.body, wbits=31)
    assert len(grown) == 20_000_002
    assert json.loads(grown) == []


def test_bombs_of_the_default_size_stay_small() -> None:
    assert len(gzip_bomb(300)) < 600_000
    assert len(zip_bomb("x.csv", 30)) < 200_000


def test_byte_order_mark_and_latin1(server: FaultServer) -> None:
    server.on({"fault": "bom", "route": "/api/v3/klines"}, {"fault": "latin1", "route": "/f*"})
    reply = server.ask(KLINES)
    assert reply.body[:4] == b"\xef\xbb\xbf["
    assert json.loads(reply.body.decode("utf-8-sig")) == page()
    foreign = server.ask(KLINES.replace("/api/v3", "/fapi/v1")).body
    with pytest.raises(UnicodeDecodeError):
        foreign.decode()
    assert json.loads(foreign.replace(b"\xe9", b"")) == page()


def test_a_corrupt_zip_has_the_right_size_and_wrong_bytes(server: FaultServer) -> None:
    server.on({"fault": "corrupt_zip"})
    body = server.ask(ZIP_PATH).body
    differing = [
        place
        for place, pair in enumerate(zip(body, archive_zip(), strict=True))
        if pair[0] != pair[1]
    ]
    assert len(differing) == 1
    with pytest.raises((zipfile.BadZipFile, zlib.error)):
        _lines(body)
    told = server.ask(f"{ZIP_PATH}.CHECKSUM").body.split()[0].decode()
    assert told == hashlib.sha256(archive_zip()).hexdigest()


def test_a_truncated_zip_is_framed_rightly(server: FaultServer) -> None:
    server.on({"fault": "truncated_zip"})
    reply = server.ask(ZIP_PATH)
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.body == archive_zip()[: len(archive_zip()) // 2]


def test_a_zip_bomb_is_small_and_grows(server: FaultServer) -> None:
    server.on({"fault": "zip_bomb", "megabytes": 20})
    body = server.ask(ZIP_PATH).body
    assert len(body) < 200_000
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.infolist()[0].filename == "BTCUSDT-1m-2025-07-30.csv"
        assert archive.infolist()[0].file_size == 20_000_000
        assert archive.testzip() is None


def test_a_wrong_checksum_keeps_its_form(server: FaultServer) -> None:
    clean = server.ask(f"{ZIP_PATH}.CHECKSUM").body
    server.on({"fault": "wrong_checksum"})
    told = server.ask(f"{ZIP_PATH}.CHECKSUM").body
    assert told[64:] == clean[64:]
    assert len(told) == len(clean)
    assert told[:64] != clean[:64]
    assert server.ask(ZIP_PATH).body == archive_zip()


def test_rows_of_an_archive_can_lie_and_its_checksum_lies_with_them(server: FaultServer) -> None:
    server.on({"fault": "negative_volume", "row": 4, "times": 1})
    body = server.ask(ZIP_PATH).body
    lines = _lines(body)
    assert lines[4] == archive_lines()[4].replace("12.50000000", "-12.50000000")
    assert lines[:4] + lines[5:] == archive_lines()[:4] + archive_lines()[5:]
    told = server.ask(f"{ZIP_PATH}.CHECKSUM").body.split()[0].decode()
    assert told == hashlib.sha256(body).hexdigest()
    assert server.ask(ZIP_PATH).body == archive_zip()
    told = server.ask(f"{ZIP_PATH}.CHECKSUM").body.split()[0].decode()
    assert told == hashlib.sha256(archive_zip()).hexdigest()


@pytest.mark.parametrize("fault", ["json_nan", "column_swap", "shuffled_rows", "empty_page"])
def test_other_row_faults_reach_archives(server: FaultServer, fault: str) -> None:
    server.on({"fault": fault})
    assert _lines(server.ask(ZIP_PATH).body) != archive_lines()
    assert server.fired() == [1]


def test_zip_faults_leave_json_alone(server: FaultServer) -> None:
    names = ("corrupt_zip", "truncated_zip", "zip_bomb", "wrong_checksum")
    rules: list[dict[str, object]] = [{"fault": name} for name in names]
    server.on(*rules)
    assert server.get(KLINES) == page()
    assert server.fired() == [0, 0, 0, 0]
