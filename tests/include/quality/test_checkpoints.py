"""The committed checkpoints, run over frames: outcome, Data Docs, history, people told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from include.market.errors import FinalError, InvalidInputError
from include.market.span import Span
from include.quality import stored_frames as put
from include.quality.checkpoints import KEPT_RUNS, StoredBatch, open_checkpoints
from include.quality.docs_index import gravest
from include.quality.outcome import SuiteOutcome
from include.quality.project import FOLDER
from tests.include.quality import stored_rows as rows

AT = datetime(2024, 1, 3, 5, 10, tzinfo=UTC)
SPAN = Span(1_704_067_200_000, 1_704_070_800_000)


def candles(**changes: object) -> StoredBatch:
    frame = rows.stored_candles(30)
    for name, value in changes.items():
        frame.loc[7, name] = value
    framed = put.frame_candles(frame, rows.M1)
    keys = ("instrument", "open_time")
    return StoredBatch("stored_candles", "candle_1m", "", framed, keys, SPAN)


def run(folder: Path, *batches: StoredBatch, at: datetime = AT) -> dict[str, list[SuiteOutcome]]:
    kept: list[SuiteOutcome] = []
    told: list[SuiteOutcome] = []
    with open_checkpoints(folder, run_at=at, keep=kept.append, tell=told.append) as checkpoints:
        for batch in batches:
            checkpoints.run(batch)
    return {"kept": kept, "told": told}


def pages(folder: Path) -> list[Path]:
    return sorted((folder / "data_docs").rglob("*.html"))


def test_a_sound_batch_is_kept_and_nobody_is_told(tmp_path: Path) -> None:
    found = run(tmp_path, candles())
    (outcome,) = found["kept"]
    assert found["told"] == []
    assert outcome.success
    assert (outcome.checkpoint, outcome.suite, outcome.dataset) == (
        "warehouse",
        "stored_candles",
        "candle_1m",
    )
    assert (outcome.rows, outcome.span, outcome.run_at) == (30, SPAN, AT)
    assert len(outcome.expectations) == 13
    assert {one.severity for one in outcome.expectations} == {"block", "warn", "info"}


def test_a_defect_is_kept_with_its_row_and_told(tmp_path: Path) -> None:
    found = run(tmp_path, candles(high=100.5))
    assert found["kept"] == found["told"]
    (broken,) = found["told"][0].failed("block")
    assert (broken.rule, broken.unexpected_count) == ("ohlc_order", 1)
    assert broken.unexpected_percent == pytest.approx(100 / 30)
    (example,) = broken.examples
    assert example["row"] == 7
    assert example["instrument"] == "binance_spot:BTCUSDT"
    assert example["open_time"] == "2024-01-01T00:07:00.000Z"
    assert example["high"] == 100.5
    json.dumps(broken.examples, allow_nan=False)


def test_a_warning_is_kept_and_not_told(tmp_path: Path) -> None:
    found = run(tmp_path, candles(end_before=rows.START, flags=1.0))
    assert found["told"] == []
    (outcome,) = found["kept"]
    assert outcome.success
    assert [one.rule for one in outcome.failed("warn")] == ["continuity"]
    assert [one.rule for one in outcome.failed("info")] == ["mended"]


def test_data_docs_need_no_network_and_no_script(tmp_path: Path) -> None:
    run(tmp_path, candles(high=100.5, instrument="<b>x</b>"))
    texts = {path.name: path.read_text() for path in pages(tmp_path)}
    assert set(texts) == {"index.html", "stored_candles.html", "warehouse-stored_candles.html"}
    for name, text in texts.items():
        assert not re.search(r"<script|(src|href)\s*=\s*[\"'](https?:)?//", text), name
        assert "<style>" in text, name
    result = texts["warehouse-stored_candles.html"]
    assert "close <= high (ohlc_order, block)" in result
    assert "&lt;b&gt;x&lt;/b&gt;" in result
    assert "<b>x" not in result
    assert "100.5" in result
    assert "validations/stored_candles/candle_1m/" in texts["index.html"]
    links = re.findall(r'href="([^"#]+)"', texts["index.html"])
    assert links
    assert all((tmp_path / "data_docs" / link).is_file() for link in links)


def test_the_first_page_tells_a_block_from_a_warning_from_a_note(tmp_path: Path) -> None:
    defects: dict[str, dict[str, object]] = {
        "sound": {},
        "grave": {"high": 100.5, "end_before": rows.START},
        "odd": {"end_before": rows.START, "flags": 1.0},
        "noted": {"flags": 1.0},
    }
    for name, changed in defects.items():
        run(tmp_path, replace(candles(**changed), name=name))
    text = (tmp_path / "data_docs" / "index.html").read_text()
    table = text[text.index("Run Name") :]
    found = dict(re.findall(r'class="([^"]*)"[^<]*</i>.*?candle_1m-(\w+)', table, re.DOTALL))
    assert {name: classes.split()[-1] for classes, name in found.items()} == {
        "sound": "fa-check-circle",
        "grave": "severity-block",
        "odd": "severity-warn",
        "noted": "severity-info",
    }
    assert re.findall(r"severity-\w+[^>]*>(\w+)</i>", table)
    assert gravest([]) == "met"
    assert gravest(["info", "block", "warn"]) == "block"


def test_old_results_go_with_their_pages(tmp_path: Path) -> None:
    old = tmp_path / ".gx" / "validations" / "stored_candles" / "candle_1m"
    for day in range(KEPT_RUNS + 3):
        name = f"202312{day + 1:02}T051000.000000Z"
        for folder, file in (
            (old / name, "warehouse-stored_candles.json"),
            (
                tmp_path / "data_docs/validations/stored_candles/candle_1m" / name,
                "warehouse-stored_candles.html",
            ),
        ):
            folder.mkdir(parents=True)
            (folder / file).write_text("{}")
    with open_checkpoints(tmp_path, run_at=AT, keep=print, tell=print):
        pass
    left = sorted(path.name[:8] for path in old.iterdir())
    assert left == [f"202312{day + 1:02}" for day in range(4, KEPT_RUNS + 3)]
    shown = tmp_path / "data_docs/validations/stored_candles/candle_1m"
    assert sorted(path.name[:8] for path in shown.iterdir()) == left


def test_results_of_several_runs_stand_beside_each_other(tmp_path: Path) -> None:
    other = StoredBatch("stored_candles", "candle_5m", "a/b", candles().frame, ("instrument",))
    run(tmp_path, candles(), other)
    run(tmp_path, candles(), at=AT + timedelta(days=1))
    shown = [path.parts[-3] for path in pages(tmp_path) if "validations" in path.parts]
    assert sorted(shown) == ["candle_1m", "candle_1m", "candle_5m-a-b"]


def test_an_expectation_that_cannot_be_evaluated_is_an_error(tmp_path: Path) -> None:
    batch = candles()
    lost = StoredBatch("stored_candles", "x", "y", batch.frame.drop(columns="flags"), batch.keys)
    with pytest.raises(FinalError, match=r"could not evaluate .* on x y"):
        run(tmp_path, lost)


def test_an_empty_table_is_legal(tmp_path: Path) -> None:
    empty = put.frame_channels(rows.stored_channels(0))
    found = run(tmp_path, StoredBatch("stored_channels", "channel", "", empty, ("instrument",)))
    assert found["kept"][0].success
    assert found["kept"][0].rows == 0


def test_missing_numbers_in_examples_are_text(tmp_path: Path) -> None:
    found = run(tmp_path, candles(low=np.nan))
    (broken,) = found["told"][0].failed("block")
    assert broken.rule == "not_a_number"
    assert broken.examples[0]["low"] == "nan"


def test_a_folder_that_cannot_be_written_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InvalidInputError, match="set quality_dir"),
        open_checkpoints(tmp_path / "file" / "x", run_at=AT, keep=print, tell=print),
    ):
        pass


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    program = (
        "import sys, fcntl, os\n"
        "lock = os.open(sys.argv[1], os.O_RDWR)\n"
        "try:\n    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError:\n    sys.exit(7)\n"
    )
    again = [sys.executable, "-c", program, str(tmp_path / ".lock")]
    with open_checkpoints(tmp_path, run_at=AT, keep=print, tell=print):
        assert subprocess.run(again, check=False).returncode == 7
    assert subprocess.run(again, check=False).returncode == 0


def test_the_committed_files_stay_as_they_are(tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in FOLDER.rglob("*")}
    run(tmp_path, candles())
    assert {path: path.stat().st_mtime_ns for path in FOLDER.rglob("*")} == before
