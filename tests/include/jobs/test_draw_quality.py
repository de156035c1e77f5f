"""The page and the picture of data quality are drawn from the warehouse and told of once a day."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from matplotlib.image import imread

from include.jobs.draw_quality import PAGE, PICTURE, draw_quality, is_due
from include.market.errors import InvalidInputError
from include.market.settings import Settings
from include.notify.errors import NotifyError
from include.notify.outbox import OutboxSender
from include.notify.sender import Message, Receipt
from include.report.coverage import CODES
from include.warehouse.engine import Connection, connect
from include.warehouse.gaps import Gap
from include.warehouse.landing import register_landing
from tests.support.warehouse import START, candles, load_frame, minutes, seed_reference, sha

AT = START + timedelta(days=2, hours=3, minutes=25)


@pytest.fixture
def conn(loader_dsn: str, warehouse_dsn: str) -> Iterator[Connection]:
    """Return the connection of a job, to a warehouse in which something is wrong."""
    with connect(warehouse_dsn, application="test") as owner:
        seed_reference(owner)
        kept = [minute for minute in range(2 * 1440 + 180) if not 600 <= minute < 700]
        load_frame(
            owner,
            candles(kept),
            minutes(0, 2 * 1440 + 180),
            gaps=[Gap(minutes(600, 660), "outage"), Gap(minutes(660, 700))],
        )
        owner.execute(
            "INSERT INTO ledger.quarantine (dataset, venue, symbol, payload, rule, detail, "
            "recorded_at) VALUES ('candle_1m', 'binance_spot', 'BTCUSDT', '{}', "
            "'</script><script>alert(1)//', 'x', %s)",
            (START + timedelta(hours=1),),
        )
        owner.commit()
    conn = connect(loader_dsn, application="test", autocommit=True)
    yield conn
    conn.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(quality_dir=str(tmp_path / "quality"), outbox_dir=str(tmp_path / "outbox"))


def figures(settings: Settings) -> dict[str, object]:
    html = (Path(settings.quality_dir) / PAGE).read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def draw(conn: Connection, settings: Settings, at: datetime = AT) -> dict[str, int]:
    return draw_quality(conn, settings, OutboxSender(settings.outbox_dir), at=at)


def test_page_and_picture_are_drawn_and_told_of_once_a_day(
    conn: Connection, settings: Settings
) -> None:
    assert draw(conn, settings) == {"pages": 1, "instruments": 2, "messages": 1}
    assert draw(conn, settings) == {"pages": 1, "instruments": 2, "messages": 0}
    assert draw(conn, settings, AT + timedelta(days=1))["messages"] == 1

    folder = Path(settings.quality_dir)
    assert sorted(path.name for path in folder.iterdir()) == sorted([PAGE, PICTURE])
    assert imread(io.BytesIO((folder / PICTURE).read_bytes())).shape[1] == 1600
    [first, second] = sorted(Path(settings.outbox_dir).glob("*.md"))
    assert "Data quality 2024-01-03" in first.read_text()
    assert "40 unexplained" in first.read_text()
    assert "Yesterday: 1,440 of 2,880 minutes stored" in first.read_text()
    came = "How they came: nothing odd about them. The latest: binance_spot BTCUSDT, 95 % within "
    assert came in first.read_text()
    assert re.search(came + r"\d+ d( \d+ h)? of their end", first.read_text())
    assert first.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert second.name > first.name


def test_what_came_odd_is_told_and_nothing_of_a_day_without_candles(
    conn: Connection, settings: Settings
) -> None:
    conn.execute(
        "UPDATE ledger.load SET observed_at = %s WHERE dataset = 'candle_1m'",
        (START + timedelta(days=2, seconds=3),),
    )
    conn.execute(
        "UPDATE market.candle_1m SET flags = 1 WHERE open_time IN (%s, %s)",
        (START + timedelta(days=1), START + timedelta(days=2)),
    )
    for days in (0, 2):
        draw(conn, settings, AT + timedelta(days=days))
    [first, second] = sorted(Path(settings.outbox_dir).glob("*.md"))
    # One of the two is of yesterday; 95 % of its minutes ended within the last 1,367 and 3 s.
    line = "How they came: 1 moved onto the grid. The latest: binance_spot BTCUSDT, 95 % within "
    assert line + "22 h 47 min of their end." in first.read_text()
    assert "How they came" not in second.read_text()


def test_yesterday_is_told_of_once_it_has_settled(conn: Connection, settings: Settings) -> None:
    midnight = START + timedelta(days=2)
    assert draw(conn, settings, midnight - timedelta(minutes=1))["messages"] == 1
    assert draw(conn, settings, midnight + timedelta(minutes=9))["messages"] == 0
    set_age(settings, midnight + timedelta(minutes=9), seconds=0)
    assert not is_due(conn, settings, at=midnight + timedelta(minutes=9))
    assert is_due(conn, settings, at=midnight + timedelta(minutes=10))
    assert draw(conn, settings, midnight + timedelta(minutes=10))["messages"] == 1
    [first, second] = sorted(Path(settings.outbox_dir).glob("*.md"))
    assert "Data quality 2024-01-02" in first.read_text()
    assert "Yesterday: 1,340 of 2,820 minutes stored" in first.read_text()
    assert "Data quality 2024-01-03" in second.read_text()
    assert "Yesterday: 1,440 of 2,880 minutes stored" in second.read_text()


def test_only_checks_of_late_are_shown(conn: Connection, settings: Settings) -> None:
    conn.execute(
        "INSERT INTO ledger.quality_run (checkpoint, suite, dataset, batch, rows, expectations, "
        "failed_block, failed_warn, failed_info, success, engine, run_at) SELECT 'gate', suite, "
        "'candle_1m', '', 1, 1, 0, 0, 0, true, 'x', %s::timestamptz - age FROM (VALUES "
        "('old_suite', interval '31 days'), ('new_suite', interval '1 day')) AS v (suite, age)",
        (AT + timedelta(days=60),),
    )
    draw(conn, settings, AT + timedelta(days=60))
    html = (Path(settings.quality_dir) / PAGE).read_text(encoding="utf-8")
    assert "new_suite" in html
    assert "old_suite" not in html


def test_the_page_holds_what_the_ledger_says(conn: Connection, settings: Settings) -> None:
    draw(conn, settings)
    told = figures(settings)
    assert (told["first_day"], told["days"]) == ("2024-01-01", 3)
    assert [row["symbol"] for row in told["rows"]] == ["BTCUSDT", "ETHUSDT"]  # type: ignore[attr-defined]
    vectors = told["vectors"]
    first, days = told["cells"]["1m"][0][:2]  # type: ignore[index]
    assert days == 1
    assert dict(zip(vectors[first][::2], vectors[first][1::2], strict=True)) == {  # type: ignore[index]
        CODES["present"]: 1340,
        CODES["outage"]: 60,
        CODES["unknown"]: 40,
    }
    assert told["refused"]["names"] == ["</script><script>alert(1)//"]  # type: ignore[index]
    html = (Path(settings.quality_dir) / PAGE).read_text(encoding="utf-8")
    assert "Open gaps nobody has explained" in html
    assert "2024-01-01 11:40" in html
    assert html.count("<script") == html.count("</script>") == 2


def test_candles_that_may_still_come_are_not_shown_as_missing(
    conn: Connection, settings: Settings
) -> None:
    # Loaded up to three hours of the third day: 15 minutes are missing, 10 of them too young.
    draw(conn, settings, START + timedelta(days=2, hours=3, minutes=15))
    told = figures(settings)
    last = told["cells"]["1m"][0][-2]  # type: ignore[index]
    vector = told["vectors"][last]  # type: ignore[index]
    assert dict(zip(vector[::2], vector[1::2], strict=True)) == {
        CODES["present"]: 180,
        CODES["not_loaded"]: 5,
    }


def test_only_so_many_days_are_shown(conn: Connection, tmp_path: Path) -> None:
    settings = Settings(
        quality_dir=str(tmp_path / "quality"), outbox_dir=str(tmp_path / "outbox"), quality_days=2
    )
    draw(conn, settings)
    assert (figures(settings)["first_day"], figures(settings)["days"]) == ("2024-01-02", 2)


def test_with_nothing_loaded_nothing_is_drawn(loader_dsn: str, settings: Settings) -> None:
    with connect(loader_dsn, application="test", autocommit=True) as conn:
        assert draw(conn, settings) == {"pages": 0, "instruments": 0, "messages": 0}
    assert not Path(settings.quality_dir).exists()


def test_it_is_due_when_the_day_is_untold_or_the_page_is_old(
    conn: Connection, settings: Settings
) -> None:
    now = datetime.now(UTC)
    assert is_due(conn, settings, at=now)
    draw(conn, settings, now)
    assert not is_due(conn, settings, at=now)
    set_age(settings, now, seconds=3601)
    assert is_due(conn, settings, at=now)
    set_age(settings, now, seconds=0)
    conn.execute("UPDATE report.publication SET event_key = 'quality:2020-01-01'")
    assert is_due(conn, settings, at=now)


def test_it_is_due_when_history_was_loaded_since(conn: Connection, settings: Settings) -> None:
    now = datetime.now(UTC)
    draw(conn, settings, now)
    conn.execute("UPDATE ledger.load SET recorded_at = %s", (now - timedelta(seconds=30),))
    set_age(settings, now, seconds=61)
    assert is_due(conn, settings, at=now)
    conn.execute("UPDATE ledger.load SET rows_in = 1439, rows_inserted = 1439")
    assert not is_due(conn, settings, at=now)
    conn.execute("UPDATE ledger.load SET rows_in = 1440, rows_inserted = 1440")
    set_age(settings, now, seconds=59)
    assert not is_due(conn, settings, at=now)
    set_age(settings, now, seconds=61)
    conn.execute("UPDATE ledger.load SET recorded_at = %s", (now - timedelta(seconds=90),))
    assert not is_due(conn, settings, at=now)


def set_age(settings: Settings, now: datetime, *, seconds: float) -> None:
    drawn_s = now.timestamp() - seconds
    os.utime(Path(settings.quality_dir) / PAGE, (drawn_s, drawn_s))


def test_history_half_loaded_is_shown_and_not_told_of(conn: Connection, settings: Settings) -> None:
    register_landing(
        conn, venue="binance_spot", symbol="ETHUSDT", timeframe="1m", span=minutes(0, 9),
        path="waiting", rows=9, payload_sha256=sha(9), source="rest", run_id="r",
    )  # fmt: skip
    assert draw(conn, settings) == {"pages": 1, "instruments": 2, "messages": 0}
    conn.execute(
        "UPDATE ledger.landing SET state = 'held', checked_at = now() WHERE load_id IS NULL"
    )
    assert draw(conn, settings)["messages"] == 1


def test_a_message_that_did_not_go_out_is_tried_again_and_the_page_stands(
    conn: Connection, settings: Settings
) -> None:
    class Broken:
        def send(self, message: Message) -> Receipt:
            raise NotifyError("no answer")

    with pytest.raises(NotifyError):
        draw_quality(conn, settings, Broken(), at=AT)
    assert (Path(settings.quality_dir) / PAGE).exists()
    assert draw(conn, settings)["messages"] == 1


def test_a_folder_that_cannot_be_written_is_named(conn: Connection, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = Settings(quality_dir=str(tmp_path / "file"), outbox_dir=str(tmp_path / "outbox"))
    with pytest.raises(InvalidInputError, match="quality_dir"):
        draw(conn, settings)


def test_data_docs_are_linked_once_they_are_there(conn: Connection, settings: Settings) -> None:
    draw(conn, settings)
    page = Path(settings.quality_dir) / PAGE
    assert "data_docs" not in page.read_text()
    docs = Path(settings.quality_dir) / "data_docs"
    docs.mkdir()
    (docs / "index.html").write_text("docs")
    draw(conn, settings)
    assert '<a href="data_docs/index.html">Data Docs</a>' in page.read_text()
