from typing import Any

import numpy as np
import pandas as pd
import pytest

from include.market.candle import LANDED_COLUMNS, VALUE_COLUMNS
from include.market.errors import ContractError
from include.quality.landed import normalise_landed
from tests.include.quality.landed_frames import sound_frame


def test_types_are_exact_and_the_input_is_left_alone() -> None:
    frame = sound_frame(3)
    frame["trade_count"] = frame["trade_count"].astype("int64")
    frame["extra"] = 1
    frame.index = pd.Index([7, 7, 8])
    before = frame.copy(deep=True)

    batch = normalise_landed(frame)

    assert list(batch.columns) == list(LANDED_COLUMNS)
    assert batch.index.equals(pd.RangeIndex(3))
    assert {str(batch[name].dtype) for name in VALUE_COLUMNS} == {"float64"}
    assert {str(batch[name].dtype) for name in ("open_time", "close_time")} == {
        "datetime64[us, UTC]"
    }
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_other_units_and_zones_are_the_same_instants(unit: str, zone: str) -> None:
    frame = sound_frame(2)
    expected = frame["open_time"].copy()
    frame["open_time"] = frame["open_time"].dt.tz_convert(zone).dt.as_unit(unit)
    assert normalise_landed(frame)["open_time"].tolist() == expected.tolist()


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ContractError, match="lacks quote_volume, raw: expected"):
        normalise_landed(sound_frame(1).drop(columns=["quote_volume", "raw"]))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("close", ["1.0", "2.0"]),
        ("close", [True, False]),
        ("trade_count", [1 + 2j, 1j]),
        ("open_time", [1_690_848_000_000, 1_690_848_060_000]),
        ("close_time", pd.to_datetime(["2023-08-01", "2023-08-02"])),
        ("open_time", pd.to_datetime([1, 60_000_000_000], utc=True)),
    ],
)
def test_a_wrong_type_is_named_with_its_column(column: str, values: Any) -> None:
    frame = sound_frame(2)
    frame[column] = values
    with pytest.raises(ContractError, match=f"column {column}: expected"):
        normalise_landed(frame)


def test_nullable_and_all_missing_columns_become_nan_and_nat() -> None:
    frame = sound_frame(2)
    frame["volume"] = pd.array([1, None], dtype="Int64")
    frame["close"] = pd.Series([None, None], dtype=object)
    frame["open_time"] = pd.Series([None, None], dtype=object)
    batch = normalise_landed(frame)
    assert batch["volume"].iloc[0] == 1.0
    assert np.isnan(batch["volume"].iloc[1])
    assert batch["close"].isna().all()
    assert batch["open_time"].isna().all()


def test_an_untyped_empty_frame_is_legal() -> None:
    batch = normalise_landed(pd.DataFrame(columns=list(LANDED_COLUMNS)))
    assert len(batch) == 0
    assert str(batch["close_time"].dtype) == "datetime64[us, UTC]"
