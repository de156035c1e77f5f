"""Load what has been checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from include.jobs.storage import OpenPath, StoredFrame, read_frame
from include.market.span import subtract_spans
from include.market.timeframe import parse_timeframe
from include.quality.gaps import find_gaps
from include.warehouse.engine import Connection
from include.warehouse.fence import take_fence
from include.warehouse.gaps import Gap
from include.warehouse.landing import Landing, get_landing
from include.warehouse.loader import load_candles, load_scope


def load_landings(
    conn: Connection, open_path: OpenPath, landing_ids: Sequence[int], *, run_id: str
) -> dict[str, int]:
    """Load each landing in a transaction of its own; return the sums of the receipts."""
    totals: Counter[str] = Counter()
    for landing_id in landing_ids:
        landing = get_landing(conn, landing_id)
        if landing.state != "checked" or landing.clean_path is None:
            continue
        token = take_fence(conn, load_scope(landing))
        landed = read_frame(open_path(landing.path))
        clean = read_frame(open_path(landing.clean_path)).frame
        receipt = load_candles(
            conn,
            landing,
            clean,
            source=landing.source,
            run_id=run_id,
            fencing_token=token,
            gaps=explain_gaps(landing, landed, clean),
        )
        totals.update(
            inserted=receipt.inserted,
            updated=receipt.updated,
            unchanged=receipt.unchanged,
            quarantined=receipt.quarantined,
        )
    return dict(totals)


def explain_gaps(landing: Landing, landed: StoredFrame, clean: pd.DataFrame) -> list[Gap]:
    """Return every expected and absent span of a landing, with its reason.

    The fetch asks twice for what is absent, so a minute that did not land is the venue's own gap;
    a minute that landed and was refused stays unexplained until it is fetched whole.
    """
    timeframe = parse_timeframe(landing.timeframe)
    absent = find_gaps(_open_ms(landed.frame), timeframe, landing.span)
    missing = find_gaps(_open_ms(clean), timeframe, landing.span)
    proof = {"asked": 2, "landing_id": landing.landing_id}
    refused = [piece for hole in missing for piece in subtract_spans(hole, absent)]
    return [
        *(Gap(hole, landed.absent_means, proof) for hole in absent),
        *(Gap(hole, "unknown", {"refused_in_landing": landing.landing_id}) for hole in refused),
    ]


def _open_ms(frame: pd.DataFrame) -> list[int]:
    return [int(value) // 1000 for value in frame["open_time"].dropna().astype("int64")]
