"""``bin/airflow``: Airflow's own command line in the environment of the stack.

What Airflow would answer with a traceback, a person gets as one line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping, Sequence

import psycopg

from include.market.errors import CandlewickError, InvalidInputError
from stack.chain import run_under
from stack.environment import process_environment
from stack.keys import load_keys
from stack.layout import Layout, StackRecord, load_record
from stack.processes import STATE_MARK
from stack.river_queries import Metadata
from stack.settings import parse_settings

WITHOUT_DATABASE = frozenset({"version", "info", "config", "plugins", "providers", "cheat-sheet"})


def find_stack(environment: MutableMapping[str, str]) -> tuple[Layout, StackRecord]:
    """Return the stack that ``STATE``, else an evaluated ``make env``, else the default names.

    Raises:
        InvalidInputError: none was ever started there.
    """
    state = environment.get("STATE") or environment.get(STATE_MARK, "")
    layout = Layout(parse_settings({"STATE": state}).state)
    record = load_record(layout)
    if record is None:
        raise InvalidInputError(
            f"no stack was ever started in {layout.state}: run make up first, or set STATE=PATH"
        )
    return layout, record


def needs_database(arguments: Sequence[str]) -> bool:
    """Tell whether the command can only work while PostgreSQL runs."""
    words = [word for word in arguments if not word.startswith("-")]
    asks_help = not arguments or "--help" in arguments or "-h" in arguments
    return not asks_help and bool(words) and words[0] not in WITHOUT_DATABASE


def check_database(layout: Layout, record: StackRecord) -> None:
    """Refuse to go on without Airflow's database.

    Raises:
        InvalidInputError: it does not answer.
    """
    try:
        psycopg.connect(load_keys(layout).metadata_url(record), connect_timeout=5).close()
    except psycopg.OperationalError:
        raise InvalidInputError(
            f"PostgreSQL on 127.0.0.1:{record.postgres_port} does not answer: run make up"
        ) from None


def main(arguments: Sequence[str]) -> None:
    """Run one Airflow command.

    Raises:
        CandlewickError: in one line, why it cannot be done.
    """
    layout, record = find_stack(os.environ)
    run_under(record.timeframes)
    environment = process_environment(layout, record, os.environ)
    os.environ.clear()
    os.environ.update(environment)
    if needs_database(arguments):
        check_database(layout, record)
    if list(arguments[:2]) == ["backfill", "create"]:
        Metadata(load_keys(layout).metadata_url(record)).close_finished_backfills()
    sys.argv = ["airflow", *arguments]
    _run_airflow()


def _run_airflow() -> None:
    # Only now is the environment in place that Airflow reads when it is imported.
    from airflow.__main__ import main as airflow_main  # noqa: TID251
    from airflow.models.backfill import NoBackfillRunsToCreate  # noqa: TID251
    from airflow.sdk.exceptions import AirflowException  # noqa: TID251
    from sqlalchemy.exc import OperationalError

    try:
        airflow_main()  # type: ignore[no-untyped-call]
    except (AirflowException, NoBackfillRunsToCreate) as error:
        raise InvalidInputError(f"{error}") from None
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise InvalidInputError(f"Airflow's database: {reason}; see make status") from None


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CandlewickError as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit(130)
