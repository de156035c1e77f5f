"""R13 to R20 and R34 to R38: answers that are no market data, or in another form than agreed."""

from __future__ import annotations

import hashlib
import resource
from contextlib import closing

import pytest

from include.exchanges.binance_archive.client import BinanceArchive
from include.exchanges.binance_spot.client import BinanceSpot
from include.exchanges.ccxt_venue.client import CcxtSource
from include.exchanges.drift import OnceLog
from include.exchanges.governor import LocalGovernor
from include.exchanges.http import HttpClient, HttpSettings
from include.market.errors import ContractError, FinalError, SourceUnavailableError
from include.market.rate_limit import RateLimit
from include.simulator.faults.byte_faults import zip_bomb
from include.warehouse.schema_drift import StoredDriftLog
from tests.faults.conftest import Open
from tests.support.fault_lab import (
    NIGHT,
    YESTERDAY,
    Lab,
    assert_complete,
    count,
    on_pages,
    quarantine,
    run_through,
    survive,
)
from tests.support.http_server import answer, serve
from tests.support.river import River, open_client

MOST_GROWTH_KB = 120 * 1024
"""Less than half of what the bombs here unpack to."""


def memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_r13_a_web_page_instead_of_candles(lab: Lab, river: River) -> None:
    message = survive(lab, river, on_pages("html_200"), error=SourceUnavailableError)
    assert "text/html" in message
    assert "under maintenance" in message


def test_r14_numbers_that_json_forbids(lab: Lab, river: River) -> None:
    rules = [on_pages(fault) for fault in ("json_nan", "json_infinity", "json_overflow")]
    survive(lab, river, *rules, error=SourceUnavailableError, times=1)


def test_r14_numbers_that_json_forbids_through_ccxt(lab: Lab, open_river: Open) -> None:
    governor = LocalGovernor(RateLimit("ccxt:binance", 10**9))
    settings = HttpSettings(attempts=3, backoff_base_s=0.01, backoff_cap_s=0.02)
    opened = CcxtSource("binance", governor=governor, settings=settings, base_url=lab.url)
    with closing(opened) as source:
        river = open_river("BTC/USDT", source=source)
        survive(lab, river, on_pages("json_nan"), error=SourceUnavailableError)


def test_r15_an_integer_of_five_thousand_digits(lab: Lab, river: River) -> None:
    message = survive(lab, river, on_pages("huge_integer"), error=SourceUnavailableError)
    assert len(message) < 500


def test_r16_a_hundred_thousand_levels(lab: Lab, river: River) -> None:
    message = survive(lab, river, on_pages("deep_nesting"), error=SourceUnavailableError)
    assert len(message) < 500


def test_r17_a_gzip_bomb_is_not_unpacked(lab: Lab, river: River) -> None:
    river.sync()
    lab.forget()
    before_kb = memory_kb()
    lab.break_things(on_pages("gzip_bomb", megabytes=300))
    with pytest.raises(FinalError, match="unpacked"):
        river.backfill(NIGHT, run_id="lasting")
    assert memory_kb() - before_kb < MOST_GROWTH_KB
    assert lab.fired() == {"gzip_bomb": 1}
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)


def test_r17_a_zip_bomb_that_its_checksum_denies_is_not_even_opened(
    lab: Lab, open_river: Open
) -> None:
    river = open_river(with_archive=True)
    assert river.archive is not None
    river.archive._sleep = lambda _: None
    rule = on_pages("zip_bomb", venue="archive", span=YESTERDAY, megabytes=300)
    survive(lab, river, rule, error=SourceUnavailableError, span=YESTERDAY)


