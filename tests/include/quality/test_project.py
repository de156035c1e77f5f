"""The committed project of Great Expectations says what the code says, and is never written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.quality import candle_expectations, row_expectations, series_expectations
from include.quality.project import (
    CONFIGURATION,
    FOLDER,
    SOURCES,
    WRITTEN,
    batch_definition,
    open_project,
    write_project,
)
from include.quality.row_expectations import RowExpectation
from include.quality.stored_suites import STORED_SUITES


def read_files(folder: Path) -> dict[str, str]:
    names = [CONFIGURATION, *(f"{part}/*.json" for part in WRITTEN)]
    found = [path for name in names for path in sorted(folder.glob(name))]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def test_the_files_are_what_the_code_writes(tmp_path: Path) -> None:
    write_project(tmp_path / "gx")
    written, committed = read_files(tmp_path / "gx"), read_files(FOLDER)
    again = "run `python -m include.quality.project` and commit what it writes"
    assert sorted(written) == sorted(committed), again
    assert {name for name in written if written[name] != committed[name]} == set(), again


def test_there_is_a_suite_for_every_kind_of_data() -> None:
    suites = {name for suites in SOURCES.values() for name in suites}
    assert suites >= {
        "landed_candles", "landed_trades", "landed_funding", "stored_candles",
        "stored_coarse_candles", "stored_trades", "stored_funding", "stored_instruments",
        "stored_channels", "stored_forecasts",
    }  # fmt: skip
    for name in suites:
        suite = json.loads((FOLDER / "expectations" / f"{name}.json").read_text())
        assert suite["expectations"], name
        for one in suite["expectations"]:
            severity = {"critical": "block", "warning": "warn", "info": "info"}[one["severity"]]
            assert one["meta"] == {"rule": one["meta"]["rule"], "severity": severity}
            assert one["description"].endswith(f"({one['meta']['rule']}, {severity})")


def test_every_stored_suite_has_a_checkpoint_that_documents_keeps_and_tells() -> None:
    names = {path.stem for path in (FOLDER / "checkpoints").glob("*.json")}
    assert names == set(STORED_SUITES)
    for name in names:
        checkpoint = json.loads((FOLDER / "checkpoints" / f"{name}.json").read_text())
        assert [action["type"] for action in checkpoint["actions"]] == [
            "update_data_docs",
            "candlewick_keep_outcome",
            "candlewick_tell_of_blocks",
        ]
        assert [one["name"] for one in checkpoint["validation_definitions"]] == [name]


def test_the_files_know_no_path_of_a_machine() -> None:
    for name, text in read_files(FOLDER).items():
        assert str(FOLDER.parents[2]) not in text, name
        assert '"/' not in text, name
        assert ": /" not in text, name


def test_opening_the_project_writes_nothing_into_it() -> None:
    before = {path: path.stat().st_mtime_ns for path in FOLDER.rglob("*")}
    with open_project() as context, open_project() as beside:
        assert context.root_directory != beside.root_directory
        suites = {suite.name for suite in context.suites.all()}
        assert suites == {name for suites in SOURCES.values() for name in suites}
        assert batch_definition(context, "landed_candles").name == "whole_frame"
        assert context.config.analytics_enabled is False
        folder = Path(context.root_directory)
    assert not folder.exists()
    assert {path: path.stat().st_mtime_ns for path in FOLDER.rglob("*")} == before


def test_an_unknown_suite_is_an_error() -> None:
    with open_project() as context, pytest.raises(KeyError, match="choose from"):
        batch_definition(context, "nothing")


def test_custom_expectations_say_what_they_expect() -> None:
    modules = (row_expectations, candle_expectations, series_expectations)
    classes = {
        one
        for module in modules
        for name, one in vars(module).items()
        if isinstance(one, type) and name.startswith("Expect")
    }
    assert len(classes) >= 14
    for one in classes:
        assert issubclass(one, RowExpectation)
        assert "xpect" in (one.__doc__ or ""), one
    used = {
        type(stated.expectation)
        for suites in SOURCES.values()
        for suite in suites.values()
        for stated in suite()
    }
    assert classes <= used
