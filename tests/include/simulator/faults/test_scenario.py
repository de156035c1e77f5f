from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.market.errors import InvalidInputError
from include.simulator.__main__ import main
from include.simulator.faults.scenario import parse_scenario, read_scenario

ROOT = Path(__file__).parents[4]
SCENARIO = """\
about: A bad hour
faults:
  - {fault: rate_limited, route: /api/v3/klines, times: 3, retry_after_s: 1}
  - fault: cut_valid_json
    probability: 0.1
    seed: 7
amendments:
  - {kind: missing, symbol: BTCUSDT, start: 2025-06-01T10:00:00Z, end: 2025-06-01T10:05:00Z}
"""
KLINES = "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=1748772000000&limit=10"


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    scenario = read_scenario(str(path))
    assert [rule.fault.name for rule in scenario.faults] == ["rate_limited", "cut_valid_json"]
    assert (scenario.faults[1].probability, scenario.faults[1].seed) == (0.1, 7)
    assert len(scenario.amendments) == 1


def test_an_empty_list_is_a_scenario() -> None:
    assert parse_scenario({"faults": None}) == parse_scenario({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        ("faults: [", "is not YAML"),
        ("- fault: bom", "a scenario is a mapping"),
        ("faults: [{fault: bomb}]", "fault rule 1 of 1: fault 'bomb' is unknown"),
        ("weather: bad", "key 'weather' is unknown: write of about, faults, amendments"),
    ],
)
def test_wrong_files_are_one_line_and_exit_code_2(
    text: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scenario.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InvalidInputError, match=re.escape(str(path))):
        read_scenario(str(path))
    assert main(["--scenario", str(path)]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1


def test_a_wrong_amendment_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text("amendments: [{kind: vanish}]")
    assert main(["--scenario", str(path), "--port", "0"]) == 2
    assert "kind 'vanish' is unknown" in capsys.readouterr().err


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A simulator of its own process with the scenario in force, and its address."""
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    command = [sys.executable, "-m", "include.simulator", "--port", "0"]
    command += ["--instruments", "BTCUSDT", "--clock", "frozen:1750000000000"]
    command += ["--outages-per-year", "0", "--scenario", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        try:
            yield found[0]
        finally:
            process.terminate()


def test_the_program_serves_a_scenario(address: str) -> None:
    statuses = []
    for _ in range(3):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(address + KLINES, timeout=300)  # noqa: S310
        statuses.append((caught.value.code, caught.value.headers["Retry-After"]))
        caught.value.close()
    assert statuses == [(429, "1")] * 3
    rows = _get(address + KLINES)
    assert [row[0] for row in rows] == [1_748_772_300_000 + 60_000 * n for n in range(10)]
    assert _get(address + "/sim/faults")["faults"][0]["fired"] == 3
    assert _get(address + "/sim/hits/summary")["requests"] == 4


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=300) as response:  # noqa: S310
        return json.loads(response.read())
