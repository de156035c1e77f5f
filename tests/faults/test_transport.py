"""R1 to R12 and R41: refusals, and damage on the way."""

from __future__ import annotations

from contextlib import closing

import pytest

from include.exchanges.binance_spot.client import BinanceSpot
from include.exchanges.binance_usdm.client import BinanceUsdm
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.market.errors import (
    AccessDeniedError,
    BannedError,
    RateLimitedError,
    RetryableError,
    SourceUnavailableError,
)
from include.market.rate_limit import RateLimit
from include.market.timeframe import M1
from tests.faults.conftest import Open
from tests.support.fault_lab import (
    NIGHT,
    YESTERDAY,
    Lab,
    assert_complete,
    count,
    on_pages,
    run_through,
    settle,
    survive,
)
from tests.support.ports import free_port
from tests.support.river import River, open_client

SPOT = RateLimit("binance_spot", 10**9)


def impatient(url: str, *, deadline_s: float, attempts: int = 4) -> HttpClient:
    """Return a client that soon gives an answer up; a slow machine may cost it some, not all."""
    settings = HttpSettings(
        deadline_s=deadline_s, attempts=attempts, backoff_base_s=0.01, backoff_cap_s=0.02
    )
    return HttpClient(url, settings, governor=LocalGovernor(SPOT))


def no_sleep(seconds: float) -> None:
    raise AssertionError(f"a worker was held for {seconds} s")


@pytest.mark.parametrize("form", ["seconds", "http_date"])
def test_r01_nobody_asks_while_the_venue_wants_rest(lab: Lab, river: River, form: str) -> None:
    river.sync()
    lab.forget()
    lab.break_things(on_pages("rate_limited", times=1, retry_after_s=1, form=form))
    governor = LocalGovernor(SPOT, longest_wait_s=20)
    with closing(HttpClient(lab.url, HttpSettings(), governor=governor)) as client:
        river.source = BinanceSpot(client)
        run_through(river, run_id="one")
    hits = lab.hits()
    assert [hit["status"] for hit in hits].count(429) == 1
    assert [hit["serial"] for hit in hits if hit["pause_age_ms"] is not None] == []
    # The pause was sat out within the run: neither an error nor a try was spent on it.
    assert_complete(river)


def test_r01_a_refusal_that_names_no_time_pauses_the_usual_minute(lab: Lab, river: River) -> None:
    river.sync()
    governor = LocalGovernor(SPOT, sleep=no_sleep, longest_wait_s=30)
    lab.break_things(on_pages("rate_limited_mute", times=1))
    with closing(HttpClient(lab.url, HttpSettings(), governor=governor)) as client:
        river.source = BinanceSpot(client)
        with pytest.raises(RateLimitedError) as caught:
            run_through(river, run_id="one")
    assert 50 < (caught.value.retry_after_s or 0) <= 60


def test_r02_a_pause_nobody_can_sit_out_frees_the_worker_at_once(lab: Lab, river: River) -> None:
    river.sync()
    lab.forget()
    lab.break_things(on_pages("rate_limited_long"))
    governor = LocalGovernor(SPOT, sleep=no_sleep)
    with closing(HttpClient(lab.url, HttpSettings(), governor=governor)) as client:
        river.source = BinanceSpot(client)
        with pytest.raises(RateLimitedError) as caught:
            run_through(river, run_id="lasting")
        # Not what was asked for, eleven days, but the longest that we take anybody's word for.
        assert 3_540 < (caught.value.retry_after_s or 0) <= 3_600
        asked = len(lab.hits())
        assert [hit["status"] for hit in lab.hits()].count(429) == 1
        # Whoever comes back too early is refused here, not there.
        with pytest.raises(RateLimitedError):
            river.backfill(NIGHT, run_id="early")
        assert len(lab.hits()) == asked
    assert count(river, "market.candle_1m") == 0
    lab.lift()
    river.source = BinanceSpot(river.client)
    run_through(river, run_id="passed")
    assert_complete(river)


def test_r03_a_ban_silences_everyone_behind_the_governor(lab: Lab, river: River) -> None:
    river.sync()
    lab.forget()
    lab.break_things(on_pages("banned", ban_s=120.0))
    governor = LocalGovernor(SPOT)
    with (
        closing(HttpClient(lab.url, HttpSettings(), governor=governor)) as one,
        closing(HttpClient(lab.url, HttpSettings(), governor=governor)) as other,
    ):
        river.source = BinanceSpot(one)
        with pytest.raises(BannedError) as caught:
            run_through(river, run_id="lasting")
        assert caught.value.is_new
        assert 110 < (caught.value.retry_after_s or 0) <= 120
        asked = len(lab.hits())
        river.source = BinanceSpot(other)
        for attempt in range(3):
            with pytest.raises(BannedError) as again:
                run_through(river, run_id=f"try-{attempt}")
            assert not again.value.is_new
    hits = lab.hits()
    assert len(hits) == asked
    assert [hit["status"] for hit in hits].count(418) == 1
    assert not any(hit["during_ban"] for hit in hits)
    assert count(river, "market.candle_1m") == 0
    lab.lift()
    river.source = BinanceSpot(river.client)
    run_through(river, run_id="passed")
    assert_complete(river)


@pytest.mark.parametrize(("fault", "status"), [("forbidden_html", 403), ("geo_blocked", 451)])
def test_r04_a_closed_door_is_knocked_at_once(
    lab: Lab, river: River, fault: str, status: int
) -> None:
    river.sync()
    lab.forget()
    lab.break_things(on_pages(fault))
    with pytest.raises(AccessDeniedError, match=f"HTTP {status}"):
        run_through(river, run_id="lasting")
    assert [hit["status"] for hit in lab.hits()].count(status) == 1
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)


