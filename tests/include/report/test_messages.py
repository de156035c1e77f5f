"""Words for people hold every number and nothing that could harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.channels.channel import ChannelFit, fit_channel
from include.market.timeframe import H4
from include.report.messages import (
    MESSAGE_LIMIT,
    RiverCounts,
    channel_caption,
    failure_message,
    printable,
    river_summary,
)

COUNTS = RiverCounts(
    span_start=datetime(2026, 1, 1, tzinfo=UTC),
    span_end=datetime(2026, 2, 1, tzinfo=UTC),
    candles={"4h": 540, "1m": 129_600, "30m": 4_320},
    gaps={"outage": 2, "no_trade": 31},
    quarantined=7,
    segments=44,
    channels_published=2,
    channels_declined=1,
)


@pytest.fixture(scope="module")
def declined() -> ChannelFit:
    times = pd.date_range("2026-01-01", periods=100, freq="4h", tz="UTC")
    close = np.exp(11 + 0.01 * np.cumsum(np.random.default_rng(2).normal(size=100)))
    return fit_channel(
        pd.DataFrame({"open_time": times, "close": close}), H4, min_candles=12, taus=(0.5,)
    )


def read_rows(text: str) -> dict[str, str]:
    table = text.split("```")[1].strip("\n").split("\n")
    return dict(line.rsplit(None, 1) for line in table)


def test_the_summary_shows_every_number_finest_timeframe_first() -> None:
    text = river_summary(COUNTS)
    rows = read_rows(text)
    assert list(rows) == [
        "candles 1m",
        "candles 30m",
        "candles 4h",
        "gaps open",
        "  no_trade",
        "  outage",
        "rows quarantined",
        "trend segments",
        "channels published",
        "channels declined",
    ]
    assert list(rows.values()) == ["129,600", "4,320", "540", "33", "31", "2", "7", "44", "2", "1"]
    assert text.startswith("2026-01-01 00:00 to 2026-02-01 00:00 UTC")


def test_the_table_is_aligned() -> None:
    table = river_summary(COUNTS).split("```")[1].strip("\n").split("\n")
    assert len({len(line) for line in table}) == 1


def test_other_zones_are_shown_in_utc() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    moved = replace(COUNTS, span_start=COUNTS.span_start.astimezone(kathmandu))
    assert river_summary(moved) == river_summary(COUNTS)


def test_many_gap_reasons_are_added_up_and_stay_short() -> None:
    many = replace(COUNTS, gaps={f"reason {n}" * 20: n + 1 for n in range(40)})
    text = river_summary(many)
    assert len(text) <= MESSAGE_LIMIT
    shown = {name: int(value) for name, value in read_rows(text).items() if name.startswith("  ")}
    assert len(shown) == 7
    assert sum(shown.values()) == sum(many.gaps.values())
    assert shown["  other"] == sum(range(1, 35))


def test_no_gaps_is_said_plainly() -> None:
    assert read_rows(river_summary(replace(COUNTS, gaps={})))["gaps open"] == "0"


def test_a_caption_tells_verdict_losses_and_trend(declined: ChannelFit) -> None:
    assert not declined.published
    assert declined.out_of_sample_loss is not None
    text = channel_caption("BTCUSDT", declined)
    first, second, reason, third = text.split("\n")
    assert reason == f"Declined: {declined.declined_reason}"
    assert first == "BTCUSDT, 4h channel: declined"
    assert f"{declined.out_of_sample_loss * 1e4:.1f} bp against" in second
    assert f"{declined.newest.candles} candles" in third
    published = channel_caption("X", replace(declined, published=True, declined_reason=None))
    assert published.startswith("X, 4h channel: published")
    assert "Declined" not in published


def test_a_caption_without_judgement_gives_the_reason() -> None:
    empty = pd.DataFrame({"open_time": pd.to_datetime([]).tz_localize("UTC"), "close": np.zeros(0)})
    fit = fit_channel(empty, H4, min_candles=12)
    assert channel_caption("X", fit).split("\n")[1:] == [
        "Too few candles: had 0, a channel needs 12"
    ]


def describe_failure(**changes: object) -> str:
    plain: dict[str, object] = {
        "dag_id": "load_warehouse",
        "run_id": "manual__1",
        "task_ids": ["load"],
        "reason": "ContractError: close is missing",
        "ui_url": "http://127.0.0.1:8080/dags/load_warehouse/runs/manual__1",
    }
    return failure_message(**{**plain, **changes})


def test_a_failure_names_dag_run_task_reason_and_link() -> None:
    assert describe_failure().split("\n") == [
        "DAG `load_warehouse` failed",
        "Run: `manual__1`",
        "Tasks: load",
        "Reason: `ContractError: close is missing`",
        "Log: <http://127.0.0.1:8080/dags/load_warehouse/runs/manual__1>",
    ]


def test_run_ids_with_times_keep_their_link() -> None:
    link = "https://airflow.example/dags/a/runs/scheduled__2026-01-01T00:00:00+00:00?tab=x&y=1"
    assert f"<{link}>" in describe_failure(ui_url=link)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "http://h/>\n@everyone",
        "http://u:p@host/x",
        "http://h/" + "a" * 999,
    ],
)
def test_a_link_that_is_no_plain_link_is_left_out(url: str) -> None:
    assert "Log:" not in describe_failure(ui_url=url)


@given(st.text(), st.text(), st.lists(st.text(), max_size=30), st.text(), st.text())
def test_any_input_gives_short_printable_lines(
    dag_id: str, run_id: str, task_ids: list[str], reason: str, ui_url: str
) -> None:
    text = failure_message(
        dag_id=dag_id, run_id=run_id, task_ids=task_ids, reason=reason, ui_url=ui_url
    )
    assert len(text) <= MESSAGE_LIMIT
    assert all(line.isascii() and line.isprintable() for line in text.split("\n"))
    assert len(text.split("\n")) <= 5
    assert text.count("`") == 6


def test_long_input_is_cut_not_lost() -> None:
    text = describe_failure(reason="boom " * 2000, task_ids=["t" * 300] * 50)
    assert len(text) <= MESSAGE_LIMIT
    assert "and 42 more" in text
    assert "boom" in text
    assert "Log:" in text


@pytest.mark.parametrize(
    ("reason", "secret"),
    [
        ("https://discord.com/api/webhooks/12/SECRET_tok-en: 404", "SECRET"),
        ("postgresql://user:SECRET@db:5432/x refused", "SECRET"),
        ("https://api.telegram.org/bot123:SECRET/sendPhoto", "SECRET"),
    ],
)
def test_secrets_in_a_reason_are_blacked_out(reason: str, secret: str) -> None:
    text = describe_failure(reason=reason)
    assert secret not in text
    assert "***" in text


@given(st.text(), st.integers(0, 50))
def test_printable_is_one_ascii_line_within_its_limit(text: str, limit: int) -> None:
    line = printable(text, limit)
    assert len(line) <= limit
    assert line.isascii()
    assert line.isprintable()
    assert "`" not in line


def test_printable_keeps_plain_words() -> None:
    assert printable("close  is\n12.5 %", 40) == "close is 12.5 %"
    assert printable("abcdefgh", 6) == "abc..."
