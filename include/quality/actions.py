"""What a checkpoint does with its result beside Data Docs: keep it, and tell of what must not be.

The checkpoints are files, and their actions with them; who keeps results and who is told is known
only to the caller, who listens for the length of a run. This room knows no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from great_expectations.checkpoint import CheckpointResult, ValidationAction
from great_expectations.checkpoint.actions import ActionContext

from include.quality.outcome import SuiteOutcome


@dataclass(frozen=True, slots=True)
class Listener:
    """Who takes what a checkpoint found.

    ``read`` turns a result into an outcome; ``keep`` is given every outcome, ``tell`` only those
    with a failure of severity ``block``.
    """

    read: Callable[[Any], SuiteOutcome]
    keep: Callable[[SuiteOutcome], None]
    tell: Callable[[SuiteOutcome], None]


_LISTENER: ContextVar[Listener | None] = ContextVar("candlewick_checkpoint_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hand the results of the checkpoints run inside the block to ``listener``."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def _outcomes(checkpoint_result: CheckpointResult) -> list[tuple[Listener, SuiteOutcome]]:
    listener = _LISTENER.get()
    if listener is None:
        return []
    return [(listener, listener.read(result)) for result in checkpoint_result.run_results.values()]


class KeepOutcome(ValidationAction):  # type: ignore[misc]
    """Hand every result to whoever keeps the history."""

    type: Literal["candlewick_keep_outcome"] = "candlewick_keep_outcome"

    def run(
        self, checkpoint_result: CheckpointResult, action_context: ActionContext | None = None
    ) -> dict[str, Any]:
        """Hand on the results; return how many."""
        found = _outcomes(checkpoint_result)
        for listener, outcome in found:
            listener.keep(outcome)
        return {"kept": len(found)}


class TellOfBlocks(ValidationAction):  # type: ignore[misc]
    """Hand results with a failure of severity ``block`` to whoever tells people."""

    type: Literal["candlewick_tell_of_blocks"] = "candlewick_tell_of_blocks"

    def run(
        self, checkpoint_result: CheckpointResult, action_context: ActionContext | None = None
    ) -> dict[str, Any]:
        """Hand on what failed; return how many."""
        found = [one for one in _outcomes(checkpoint_result) if not one[1].success]
        for listener, outcome in found:
            listener.tell(outcome)
        return {"told": len(found)}
