from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from include.simulator.keyed import (
    BlockCache,
    keyed_generator,
    keyed_normal,
    keyed_number,
    keyed_uniform,
)

keys = st.lists(st.integers(-(10**9), 10**9) | st.text(max_size=8), min_size=1, max_size=4)


def test_numbers_are_the_same_in_every_process_and_version() -> None:
    assert keyed_number(1, "a") == 0x15991986F157956A65359DB09E64AD09


@given(keys)
def test_uniforms_stay_inside_and_normals_are_finite(key: list[int | str]) -> None:
    assert 0.0 < keyed_uniform(*key) < 1.0
    assert abs(keyed_normal(*key)) < 9.0


def test_draws_follow_the_whole_key() -> None:
    assert keyed_uniform(1, "a") != keyed_uniform(2, "a") != keyed_uniform(1, "b")
    first = keyed_generator(1, "x", 5).random(3).tolist()
    assert first == keyed_generator(1, "x", 5).random(3).tolist()
    assert first != keyed_generator(1, "x", 6).random(3).tolist()


def test_normals_look_normal() -> None:
    draws = [keyed_normal(11, "n", number) for number in range(4_000)]
    mean = sum(draws) / len(draws)
    variance = sum(draw**2 for draw in draws) / len(draws)
    assert abs(mean) < 0.06
    assert abs(variance - 1.0) < 0.08


def test_the_cache_drops_what_was_used_longest_ago() -> None:
    cache: BlockCache[str, str] = BlockCache(2)
    built: list[str] = []

    def build(name: str) -> str:
        built.append(name)
        return name.upper()

    for name in ("a", "b", "a", "c", "a", "b"):
        assert cache.get(name, lambda name=name: build(name)) == name.upper()  # type: ignore[misc]
    assert built == ["a", "b", "c", "b"]


def test_a_cache_can_count_what_its_blocks_hold() -> None:
    cache: BlockCache[int, str] = BlockCache(10, weigh=len)
    built: list[int] = []

    def build(size: int) -> str:
        built.append(size)
        return "x" * size

    for size in (4, 6, 4, 6, 1, 6, 4, 99, 6):
        assert len(cache.get(size, lambda size=size: build(size))) == size  # type: ignore[misc]
    assert built == [4, 6, 1, 4, 99, 6]
