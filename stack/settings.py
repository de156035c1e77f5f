"""The settings of ``make up``: SOURCE, PORT, STATE, DAYS, INSTRUMENTS, TIMEFRAMES and SEED."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from include.market.errors import InvalidInputError
from include.market.timeframe import DEFAULT_CHAIN, parse_chain
from include.market.universe import SYMBOL

PROJECT_ROOT = Path(__file__).resolve().parents[1]
PORTS_USED = 5
MAX_DAYS = 3650
# The most traded USDT pairs of the venue; a number of INSTRUMENTS takes the first so many.
SYMBOLS = (
    *("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "TRXUSDT"),
    *("LINKUSDT", "AVAXUSDT", "LTCUSDT", "DOTUSDT", "BCHUSDT", "NEARUSDT", "UNIUSDT", "ATOMUSDT"),
    *("FILUSDT", "ETCUSDT", "XLMUSDT", "AAVEUSDT", "ALGOUSDT", "HBARUSDT", "ICPUSDT", "VETUSDT"),
    *("INJUSDT", "OPUSDT", "ARBUSDT", "SUIUSDT", "APTUSDT", "SEIUSDT", "GRTUSDT", "SANDUSDT"),
    *("MANAUSDT", "AXSUSDT", "XTZUSDT", "EGLDUSDT", "THETAUSDT", "RUNEUSDT", "CRVUSDT", "SNXUSDT"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where candles come from: ``simulator``, ``replay`` of the files in ``path``, ``binance``."""

    kind: str
    path: Path | None = None

    def __str__(self) -> str:
        """Show the source as people write it."""
        return f"{self.kind}:{self.path}" if self.path else self.kind

    @property
    def simulated(self) -> bool:
        """Tell whether our own simulator serves it."""
        return self.kind in ("simulator", "replay")


@dataclass(frozen=True, slots=True)
class StackSettings:
    """One checked set of settings.

    ``symbols`` is the list asked for, or None where a mere number (``instrument_count``; None for
    all a replay holds) was. ``timeframes`` are labels parted by spaces, the finest first.
    """

    source: Source
    port: int
    state: Path
    days: int
    instruments: str
    timeframes: str
    seed: int
    symbols: tuple[str, ...] | None
    instrument_count: int | None


DEFAULTS = {
    "SOURCE": "simulator",
    "PORT": "8080",
    "STATE": ".local",
    "DAYS": "30",
    "INSTRUMENTS": "",
    "TIMEFRAMES": DEFAULT_CHAIN,
    "SEED": "7",
}
DEFAULT_INSTRUMENTS = 4
COMPARED = ("SOURCE", "PORT", "DAYS", "INSTRUMENTS", "TIMEFRAMES", "SEED")


def parse_settings(given: Mapping[str, str], root: Path = PROJECT_ROOT) -> StackSettings:
    """Read the settings from environment variables; an empty one means its default.

    Raises:
        InvalidInputError: a value that cannot be right, with the name, the value and the remedy.
    """
    text = {name: given.get(name, "").strip() or default for name, default in DEFAULTS.items()}
    source = parse_source(text["SOURCE"], root)
    symbols, count = parse_instruments(text["INSTRUMENTS"], source)
    return StackSettings(
        source=source,
        port=_integer("PORT", text["PORT"], 1024, 65_536 - PORTS_USED, "PORT=18080"),
        state=_parse_state(text["STATE"], root),
        days=_integer("DAYS", text["DAYS"], 1, MAX_DAYS, "DAYS=30"),
        instruments=text["INSTRUMENTS"],
        timeframes=parse_timeframes(text["TIMEFRAMES"]),
        seed=_integer("SEED", text["SEED"], 0, 2**31 - 1, "SEED=7"),
        symbols=symbols,
        instrument_count=count,
    )


def asked_settings(given: Mapping[str, str]) -> frozenset[str]:
    """Return which settings were given at all: only those can contradict a running stack."""
    return frozenset(name for name in DEFAULTS if given.get(name, "").strip())


def parse_source(text: str, root: Path) -> Source:
    """Read ``simulator``, ``replay:PATH`` or ``binance``.

    Raises:
        InvalidInputError: another word, or a PATH that is not there.
    """
    kind, colon, place = text.partition(":")
    if kind == "replay" and place:
        path = (root / Path(place).expanduser()).resolve()
        if not path.exists():
            raise InvalidInputError(
                f"SOURCE=replay:{place}: no such file or folder; give the path of recorded data"
            )
        return Source("replay", path)
    if kind in ("simulator", "binance") and not colon:
        return Source(kind)
    raise InvalidInputError(f"SOURCE={text!r} is unknown: choose simulator, replay:PATH or binance")


def parse_instruments(text: str, source: Source) -> tuple[tuple[str, ...] | None, int | None]:
    """Read a number of instruments or a list of symbols ``A,B``; return (list, number).

    Raises:
        InvalidInputError: neither, too many, or a symbol twice.
    """
    if not text:
        return None, None if source.kind == "replay" else DEFAULT_INSTRUMENTS
    if text.lstrip("+-").isdigit():
        count = _integer("INSTRUMENTS", text, 1, len(SYMBOLS), "INSTRUMENTS=4 or BTCUSDT,ETHUSDT")
        return None, count
    symbols = tuple(symbol.strip() for symbol in text.split(","))
    for symbol in symbols:
        if not SYMBOL.fullmatch(symbol):
            raise InvalidInputError(
                f"INSTRUMENTS={text!r}: {symbol!r} is no symbol; "
                "write a number like 4 or a list like BTCUSDT,ETHUSDT"
            )
    if len(set(symbols)) != len(symbols):
        raise InvalidInputError(f"INSTRUMENTS={text!r} names a symbol twice: name each once")
    return symbols, None


def parse_timeframes(text: str) -> str:
    """Return the timeframes named in ``text`` in one spelling: parted by spaces, finest first.

    Raises:
        InvalidInputError: they are no chain that can be built.
    """
    try:
        return " ".join(timeframe.label for timeframe in parse_chain(text))
    except InvalidInputError as error:
        raise InvalidInputError(f"TIMEFRAMES: {error}") from None


def choose_symbols(settings: StackSettings, offered: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the symbols to follow, out of those ``offered`` (None: the source was not asked).

    Raises:
        InvalidInputError: the source does not offer a symbol asked for, or not so many.
    """
    if settings.symbols is not None:
        missing = [name for name in settings.symbols if offered is not None and name not in offered]
        if missing:
            raise InvalidInputError(
                f"INSTRUMENTS={settings.instruments}: SOURCE={settings.source} has no "
                f"{', '.join(missing)}; it has {', '.join(offered or ())}"
            )
        return settings.symbols
    known = SYMBOLS if settings.source.kind != "replay" else offered or ()
    count = settings.instrument_count or len(known)
    if count > len(known):
        raise InvalidInputError(
            f"INSTRUMENTS={count}: SOURCE={settings.source} has only {len(known)} instruments"
        )
    return known[:count]


def _parse_state(text: str, root: Path) -> Path:
    state = (root / Path(text).expanduser()).resolve()
    if state in (root, *root.parents) or (state.exists() and not state.is_dir()):
        raise InvalidInputError(
            f"STATE={text!r} must be a folder of its own: choose one such as STATE=.local"
        )
    return state


def _integer(name: str, text: str, low: int, high: int, example: str) -> int:
    """Read a whole number from ``low`` to ``high``, both inclusive."""
    try:
        value = int(text, base=10) if text.isascii() else None
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise InvalidInputError(
            f"{name}={text!r} must be a whole number from {low} to {high}, for example {example}"
        )
    return value
