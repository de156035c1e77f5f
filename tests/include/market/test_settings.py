from __future__ import annotations

import pytest

from include.market.errors import InvalidInputError
from include.market.settings import Settings, parse_settings


def test_by_default_no_month_is_retired() -> None:
    assert parse_settings("{}") == Settings()
    assert parse_settings("{}").retention_months == {}


def test_retention_is_a_number_of_months_per_table() -> None:
    settings = parse_settings('{"retention_months": {"trade": 12, "candle_1m": 36}}')
    assert settings.retention_months == {"trade": 12, "candle_1m": 36}


@pytest.mark.parametrize("months", ["0", "-1", "1.5", "true", '"12"', "null"])
def test_what_is_no_number_of_months_is_refused(months: str) -> None:
    with pytest.raises(InvalidInputError, match=r"retention_months\.trade: expected a number of m"):
        parse_settings(f'{{"retention_months": {{"trade": {months}}}}}')


def test_a_list_is_no_policy() -> None:
    with pytest.raises(InvalidInputError, match="retention_months: expected dict"):
        parse_settings('{"retention_months": ["trade"]}')


def test_landed_files_are_kept_for_a_while_at_least() -> None:
    with pytest.raises(InvalidInputError, match="landing_days: must be above zero"):
        parse_settings('{"landing_days": 0}')


def test_timeframes_of_features_are_a_list_of_labels() -> None:
    assert parse_settings("{}").feature_timeframes == []
    assert parse_settings('{"feature_timeframes": ["5m"]}').feature_timeframes == ["5m"]
    for wrong in ('"5m"', "[5]", "[null]"):
        with pytest.raises(InvalidInputError, match="feature_timeframes: expected"):
            parse_settings(f'{{"feature_timeframes": {wrong}}}')
