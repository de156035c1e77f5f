"""What loads must come to, as a dictionary: the loader's rules once more, without a database.

Time is counted in minutes after ``START`` (*places*); a candle is its one price; an *owner* is the
name the model gives an instrument, whatever symbols it bears.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

EXPLAINED = ("outage", "no_trade")
Row = tuple[int, int]


@dataclass(frozen=True)
class Word:
    """Who said something, and when: a source's rank (smaller outranks), a landing's order."""

    rank: int
    order: int


@dataclass(frozen=True)
class Landed:
    """A landing as the model knows it: rows are (place, price); ``reason`` is of what is absent."""

    symbol: str
    first: int
    last: int
    rows: tuple[Row, ...]
    source: str
    word: Word
    reason: str | None

    @property
    def places(self) -> range:
        """The minutes it speaks for."""
        return range(self.first, self.last)


@dataclass
class Alias:
    """What a symbol means from ``start`` (None: ever) until ``end`` (None: open)."""

    symbol: str
    owner: str
    start: int | None = None
    end: int | None = None

    def holds(self, place: int) -> bool:
        """Tell whether it is valid at ``place``."""
        return (self.start is None or self.start <= place) and (
            self.end is None or place < self.end
        )


@dataclass
class Stored:
    """A candle: what stands, who said so, what stood before."""

    price: int
    source: str
    word: Word
    revisions: list[int] = field(default_factory=list)


@dataclass
class Parked:
    """Rows of one load whose symbol meant nothing at their time."""

    landed: Landed
    rows: list[Row]

    def turn(self) -> tuple[str, int]:
        """Return what they are released by."""
        return self.landed.symbol, self.landed.word.order


@dataclass
class Fates:
    """What became of the rows of one load."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, other: Fates) -> None:
        """Add those of another load."""
        self.inserted += other.inserted
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.refused += other.refused

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """As the receipt has them: inserted, updated, unchanged, quarantined."""
        return self.inserted, self.updated, self.unchanged, self.refused.total()


class LoaderModel:
    """The warehouse as it must be; every method is something that can happen to it."""

    def __init__(self, symbols: dict[str, str]) -> None:
        """Know ``symbols`` and their owners, for ever."""
        self.aliases = [Alias(symbol, owner) for symbol, owner in symbols.items()]
        self.candles: dict[tuple[str, int], Stored] = {}
        self.confirmed: dict[tuple[str, int], list[Word]] = {}
        self.gaps: dict[tuple[str, int], str] = {}
        self.asked: set[tuple[str, int]] = set()
        self.rules: Counter[str] = Counter()
        self.parked: list[Parked] = []

    def owner_of(self, symbol: str, place: int) -> str | None:
        """Return what ``symbol`` means at ``place``."""
        return next((a.owner for a in self.aliases if a.symbol == symbol and a.holds(place)), None)

    def open_alias(self, symbol: str) -> Alias | None:
        """Return the alias ``symbol`` has without an end."""
        return next((a for a in self.aliases if a.symbol == symbol and a.end is None), None)

    def hand_over(self, old: str, new: str, owner: str | None, place: int) -> None:
        """From ``place`` on ``new`` means ``owner``, or with None what ``old`` meant before."""
        alias = self.open_alias(old)
        assert alias is not None
        alias.end = place
        self.aliases.append(Alias(new, owner or alias.owner, start=place))

    def list(self, symbol: str, owner: str) -> None:
        """Know ``symbol`` from now on, as what it has always meant."""
        self.aliases.append(Alias(symbol, owner))

    def load(self, one: Landed) -> Fates:
        """Store what ``one`` says as far as it counts, and settle what it does not say."""
        fates = self._judge(one, one.rows)
        self._settle(one, one.reason)
        return fates

    def release(self) -> Fates:
        """Load what waited for its symbol to mean something, in order of observation."""
        total = Fates()
        for waiting in sorted(self.parked, key=Parked.turn):
            one = waiting.landed
            rows = [row for row in waiting.rows if self.owner_of(one.symbol, row[0])]
            if not rows:
                continue
            waiting.rows = [row for row in waiting.rows if row not in rows]
            total.add(self._judge(one, rows))
            self._settle(one, None)
        self.parked = [waiting for waiting in self.parked if waiting.rows]
        return total

    def _judge(self, one: Landed, rows: Sequence[Row]) -> Fates:
        fates = Fates()
        lost = [row for row in rows if self.owner_of(one.symbol, row[0]) is None]
        if lost:
            self.parked.append(Parked(one, lost))
        fates.refused["unknown_instrument"] = len(lost)
        known = [row for row in rows if row not in lost]
        inside = [row for row in known if row[0] in one.places]
        fates.refused["outside_span"] = len(known) - len(inside)
        winners = dict(inside)
        # Of the rows that agree with the winner one is the winner itself.
        agreeing = sum(winners[place] == price for place, price in inside)
        fates.refused["duplicate_key"] = len(inside) - agreeing
        fates.unchanged = agreeing - len(winners)
        accepted = 0
        for place, price in winners.items():
            fate = self._store(one, place, price)
            if fate in ("inserted", "updated", "unchanged"):
                accepted += 1
                setattr(fates, fate, getattr(fates, fate) + 1)
            else:
                fates.refused[fate] += 1
        if accepted == len(one.places):
            # Only a load of the whole span confirms the values it found.
            for place in one.places:
                self.confirmed.setdefault((one.symbol, place), []).append(one.word)
        fates.refused = +fates.refused
        self.rules += fates.refused
        return fates

    def _store(self, one: Landed, place: int, price: int) -> str:
        owner = self.owner_of(one.symbol, place)
        assert owner is not None
        held = self.candles.get((owner, place))
        if held is None:
            self.candles[owner, place] = Stored(price, one.source, one.word)
            return "inserted"
        if held.price == price:
            return "unchanged"
        words = [held.word, *self.confirmed.get((one.symbol, place), ())]
        if any(word.rank < one.word.rank for word in words):
            return "outranked"
        if any(word.rank == one.word.rank and word.order > one.word.order for word in words):
            return "superseded"
        held.revisions.append(held.price)
        held.price, held.source, held.word = price, one.source, one.word
        return "updated"

    def _settle(self, one: Landed, reason: str | None) -> None:
        for place in one.places:
            owner = self.owner_of(one.symbol, place)
            if owner is None:
                continue
            self.asked.add((owner, place))
            if (owner, place) in self.candles:
                self.gaps.pop((owner, place), None)
            elif reason is not None:
                self.gaps[owner, place] = reason
            else:
                self.gaps.setdefault((owner, place), "unknown")

    def covered(self, owner: str) -> list[int]:
        """Return the minutes of ``owner`` that are proven: stored, or absent for a reason."""
        return sorted(
            place
            for known, place in self.asked
            if known == owner
            and ((known, place) in self.candles or self.gaps.get((known, place)) in EXPLAINED)
        )
