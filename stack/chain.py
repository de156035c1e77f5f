"""The timeframes of the stack: a process knows them from the moment it starts, and for good."""

from __future__ import annotations

import os
import sys

from include.market.timeframe import CHAIN, VARIABLE, parse_chain


def run_under(timeframes: str) -> None:
    """Start this very command anew under ``timeframes``, unless it runs under them already.

    Which tables, stages and DAGs there are follows from them while modules load, so that they
    cannot be changed later on.
    """
    if parse_chain(timeframes) == CHAIN:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, *sys.orig_argv[1:]]
    os.execve(command[0], command, {**os.environ, VARIABLE: timeframes})  # noqa: S606 no shell wanted
