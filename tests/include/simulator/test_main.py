from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.simulator.__main__ import build_parser, build_venue, main

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "include.simulator"]
FIRST_MS = 1_690_848_000_000
CANDLES = "\n".join(
    f"{open_ms},1.0,1.2,0.9,1.1,5.0,{open_ms + 59_999},5.5,3,1,1,0"
    for open_ms in range(FIRST_MS, FIRST_MS + 1_500 * 60_000, 60_000)
)


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A simulator of its own process on a free port, and its address."""
    arguments = ["--port", "0", "--instruments", "BTCUSDT", "--clock", "frozen:1750000000000"]
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found, process.stderr and process.stderr.read()
        try:
            yield process, found[0]
        finally:
            process.kill()


def test_the_program_serves_quietly_and_stops_on_sigterm(
    running: tuple[subprocess.Popen[str], str],
) -> None:
    process, address = running
    with urllib.request.urlopen(f"{address}/sim/info", timeout=300) as response:  # noqa: S310
        info = json.loads(response.read())
    assert info["symbols"] == ["BTCUSDT"]
    assert info["clock"] == "frozen:1750000000000"
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, output, errors) == (0, "", "")


def test_a_taken_port_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port), "--instruments", "BTCUSDT"]) == 2
    message = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "replay"], "needs --replay-path"),
        (["--engine", "replay", "--replay-path", "{tmp}/nowhere"], "nowhere does not exist"),
        (["--engine", "replay", "--replay-path", "{tmp}"], "holds no recording"),
        (["--clock", "soon"], "clock 'soon' is unknown"),
        (["--instruments", ""], "no instruments"),
        (["--instruments", "btc"], "'btc' is not a symbol"),
        (["--outages-per-year", "-1"], "--outages-per-year"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([part.format(tmp=tmp_path) for part in arguments]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.startswith("simulator: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("option", ["--weight-limit", "--push-ms", "--ping-s"])
def test_numbers_must_be_positive(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args([option, "0"])
    assert caught.value.code == 2
    assert "expected a number above 0" in capsys.readouterr().err


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    text = capsys.readouterr().out
    for option in ("--host", "--port", "--engine", "--seed", "--instruments", "--replay-path"):
        assert option in text
    for form in ("frozen:MS", "rate:X@MS", "/sim/truth"):
        assert form in text


def test_an_unshifted_replay_stands_just_after_its_last_candle(tmp_path: Path) -> None:
    (tmp_path / "FILUSDT-1m-x.csv").write_text(CANDLES)
    arguments = ["--engine", "replay", "--replay-path", str(tmp_path)]
    venue = build_venue(build_parser().parse_args(arguments))
    end_ms = FIRST_MS + 1_500 * 60_000
    assert venue.clock.now_ms() == end_ms + 1_000
    assert venue.engine.data_span(venue.clock.now_ms()).end_ms == end_ms


def test_a_shifted_replay_reaches_over_now(tmp_path: Path) -> None:
    (tmp_path / "FILUSDT-1m-x.csv").write_text(CANDLES)
    arguments = ["--engine", "replay", "--replay-path", str(tmp_path), "--replay-shift", "now"]
    venue = build_venue(build_parser().parse_args([*arguments, "--clock", "frozen:1750000030000"]))
    span = venue.engine.data_span(1_750_000_030_000)
    assert span.start_ms % 86_400_000 == FIRST_MS % 86_400_000
    assert span.start_ms < 1_750_000_030_000
    assert span.end_ms == 1_750_000_030_000 // 60_000 * 60_000
