"""Make a stored fit again from what it was made of, and compare every bit.

``python -m include.jobs.reproduce_fit FIT_RUN_ID ...`` does so by the address in
``CANDLEWICK_WAREHOUSE``, and ends with 1 where a fit comes out differently.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import pandas as pd

from include.jobs.fit_inputs import FitInput, hash_input, make_fit
from include.jobs.score_channels import freeze_rival
from include.jobs.stored_channels import CODE_VERSION, to_stored
from include.market.errors import ContractError, InvalidInputError
from include.warehouse.candles import read_candles_as_of
from include.warehouse.channel_states import StoredState, read_states
from include.warehouse.engine import Connection, connect
from include.warehouse.model_values import Provenance, StoredFit, StoredSegment
from include.warehouse.models import loads_before, read_fit

JUST_BEFORE: Final = timedelta(microseconds=1)
DECIDED_LATER: Final = ("withheld_for", "fdr", "judged_together")
"""What was decided about a fit with regard to others, after it was made."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of making a fit again; ``differences`` is empty when all bits are the same."""

    fit_run_id: int
    instrument_id: int
    candles: int
    segments: int
    differences: tuple[str, ...]


def reproduce_fit(conn: Connection, fit_run_id: int) -> Reproduction:
    """Read the candles as they stood when ``fit_run_id`` was made, fit again, and compare.

    Raises:
        InvalidInputError: there is no such fit, or it does not say what it was made of, or other
            code made it.
        ContractError: its segments were dropped, or what it was made of is not to be had any more.
    """
    stored = read_fit(conn, fit_run_id)
    given = _read_again(conn, stored)
    min_candles = stored.parameters["min_candles"]
    seed = stored.provenance.seed if stored.provenance else 0
    made = make_fit(given, min_candles=min_candles, seed=seed)
    fit = made.fit
    settled = {name: stored.parameters[name] for name in DECIDED_LATER if name in stored.parameters}
    if "withheld_for" in settled:
        fit = replace(fit, published=False, declined_reason=settled["withheld_for"])
    remade = to_stored(
        fit,
        instrument_id=stored.instrument_id,
        data_xid=stored.data_xid,
        min_candles=min_candles,
        features=made.features,
        scores=made.coherence,
        baseline_lines=freeze_rival(given.candles, fit) if fit.published else None,
        settled=settled,
        provenance=stored.provenance,
    )
    return Reproduction(
        fit_run_id,
        stored.instrument_id,
        len(given.candles),
        len(remade.segments),
        tuple(_differences(stored, remade)),
    )


def _read_again(conn: Connection, stored: StoredFit) -> FitInput:
    made = stored.provenance
    if made is None:
        raise InvalidInputError(
            f"fit {stored.fit_run_id} is of before fits kept what they were made of: fit anew"
        )
    if stored.code_version != CODE_VERSION:
        raise InvalidInputError(
            f"fit {stored.fit_run_id} was made by {stored.code_version}, this is {CODE_VERSION}: "
            "run the code of that version"
        )
    if not stored.segments and stored.parameters["candles"] >= stored.parameters["min_candles"]:
        raise ContractError(
            f"the segments of fit {stored.fit_run_id} were dropped for their age: nothing is left "
            "to compare with; see the setting model_details_days"
        )
    states = read_states(conn, made.parent_states)
    candles = _candles_of(conn, stored, made, states)
    return FitInput(
        stored.instrument_id,
        stored.timeframe,
        candles,
        states,
        made.span,
        made.read_at,
        stored.data_xid,
    )


def _candles_of(
    conn: Connection, stored: StoredFit, made: Provenance, states: Sequence[StoredState]
) -> pd.DataFrame:
    """Return the candles as they were read.

    What a load under way had recorded by then and committed later was not read, though it bears an
    earlier time; so the instants before such loads are looked at as well.
    """
    loads = loads_before(conn, stored.timeframe, made.read_at)
    for instant in (made.read_at, *(each - JUST_BEFORE for each in loads)):
        candles = read_candles_as_of(
            conn, stored.timeframe, stored.instrument_id, made.span, at=instant
        )
        if hash_input(candles, states) == made.input_sha256:
            return candles
    raise ContractError(
        f"the candles of fit {stored.fit_run_id} as of {made.read_at.isoformat()} have another "
        "hash than those it was made of: a month was taken out of its table, or rows were changed "
        "past the revisions; see make audit"
    )


def _differences(stored: StoredFit, remade: StoredFit) -> Iterator[str]:
    if stored.p_value != remade.p_value:
        yield f"p_value: {stored.p_value} was stored, {remade.p_value} came out"
    for name in sorted({*stored.parameters, *remade.parameters}):
        old, new = stored.parameters.get(name), remade.parameters.get(name)
        if old != new:
            yield f"{name}: {old} was stored, {new} came out"
    if len(stored.segments) != len(remade.segments):
        yield f"{len(stored.segments)} segments were stored, {len(remade.segments)} came out"
        return
    for old_segment, new_segment in zip(stored.segments, remade.segments, strict=True):
        yield from _segment_differences(old_segment, new_segment)


def _segment_differences(old: StoredSegment, new: StoredSegment) -> Iterator[str]:
    if old == new:
        return
    where = f"segment {old.start_time:%Y-%m-%d %H:%M}"
    for name in StoredSegment.__dataclass_fields__:
        told, found = getattr(old, name), getattr(new, name)
        if told != found:
            yield f"{where}, {name}: {told} was stored, {found} came out"


def main(arguments: Sequence[str]) -> int:
    """Reproduce the fits named; print a line for each and return how the process is to end."""
    dsn = os.environ.get("CANDLEWICK_WAREHOUSE", "")
    if not arguments or not dsn:
        print(__doc__)
        return 2
    worst = 0
    with connect(dsn, application="reproduce_fit", autocommit=True) as conn:
        for text in arguments:
            found = reproduce_fit(conn, _as_number(text))
            verdict = "; ".join(found.differences) or "the same in every bit"
            print(f"fit {text}: {found.candles} candles, {found.segments} segments: {verdict}")
            worst = max(worst, int(bool(found.differences)))
    return worst


def _as_number(text: str) -> int:
    if not text.isdecimal():
        raise InvalidInputError(f"expected a fit_run_id, was {text!r}: see model.fit_run")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
