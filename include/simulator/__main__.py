"""Command line of the bundled exchange."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence

from aiohttp import web

from include.market.errors import CandlewickError, InvalidInputError
from include.simulator.catalogue import DEFAULT_SYMBOLS, list_symbols
from include.simulator.clock import CLOCK_FORMS, Clock, parse_clock
from include.simulator.engine import Engine
from include.simulator.faults.routes import put_in_force
from include.simulator.faults.scenario import Scenario, read_scenario
from include.simulator.faults.table import list_faults
from include.simulator.recordings import read_recordings
from include.simulator.replay import ReplayEngine, days_to_now
from include.simulator.rest import Venue
from include.simulator.server import MAX_LINE_BYTES, build_app
from include.simulator.stream import StreamSettings
from include.simulator.synthetic import SyntheticEngine
from include.simulator.weights import DEFAULT_WEIGHT_PER_MINUTE, WeightMeter

_EXAMPLES = """\
examples:
  python -m include.simulator --seed 7 --instruments BTCUSDT,ETHUSDT
  python -m include.simulator --clock rate:60            one minute a second
  python -m include.simulator --engine replay --replay-path recordings/ --replay-shift now

Point a client of Binance's spot market data at http://HOST:PORT and ws://HOST:PORT, one of
USD-M futures too (/fapi, ws://HOST:PORT/market), one of the archive at http://HOST:PORT/data.
GET /sim/info tells what is served, /sim/truth?symbol=BTCUSDT how prices were drawn,
/sim/truth/candles what a perfect client holds; POST /sim/amendments changes that truth.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    parser = argparse.ArgumentParser(
        prog="python -m include.simulator",
        description="An exchange of your own: Binance market data, synthetic or replayed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8790, help="port, 0 for any free one (default %(default)s)"
    )
    _add_market(parser.add_argument_group("market"))
    _add_conduct(parser.add_argument_group("time and conduct"))
    _add_misconduct(parser.add_argument_group("misconduct"))
    return parser


def _add_market(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--engine",
        choices=("synthetic", "replay"),
        default="synthetic",
        help="a market drawn from a seed, or recorded files (default %(default)s)",
    )
    add("--seed", type=int, default=1, help="the synthetic market's seed (default %(default)s)")
    add(
        "--instruments",
        metavar="A,B",
        help="symbols to list (default " + ",".join(DEFAULT_SYMBOLS) + "; replay: all recorded)",
    )
    add(
        "--outages-per-year",
        type=float,
        default=3.0,
        metavar="N",
        help="synthetic spans without any candle (default %(default)s)",
    )
    add(
        "--replay-path",
        action="append",
        default=[],
        metavar="PATH",
        help="folder or file of recordings: SYMBOL-1m*.csv[.gz|.zip], SYMBOL-1m*.parquet, "
        "SYMBOL-aggTrades*.csv[.gz|.zip]; may be repeated",
    )
    add(
        "--replay-shift",
        choices=("none", "now"),
        default="none",
        help="now: move recordings by whole days so that they reach over the present",
    )


def _add_conduct(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--clock",
        metavar="CLOCK",
        help=f"{CLOCK_FORMS}; default real, for an unshifted replay frozen 1 s after its last "
        "candle",
    )
    add(
        "--weight-limit",
        type=lambda text: int(_positive(text)),
        default=DEFAULT_WEIGHT_PER_MINUTE,
        metavar="N",
        help="request weight an address may use in a minute (default %(default)s)",
    )
    add(
        "--push-ms",
        type=_positive,
        default=2_000,
        metavar="MS",
        help="how often streams tell the open candle (default %(default)s)",
    )
    add(
        "--ping-s",
        type=_positive,
        default=20.0,
        metavar="S",
        help="how often streams send PING (default %(default)s)",
    )


def _add_misconduct(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--scenario",
        metavar="FILE",
        help="YAML with faults and amendments that are in force from the start",
    )
    group.add_argument(
        "--list-faults", action="store_true", help="print the table of faults and end"
    )


def build_venue(arguments: argparse.Namespace) -> Venue:
    """Return engine, clock and meter as the arguments wish.

    Raises:
        InvalidInputError: an argument or a recording that cannot be right.
    """
    engine: Engine
    if arguments.engine == "replay":
        engine, clock = _build_replay(arguments)
    else:
        names = arguments.instruments
        symbols = _split(names) if names is not None else list(DEFAULT_SYMBOLS)
        rate = arguments.outages_per_year
        if not 0 <= rate <= 365:
            raise InvalidInputError(f"--outages-per-year must be 0 to 365, was {rate}")
        engine = SyntheticEngine(arguments.seed, list_symbols(symbols), outages_per_year=rate)
        clock = parse_clock(arguments.clock or "real")
    return Venue(engine, clock, WeightMeter(arguments.weight_limit))


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return 0, or 2 where an argument cannot be right."""
    arguments = build_parser().parse_args(argv)
    if arguments.list_faults:
        print(list_faults())
        return 0
    try:
        scenario = read_scenario(arguments.scenario) if arguments.scenario else Scenario()
        venue = build_venue(arguments)
        settings = StreamSettings(push_s=arguments.push_ms / 1000.0, ping_s=arguments.ping_s)
        asyncio.run(serve(venue, settings, scenario, host=arguments.host, port=arguments.port))
    except CandlewickError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


async def serve(
    venue: Venue, settings: StreamSettings, scenario: Scenario, *, host: str, port: int
) -> None:
    """Serve until a signal asks to stop, with a scenario's faults and amendments in force.

    Raises:
        InvalidInputError: the address cannot be listened on, or an amendment that cannot be right.
    """
    app = build_app(venue, settings)
    put_in_force(app, venue, scenario)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=2.0,
        max_line_size=MAX_LINE_BYTES,
    )
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            raise InvalidInputError(
                f"cannot listen on {host}:{port} ({error}): choose another --port or end the "
                "program that holds it"
            ) from None
        with contextlib.suppress(BrokenPipeError):
            print(_describe(venue, host, runner.addresses[0][1]), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _build_replay(arguments: argparse.Namespace) -> tuple[Engine, Clock]:
    if not arguments.replay_path:
        raise InvalidInputError("--engine replay needs --replay-path: name a folder of recordings")
    only = _split(arguments.instruments) if arguments.instruments is not None else None
    recordings = read_recordings(arguments.replay_path, only=only)
    engine = ReplayEngine(recordings)
    if arguments.replay_shift == "none":
        last = f"frozen:{engine.recorded_span.end_ms + 1_000}"
        return engine, parse_clock(arguments.clock or last)
    clock = parse_clock(arguments.clock or "real")
    shift_days = days_to_now(engine.shared_span, clock.now_ms())
    return ReplayEngine(recordings, shift_days=shift_days), clock


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < 1e12:
        raise argparse.ArgumentTypeError(f"expected a number above 0, was {text!r}")
    return number


def _describe(venue: Venue, host: str, port: int) -> str:
    engine = venue.engine
    seed = "" if engine.seed is None else f", seed {engine.seed}"
    return (
        f"simulator: http://{host}:{port} serves {len(engine.listings)} instruments "
        f"({engine.name}{seed}, clock {venue.clock})"
    )


if __name__ == "__main__":
    sys.exit(main())