def test_r17_a_zip_bomb_with_its_own_checksum_is_not_unpacked(lab: Lab, river: River) -> None:
    name = f"BTCUSDT-1m-{YESTERDAY.start_time:%Y-%m-%d}"
    bomb = zip_bomb(f"{name}.csv", 300)
    checksum = f"{hashlib.sha256(bomb).hexdigest()}  {name}.zip\n".encode()
    river.sync()
    with serve(
        answer(checksum, kind="binary/octet-stream"), answer(bomb, kind="application/zip")
    ) as archive, closing(open_client(archive.base_url)) as client:  # fmt: skip
        river.archive = BinanceArchive(client, market="spot")
        before_kb = memory_kb()
        with pytest.raises(ContractError, match="unpacks to over"):
            river.backfill(YESTERDAY, run_id="lasting")
        assert memory_kb() - before_kb < MOST_GROWTH_KB
    assert len(archive.requests) == 2
    assert count(river, "ledger.landing") == 0


def test_r18_a_body_without_end_is_given_up_at_the_cap(lab: Lab, open_river: Open) -> None:
    settings = HttpSettings(attempts=3, max_bytes=2_000_000)
    client = HttpClient(lab.url, settings, governor=LocalGovernor(RateLimit("binance_spot", 10**9)))
    river = open_river(client=client)
    river.sync()
    lab.forget()
    lab.break_things(on_pages("endless_body"))
    with pytest.raises(FinalError, match="kept sending"):
        river.backfill(NIGHT, run_id="lasting")
    assert lab.fired() == {"endless_body": 1}
    (sent,) = [hit["bytes"] for hit in lab.wait_until_done() if hit["faults"]]
    # The cap, and what lay in buffers when the client left.
    assert sent < 20_000_000
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)


def test_r19_no_other_host_is_ever_contacted(lab: Lab, river: River) -> None:
    river.sync()
    with serve(answer(b"[]")) as elsewhere:
        location = f"{elsewhere.base_url}/token-in-the-path"
        for status in (301, 302, 303, 307, 308):
            lab.break_things(on_pages("redirect", status=status, location=location))
            with pytest.raises(FinalError, match="not followed") as caught:
                river.backfill(NIGHT, run_id="lasting")
            assert "token" not in str(caught.value)
            assert lab.fired() == {"redirect": 1}
            lab.lift()
        assert elsewhere.connections == 0
    assert count(river, "ledger.landing") == 0


def test_r19_no_file_is_read_for_a_redirect(lab: Lab, river: River) -> None:
    river.sync()
    lab.break_things(on_pages("redirect", location="file:///etc/hostname"))
    with pytest.raises(FinalError, match="not followed"):
        river.backfill(NIGHT, run_id="lasting")
    lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)


def test_r19_neither_through_ccxt(lab: Lab, open_river: Open) -> None:
    governor = LocalGovernor(RateLimit("ccxt:binance", 10**9))
    with (
        serve(answer(b"[]")) as elsewhere,
        closing(CcxtSource("binance", governor=governor, base_url=lab.url)) as source,
    ):
        lab.break_things({"fault": "redirect", "location": elsewhere.base_url})
        with pytest.raises(FinalError):
            source.server_time_ms()
        assert elsewhere.connections == 0


def test_r20_bytes_that_are_no_plain_utf8(lab: Lab, river: River) -> None:
    rules = [on_pages("bom"), on_pages("latin1")]
    survive(lab, river, *rules, error=SourceUnavailableError)


def test_r34_an_added_field_is_ignored_and_told_once(lab: Lab, river: River) -> None:
    drift = OnceLog(StoredDriftLog(river.conn))
    told: list[bool] = []

    def note(endpoint: str, field: str) -> None:
        told.append(drift.note("binance_spot", endpoint, field, "added"))

    river.source = BinanceSpot(river.client, note)
    river.sync()
    lab.break_things({"fault": "added_field"})
    run_through(river, run_id="one")
    assert lab.fired()["added_field"] > 3
    assert len(told) > 100
    assert sum(told) == 1
    rows = river.conn.execute("SELECT venue, endpoint, field, kind FROM ledger.schema_drift")
    assert rows.fetchall() == [("binance_spot", "klines", "[12]", "added")]
    assert_complete(river)


