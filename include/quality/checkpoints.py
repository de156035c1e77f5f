"""Runs the committed checkpoints over frames of what is stored; keeps results and Data Docs.

The folder given (``settings.quality_dir``) holds ``data_docs``, for people, and ``.gx``, the copy
of the project the runs work on, with their results. One process at a time works there: a lock
keeps another one waiting. Results beyond ``KEPT_RUNS`` runs are removed with their pages, so that
the pages stay quick to build; the whole history is what the listener keeps.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
from great_expectations import RunIdentifier
from great_expectations.data_context import FileDataContext

from include.market.errors import FinalError, InvalidInputError
from include.market.span import Span
from include.quality.actions import Listener, listening
from include.quality.details import show_examples
from include.quality.expectations import ENGINE, columns_of
from include.quality.outcome import ExpectationOutcome, SuiteOutcome
from include.quality.project import open_copy

WAREHOUSE_CHECKPOINT: Final = "warehouse"
KEPT_RUNS: Final = 10
"""So many results of each suite and dataset are kept as pages, the newest ones."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """Rows of one dataset as its suite wants them; ``name`` says in words which they are.

    ``keys`` are the columns that tell people which row an example is.
    """

    suite: str
    dataset: str
    name: str
    frame: pd.DataFrame
    keys: tuple[str, ...]
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one run, begun at ``run_at`` (aware, UTC)."""

    context: FileDataContext
    run_at: datetime
    keep: Callable[[SuiteOutcome], None]
    tell: Callable[[SuiteOutcome], None]

    def run(self, batch: StoredBatch) -> None:
        """Judge a batch: Data Docs are updated, the outcome is handed to ``keep`` and ``tell``.

        Raises:
            FinalError: Great Expectations could not evaluate an expectation.
        """
        listener = Listener(lambda result: self._outcome(batch, result), self.keep, self.tell)
        with listening(listener):
            self.context.checkpoints.get(batch.suite).run(
                batch_parameters={"dataframe": batch.frame},
                # Part of the result's path, so one per dataset and batch.
                run_id=RunIdentifier(run_name=_as_file_name(batch), run_time=self.run_at),
            )

    def _outcome(self, batch: StoredBatch, result: Any) -> SuiteOutcome:
        return SuiteOutcome(
            checkpoint=WAREHOUSE_CHECKPOINT,
            suite=batch.suite,
            dataset=batch.dataset,
            batch=batch.name,
            span=batch.span,
            rows=len(batch.frame),
            engine=ENGINE,
            run_at=self.run_at,
            expectations=[_read(batch, one) for one in result.results],
        )


@contextmanager
def open_checkpoints(
    folder: Path,
    *,
    run_at: datetime,
    keep: Callable[[SuiteOutcome], None],
    tell: Callable[[SuiteOutcome], None],
) -> Iterator[Checkpoints]:
    """Yield the checkpoints, working in ``folder``; other processes wait until the block ends.

    Raises:
        InvalidInputError: the folder cannot be written.
    """
    with _locked(folder):
        context = open_copy(folder / ".gx")
        _forget_old_results(folder)
        yield Checkpoints(context, run_at, keep, tell)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InvalidInputError(
            f"the folder for results of checks cannot be written ({error}): set quality_dir of "
            "Variable settings to one that can"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _forget_old_results(folder: Path) -> None:
    """Remove results, with their pages, but for the newest ``KEPT_RUNS`` of each kind."""
    results = folder / ".gx" / "validations"
    # <suite>/<run name>/<run time>/<batch>.json, and pages the same under data_docs.
    for kind in sorted(results.glob("*/*")):
        for old in sorted(kind.iterdir())[: -KEPT_RUNS + 1 or None]:
            for found in (old, folder / "data_docs" / "validations" / old.relative_to(results)):
                for file in found.glob("*"):
                    file.unlink(missing_ok=True)
                if found.is_dir():
                    found.rmdir()


def _as_file_name(batch: StoredBatch) -> str:
    name = f"{batch.dataset}-{batch.name}" if batch.name else batch.dataset
    return "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in name)[:120]


def _read(batch: StoredBatch, result: Any) -> ExpectationOutcome:
    config, found = result.expectation_config, result.result
    if "unexpected_count" not in found:
        raise FinalError(
            f"Great Expectations could not evaluate {config.type} on {batch.dataset} "
            f"{batch.name}: {result.exception_info}; mend the suite or the frame it judges"
        )
    columns = columns_of(config)
    count = int(found["unexpected_count"])
    return ExpectationOutcome(
        expectation=config.type,
        columns=tuple(columns),
        rule=config.meta["rule"],
        severity=config.meta["severity"],
        success=bool(result.success),
        unexpected_count=count,
        unexpected_percent=100 * count / len(batch.frame) if count else 0.0,
        examples=show_examples(
            batch.frame, [*batch.keys, *columns], found.get("partial_unexpected_index_list") or []
        ),
    )
