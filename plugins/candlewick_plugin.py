"""Tells Airflow about Candlewick's timetable and its page of data quality."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from include.airflow_bridge.quality_pages import PREFIX, QualityPages
from include.airflow_bridge.timetable import HistoryTimetable


class CandlewickPlugin(AirflowPlugin):
    """Registers what DAG files refer to by class, and what the UI shows beside the DAGs."""

    name = "candlewick"
    timetables = (HistoryTimetable,)
    fastapi_apps: ClassVar[list[Any]] = [
        {"app": QualityPages(), "url_prefix": PREFIX, "name": "Candlewick data quality"},
    ]
    external_views: ClassVar[list[Any]] = [
        {
            "name": "Data quality",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "url_route": "data-quality",
            "nav_top_level": True,
            "icon": f"{PREFIX}/icon-light.svg",
            "icon_dark_mode": f"{PREFIX}/icon-dark.svg",
        },
    ]
