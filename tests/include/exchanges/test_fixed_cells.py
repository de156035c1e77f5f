"""Eight digits at a time, and nothing that ``float`` and ``int`` would read otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from include.exchanges.fixed_cells import FixedLayout, FixedReader

PLAIN = FixedReader(FixedLayout(("whole", "decimal", "decimal", "whole"), last=b"0"))
QUOTED = FixedReader(
    FixedLayout(("whole", "decimal", "decimal"), last=b'"0"]', opening=b"[", quoted=True)
)
DIGITS = st.text("0123456789", min_size=1, max_size=16)
DECIMALS = st.builds("{}.{}".format, DIGITS, st.text("0123456789", min_size=1, max_size=8))
WHOLES = st.integers(0, 10**16 - 1).map(str)
ROWS = st.lists(st.tuples(WHOLES, DECIMALS, DECIMALS, WHOLES), min_size=1, max_size=6)


def plain(*rows: tuple[str, ...]) -> bytes:
    return "".join(",".join([*row, "0"]) + "," for row in rows).encode()


@given(ROWS)
@example([("1", "90071992.54740993", "90000000.00000001", "2")])
@example([("1", "9007199254740993.0", "0.1", "9007199254740993")])
@example([("1", "89999999.99999999", "0000000000000001.5", "0")])
def test_numbers_come_out_as_python_reads_them(rows: list[tuple[str, str, str, str]]) -> None:
    found = PLAIN.read(plain(*rows))
    assert found is not None
    assert found.wholes.T.tolist() == [[int(row[0]), int(row[3])] for row in rows]
    assert found.decimals.T.tolist() == [[float(row[1]), float(row[2])] for row in rows]


def test_ends_tell_where_rows_end() -> None:
    text = plain(("1", "1.5", "2.5", "3"), ("10", "10.5", "2.5", "3"))
    found = PLAIN.read(text)
    assert found is not None
    assert found.ends.tolist() == [text.index(b",0,") + 2, len(text) - 1]


@pytest.mark.parametrize(
    "cell", ["", "-1", "+1", " 1", "1 ", "1e2", "x", "01", "1_0", "12345678901234567", "1.0"]
)
@pytest.mark.parametrize("column", [0, 3])
def test_any_other_whole_number_is_left_alone(column: int, cell: str) -> None:
    row = ["1", "1.5", "2.5", "3"]
    row[column] = cell
    assert PLAIN.read(plain(tuple(row), ("1", "1.5", "2.5", "3"))) is None


@pytest.mark.parametrize(
    "cell",
    [
        "", "1", "1.", ".5", ".", "1..5", "1.2.3", "-1.5", "1,5", "1.5e3", "1.5 ", "\u0661.5",
        "1.123456789", "12345678901234567.0", "nan", "1:5", "1/5", "1.\x005",
    ],
)  # fmt: skip
@pytest.mark.parametrize("row", [0, 1])
def test_any_other_decimal_is_left_alone(row: int, cell: str) -> None:
    rows = [("1", "1.5", "2.5", "3"), ("1", "1.5", "2.5", "3")]
    rows[row] = ("1", "1.5", cell, "3")
    assert PLAIN.read(plain(*rows)) is None


SOUND = b'[1,"1.5","2.5","0"],[2,"1.5","2.5","0"],'


@given(st.integers(0, len(SOUND) - 1), st.integers(0, 255))
@example(SOUND.index(b","), ord("."))
@example(SOUND.index(b"."), ord(","))
@example(SOUND.index(b'"'), ord("0"))
def test_a_changed_byte_is_either_a_changed_digit_or_left_alone(at: int, byte: int) -> None:
    changed = SOUND[:at] + bytes([byte]) + SOUND[at + 1 :]
    found = QUOTED.read(changed)
    is_digit = 48 <= SOUND[at] <= 57 and 48 <= byte <= 57
    if found is None:
        assert changed != SOUND
        return
    assert changed == SOUND or is_digit
    cells = [row.strip('[]"').split(",") for row in changed[:-1].decode().split(",[")]
    assert found.wholes[0].tolist() == [int(row[0]) for row in cells]
    assert found.decimals.T.tolist() == [
        [float(cell.strip('"')) for cell in row[1:3]] for row in cells
    ]


@given(st.permutations(list(range(len(SOUND)))))
@example([*range(4), 5, 4, *range(6, len(SOUND))])
def test_the_right_bytes_in_another_order_are_left_alone(order: list[int]) -> None:
    changed = bytes(SOUND[at] for at in order)
    same = bytes(48 if 48 <= byte <= 57 else byte for byte in changed)
    if same != bytes(48 if 48 <= byte <= 57 else byte for byte in SOUND):
        assert QUOTED.read(changed) is None


@given(st.integers(0, len(SOUND) - 2), st.integers(0, len(SOUND) - 2))
@example(SOUND.index(b","), SOUND.index(b"."))
@example(SOUND.index(b"["), SOUND.index(b'"'))
def test_two_bytes_in_each_others_place_are_left_alone(one: int, other: int) -> None:
    changed = bytearray(SOUND)
    changed[one], changed[other] = changed[other], changed[one]
    if bytes(changed) != SOUND and not all(48 <= SOUND[at] <= 57 for at in (one, other)):
        assert QUOTED.read(bytes(changed)) is None


@pytest.mark.parametrize("text", [b"", b",", b"1", SOUND[:-1], SOUND + b"1", SOUND[1:], SOUND * 0])
def test_rows_that_are_not_whole_are_left_alone(text: bytes) -> None:
    assert QUOTED.read(text) is None


def test_bytes_behind_the_last_row_are_not_overlooked() -> None:
    sound = plain(("1", "1.5", "2.5", "3"))
    assert PLAIN.read(sound) is not None
    assert PLAIN.read(sound + b"1") is None


def test_a_page_long_enough_for_every_vector_path_is_exact() -> None:
    random = np.random.default_rng(11)
    units = random.integers(1, 10 ** random.integers(1, 17, 3000))
    cells = [f"{unit // 10**8}.{unit % 10**8:08d}" for unit in units.tolist()]
    found = PLAIN.read(plain(*(("1", cell, cell, "2") for cell in cells)))
    assert found is not None
    assert found.decimals[0].tolist() == found.decimals[1].tolist() == [float(c) for c in cells]
