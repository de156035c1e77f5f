"""What is read quickly equals what Arrow reads; anything unusual is left to Arrow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.exchanges.binance_archive import plain_lines
from include.exchanges.binance_archive.parse import KLINE_NAMES
from include.exchanges.binance_archive.plain_lines import read_plain_klines
from include.exchanges.csv_columns import CellKind, CsvLayout, read_block

KINDS: dict[str, CellKind] = {
    **dict.fromkeys(KLINE_NAMES[1:-1], "number"),
    "open_time": "whole",
    "close_time": "whole",
}
LAYOUT = CsvLayout(KLINE_NAMES, KINDS)
PRICES = st.decimals(0, 10**9, places=8).map(lambda value: f"{value:.8f}")
TIMES = st.integers(10**11, 10**16 - 1)
LINES = st.lists(
    st.tuples(TIMES, *[PRICES] * 5, TIMES, PRICES, st.integers(0, 10**7), PRICES, PRICES),
    min_size=1,
    max_size=8,
).map(lambda rows: ["".join(f"{cell}," for cell in row) + "0" for row in rows])
SOUND = "1751328000000,1.5,1.5,1.5,1.5,2.5,1751328059999,3.5,7,1.5,2.5,0"


@given(LINES, st.sampled_from(["", "\n"]), st.sampled_from([1, 200, 1 << 17]))
def test_plain_lines_read_as_arrow_reads_them(lines: list[str], end: str, block: int) -> None:
    text = ("\n".join(lines) + end).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_lines, "_BLOCK_BYTES", block)
        quick = read_plain_klines(text)
    slow = read_block(text, LAYOUT, most_damaged=0)
    assert quick is not None
    assert quick.lines == slow.lines
    for name in KINDS:
        assert quick.columns[name].dtype == slow.columns[name].dtype, name
        assert quick.columns[name].tobytes() == slow.columns[name].tobytes(), name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{SOUND}\n\n{SOUND}\n",
        f"{SOUND}\r\n{SOUND}\r\n",
        f"{SOUND}\n{SOUND[:-2]}\n",
        f"{SOUND},{SOUND}\n",
        f"{SOUND[:-2]}\n0,{SOUND}\n",
        f"{SOUND},\n{SOUND}\n",
        SOUND.replace("7,", "7.0,", 1),
        SOUND.replace("3.5", "3,5"),
        SOUND.replace("3.5", '"3.5"'),
        SOUND.replace("3.5", "1e5"),
        SOUND[:-1] + "17.5",
    ],
)
def test_unusual_lines_are_left_to_arrow(text: str) -> None:
    assert read_plain_klines(text.encode()) is None