@pytest.mark.parametrize("form", ["json", "html"])
def test_r05_server_errors_are_tried_again_but_not_for_ever(
    lab: Lab, river: River, form: str
) -> None:
    rule = on_pages("server_error", status=503, form=form)
    survive(lab, river, rule, error=SourceUnavailableError, times=4)


def test_r05_a_long_burst_of_errors_costs_five_requests(lab: Lab, river: River) -> None:
    river.sync()
    lab.forget()
    lab.break_things(on_pages("server_error", status=500, times=50))
    with pytest.raises(SourceUnavailableError, match="HTTP 500"):
        river.backfill(NIGHT, run_id="one")
    assert lab.fired() == {"server_error": 5}


def test_r06_truncated_body(lab: Lab, river: River) -> None:
    survive(lab, river, on_pages("truncated_length"), error=SourceUnavailableError)


def test_r06_truncated_body_of_futures(lab: Lab, open_river: Open) -> None:
    client = open_client(lab.url)
    river = open_river(source=BinanceUsdm(client), client=client)
    rule = on_pages("truncated_length", venue="usdm", keep=0.9)
    survive(lab, river, rule, error=SourceUnavailableError)


@pytest.mark.parametrize("fault", ["truncated_length", "truncated_zip", "wrong_checksum"])
def test_r06_a_damaged_archive_file_is_asked_for_again(
    lab: Lab, open_river: Open, fault: str
) -> None:
    river = open_river(with_archive=True)
    assert river.archive is not None
    river.archive._sleep = lambda _: None
    rule = on_pages(fault, venue="archive", span=YESTERDAY, keep=0.9)
    if fault != "truncated_length":
        del rule["keep"]
    if fault == "wrong_checksum":
        rule["route"] = "/data/*.CHECKSUM"
    survive(lab, river, rule, error=SourceUnavailableError, span=YESTERDAY)


def test_r06_a_flipped_bit_in_a_zip_is_found_by_its_checksum(lab: Lab, open_river: Open) -> None:
    river = open_river(with_archive=True)
    assert river.archive is not None
    river.archive._sleep = lambda _: None
    rule = on_pages("corrupt_zip", venue="archive", span=YESTERDAY)
    survive(lab, river, rule, error=SourceUnavailableError, span=YESTERDAY)


def test_r07_truncated_chunked_body(lab: Lab, river: River) -> None:
    survive(lab, river, on_pages("truncated_chunked"), error=SourceUnavailableError)


def test_r08_reset_in_the_middle_of_a_body(lab: Lab, river: River) -> None:
    survive(lab, river, on_pages("reset_mid_body"), error=SourceUnavailableError, times=3)


def test_r09_cut_body_without_any_frame(lab: Lab, river: River) -> None:
    survive(lab, river, on_pages("cut_invalid_json"), error=SourceUnavailableError)


def test_r11_a_body_that_drips_is_given_up_at_the_deadline(lab: Lab, open_river: Open) -> None:
    client = impatient(lab.url, deadline_s=1.5)
    river = open_river(client=client)
    rule = on_pages("slow_loris", gap_s=0.05)
    message = survive(lab, river, rule, error=SourceUnavailableError, times=1)
    assert "no whole answer in 1.5 s" in message


def test_r12_a_silent_server_is_given_up_at_the_deadline(lab: Lab, open_river: Open) -> None:
    river = open_river(client=impatient(lab.url, deadline_s=1.5))
    message = survive(lab, river, on_pages("silent"), error=SourceUnavailableError, times=1)
    assert "no whole answer in 1.5 s" in message


def test_r12_an_answer_that_comes_too_late_is_nobodys(lab: Lab, open_river: Open) -> None:
    """What was given up must not be read as the answer to the next request."""
    river = open_river(client=impatient(lab.url, deadline_s=1.5, attempts=6))
    river.sync()
    lab.break_things(on_pages("late_answer", times=2, delay_s=3.0))
    run_through(river, run_id="one")
    assert lab.fired() == {"late_answer": 2}
    assert_complete(river)


@pytest.mark.parametrize(
    "rule", [{"fault": "refuse_connection"}, {"fault": "refuse_connection", "reset": True},
             {"fault": "tls_garbage"}]
)  # fmt: skip
def test_r41_a_connection_that_fails(lab: Lab, river: River, rule: dict[str, object]) -> None:
    survive(lab, river, on_pages(**rule), error=SourceUnavailableError)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{closed}", "https://127.0.0.1:{open}", "http://venue.invalid"]
)
def test_r41_no_venue_at_the_address_is_passing_trouble_told_without_the_query(
    lab: Lab, river: River, url: str
) -> None:
    """Refused, no TLS, no such name: the message names the host and path, never the query."""
    river.sync()
    address = url.format(closed=free_port(), open=lab.url.rsplit(":", 1)[1])
    with closing(impatient(address, deadline_s=2.0)) as client:
        source = BinanceSpot(client)
        with pytest.raises(RetryableError) as caught:
            source.first_open_ms("BTCUSDT", M1)
    message = str(caught.value)
    assert "/api/v3/klines" in message
    assert "BTCUSDT" not in message
    assert "?" not in message.split(";")[0]
    settle(river, run_id="nothing")
    assert count(river, "market.candle_1m") == 0
