"""Settings that must stand before anything imports Airflow, and the shared fixtures."""

from __future__ import annotations

import os
import tempfile

import hypothesis

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="candlewick-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["GX_ANALYTICS_ENABLED"] = "False"

# No test may fail for being slow; in CI the same examples run every time.
hypothesis.settings.register_profile(
    "candlewick", deadline=None, derandomize=bool(os.environ.get("CI"))
)
hypothesis.settings.load_profile("candlewick")

pytest_plugins = ["tests.support.postgres"]
