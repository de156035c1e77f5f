"""Only the scheduler has this folder on its path: what it imports here, every task inherits.

The LocalExecutor forks each task from the scheduler, so these modules are loaded once and shared
copy-on-write; without them each task would pay seconds of imports. Only packages, none of our own
modules: a task shall see today's code. The scheduler of ``make up`` is started while the databases
are still being migrated and waits for them here, when its imports are done; in a container it is
started after that.
"""

import os
from pathlib import Path

import great_expectations.expectations  # noqa: F401
import matplotlib.figure  # noqa: F401
import numba  # noqa: F401
import numpy  # noqa: F401
import pandas  # noqa: F401
import psycopg  # noqa: F401
import pyarrow.parquet  # noqa: F401
import scipy.optimize
import scipy.sparse  # noqa: F401

from stack.launch import wait_until_prepared
from stack.layout import Layout
from stack.processes import STATE_MARK

if STATE_MARK in os.environ:
    wait_until_prepared(Layout(Path(os.environ[STATE_MARK])))

# Airflow would else copy every public name here into its own settings.
__all__: list[str] = []
