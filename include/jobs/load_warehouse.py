"""Load what has been checked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.jobs.explain_gaps import DATASET, explain_venue
from include.jobs.storage import OpenPath, StoredFrame, read_frame, read_open_times
from include.market.candle import SECOND_VENUE
from include.market.span import Span, subtract_all, to_ms
from include.market.timeframe import parse_timeframe
from include.quality.gaps import find_gaps
from include.quality.looks import Look, with_look
from include.warehouse.bulk_lanes import load_months
from include.warehouse.bulk_plan import plan_months
from include.warehouse.bulk_rows import Member
from include.warehouse.engine import Connection, database_errors
from include.warehouse.fence import take_fence, take_fences
from include.warehouse.gaps import Gap
from include.warehouse.landing import Landing, get_landing
from include.warehouse.lanes import work_in_lanes
from include.warehouse.loader import load_candles, load_scope
from include.warehouse.merge import LoadReceipt

FEW = 8
"""So few landings are loaded as quickly by one session as by two."""


def load_landings(
    conn: Connection, open_path: OpenPath, landing_ids: Sequence[int], *, run_id: str
) -> dict[str, int]:
    """Load checked landings; return the sums of the receipts.

    Those of a month that is still empty are loaded together, each other one in a transaction of
    its own.
    """
    totals: Counter[str] = Counter()
    with database_errors("reading the landings to load"):
        landings = [get_landing(conn, landing_id) for landing_id in landing_ids]
        todo = {landing.landing_id: landing for landing in landings if landing.state == "checked"}
        months = plan_months(conn, list(todo.values()))
    tokens = take_fences(conn, [load_scope(landing) for group in months for landing in group])
    groups = [
        [
            Member(landing, tokens[load_scope(landing)], partial(_read, open_path, landing))
            for landing in group
        ]
        for group in months
    ]
    for landing_id, receipt in load_months(conn, groups, run_id=run_id).items():
        _count(totals, receipt)
        del todo[landing_id]
    for receipt in _load_alone(conn, open_path, list(todo.values()), run_id):
        _count(totals, receipt)
    _explain(conn, landings, run_id)
    return dict(totals)


def _explain(conn: Connection, landings: Sequence[Landing], run_id: str) -> None:
    """Look at what is absent now that other instruments' candles of the time are there too."""
    by_venue: dict[str, list[Landing]] = defaultdict(list)
    for landing in landings:
        if landing.dataset == DATASET:
            by_venue[landing.venue].append(landing)
    for venue, own in sorted(by_venue.items()):
        span = Span(min(one.span.start_ms for one in own), max(one.span.end_ms for one in own))
        at = max(one.landed_at for one in own)
        explain_venue(conn, venue, span, run_id=run_id, at=at)


def _load_alone(
    conn: Connection, open_path: OpenPath, landings: Sequence[Landing], run_id: str
) -> Iterator[LoadReceipt]:
    """Load each landing in a transaction of its own, many of them in two sessions."""

    def load(landing: Landing, lane: Connection) -> LoadReceipt:
        token = take_fence(lane, load_scope(landing))
        clean, gaps = _read(open_path, landing)
        return load_candles(
            lane,
            landing,
            clean,
            source=landing.source,
            run_id=run_id,
            fencing_token=token,
            gaps=gaps,
        )

    pieces = [partial(load, landing) for landing in landings]
    if len(pieces) > FEW:
        yield from work_in_lanes(conn, pieces)
    else:
        yield from (piece(conn) for piece in pieces)


def _count(totals: Counter[str], receipt: LoadReceipt) -> None:
    totals.update(
        inserted=receipt.inserted,
        updated=receipt.updated,
        unchanged=receipt.unchanged,
        quarantined=receipt.quarantined,
    )


def _read(open_path: OpenPath, landing: Landing) -> tuple[pd.DataFrame, list[Gap]]:
    """Return the accepted rows of a checked landing, and why others are absent."""
    clean = read_frame(open_path(landing.clean_path or "")).frame
    timeframe = parse_timeframe(landing.timeframe)
    if not find_gaps(_open_ms(clean), timeframe, landing.span):
        return clean, []
    return clean, explain_gaps(landing, read_open_times(open_path(landing.path)), clean)


def explain_gaps(landing: Landing, landed: StoredFrame, clean: pd.DataFrame) -> list[Gap]:
    """Return every expected and absent span of a landing, with what is known of its reason.

    What was asked for twice, was seen as a hole between two candles and is of a venue that leaves
    out minutes without trades, was not traded. Where a venue writes flat candles for those, the
    other instruments must tell whether it was out. What is declared of files is believed. A minute
    that landed and was refused stays unexplained until it is fetched whole.
    """
    timeframe = parse_timeframe(landing.timeframe)
    absent = find_gaps(_open_ms(landed.frame), timeframe, landing.span)
    missing = find_gaps(_open_ms(clean), timeframe, landing.span)
    proof = {"asked": 2, "landing_id": landing.landing_id, "means": landed.absent_means}
    seen = subtract_all(absent, landed.unproven)
    blind = subtract_all(absent, seen)
    refused = subtract_all(missing, absent)
    if landing.source == SECOND_VENUE:
        # Nobody asked the venue itself: what is known of the gap stays so.
        return []
    if landing.venue.startswith("files:"):
        return [
            *(Gap(hole, landed.absent_means, proof) for hole in absent),
            *_refused(refused, landing),
        ]
    if landing.source == "stream":
        # Nobody was asked: what a stream leaves out may be its own loss.
        heard = {"heard_in_landing": landing.landing_id}
        return [*(Gap(hole, "unknown", heard) for hole in absent), *_refused(refused, landing)]
    at_ms, way = to_ms(landing.landed_at), landing.source
    return [
        *(
            Gap(hole, "no_trade", proof)
            if landed.absent_means == "no_trade"
            else Gap(hole, "unknown", with_look(proof, Look(at_ms, way, neighbours=True)))
            for hole in seen
        ),
        *(
            Gap(hole, "unknown", with_look(proof, Look(at_ms, way, neighbours=False)))
            for hole in blind
        ),
        *_refused(refused, landing),
    ]


def _refused(holes: Sequence[Span], landing: Landing) -> list[Gap]:
    return [Gap(hole, "unknown", {"refused_in_landing": landing.landing_id}) for hole in holes]


def _open_ms(frame: pd.DataFrame) -> NDArray[np.int64]:
    opens = frame["open_time"].dropna()
    return pd.DatetimeIndex(opens).as_unit("us").asi8 // 1000