def test_r35_a_removed_field_stops_the_run_before_any_write(lab: Lab, river: River) -> None:
    fields = ("", "open", "close_time", 11)
    survive_contract(lab, river, *(on_pages("removed_field", field=field) for field in fields))


def test_r35_reference_data_without_a_field_we_need_changes_nothing(lab: Lab, river: River) -> None:
    for fault in ("removed_field", "renamed_field"):
        for route, field in (("/api/v3/exchangeInfo", "status"), ("/api/v3/time", "serverTime")):
            lab.break_things({"fault": fault, "route": route})
            with pytest.raises(ContractError, match=field):
                river.sync()
            assert lab.fired() == {fault: 1}
            lab.lift()
    assert count(river, "market.venue") == 0
    assert river.sync()["inserted"] == 1


@pytest.mark.parametrize("fault", ["number_for_string", "string_for_number"])
def test_r36_numbers_may_come_as_texts_and_texts_as_numbers(
    lab: Lab, river: River, fault: str
) -> None:
    river.sync()
    lab.break_things({"fault": fault, "route": "/api/v3/klines"})
    said = run_through(river, run_id="one")
    assert lab.fired()[fault] > 3
    assert said["check"]["refused"] == 0
    assert_complete(river)


def test_r36_what_is_no_number_goes_to_quarantine(lab: Lab, river: River) -> None:
    values = ("true", "list", "null", "object", "word")
    rules = [
        on_pages("wrong_type", value=value, field="volume", row=7 * number, times=2)
        for number, value in enumerate(values, 1)
    ]
    quarantine(lab, river, *rules, expected={"not_a_number"})


def test_r36_a_time_that_is_no_number_is_another_format(lab: Lab, river: River) -> None:
    survive_contract(lab, river, on_pages("wrong_type", value="null", field="time"))


def test_r37_columns_that_changed_places_store_nothing(lab: Lab, river: River) -> None:
    pairs = [(2, 3), (5, 7), (5, 9), (7, 10), (0, 6), (1, 5), (4, 8)]
    rules = [on_pages("column_swap", first=first, second=second) for first, second in pairs]
    survive_contract(lab, river, *rules)


def test_r37_columns_that_changed_places_in_a_file(lab: Lab, open_river: Open) -> None:
    river = open_river(with_archive=True)
    river.sync()
    lab.break_things(on_pages("column_swap", venue="archive", span=YESTERDAY))
    with pytest.raises(ContractError, match="zip"):
        river.backfill(YESTERDAY, run_id="lasting")
    assert count(river, "ledger.landing") == 0
    assert count(river, "ledger.archive_file") == 0


def test_r38_a_repeated_key_is_damage(lab: Lab, river: River) -> None:
    rules = [
        {"fault": "duplicate_key", "route": route}
        for route in ("/api/v3/exchangeInfo", "/api/v3/time")
    ]
    for rule in rules:
        lab.break_things(rule)
        with pytest.raises(SourceUnavailableError, match="repeats a key"):
            river.sync()
        lab.lift()
    assert count(river, "market.venue") == 0
    lab.break_things(*({**rule, "times": 2} for rule in rules))
    assert river.sync()["inserted"] == 1
    assert lab.fired() == {"duplicate_key": 4}


def survive_contract(lab: Lab, river: River, *rules: dict[str, object]) -> None:
    """Assert that each changed format stops the run at its first answer, before any write."""
    river.sync()
    for rule in rules:
        lab.break_things(rule)
        with pytest.raises(ContractError):
            run_through(river, run_id="lasting")
        # Asking again cannot help, so nobody does.
        assert lab.fired() == {str(rule["fault"]): 1}
        assert count(river, "ledger.landing") == 0
        lab.lift()
    run_through(river, run_id="passed")
    assert_complete(river)
