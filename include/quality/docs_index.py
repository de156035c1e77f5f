"""The first page of Data Docs: which results hold a failure, and how grave the gravest is.

Great Expectations marks a result as failed whatever failed in it. A warning is no failure of ours,
so the page says the severity of the gravest expectation that was not met.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from great_expectations.render import RenderedStringTemplateContent
from great_expectations.render.renderer.site_builder import DefaultSiteIndexBuilder
from great_expectations.render.renderer.site_index_page_renderer import SiteIndexPageRenderer

from include.quality.outcome import SEVERITIES

MET: Final = "met"
_CLASSES: Final[Mapping[str, list[str]]] = {
    MET: ["fas", "fa-check-circle"],
    "block": ["severity", "severity-block"],
    "warn": ["severity", "severity-warn"],
    "info": ["severity", "severity-info"],
}


def gravest(failed: Iterable[str]) -> str:
    """Return the gravest of the severities of expectations that were not met, else ``MET``."""
    found = set(failed)
    return next((severity for severity in SEVERITIES if severity in found), MET)


class SeverityIndexBuilder(DefaultSiteIndexBuilder):  # type: ignore[misc]
    """Finds the validation results of the first page, and what failed in each."""

    def _add_validations_to_index_links(
        self, index_links_dict: OrderedDict[str, Any], *keys: Any
    ) -> None:
        super()._add_validations_to_index_links(index_links_dict, *keys)
        for entry in index_links_dict.get("validations_links", ()):
            entry["validation_success"] = (
                MET if entry["validation_success"] else self._gravest_of(entry)
            )

    def _gravest_of(self, entry: Mapping[str, Any]) -> str:
        result = self.data_context.get_validation_result(
            batch_identifier=entry["batch_identifier"],
            expectation_suite_name=entry["expectation_suite_name"],
            run_id=entry["run_id"],
            validation_results_store_name=self.source_stores.get("validations"),
        )
        # One that no severity was stated for stops the rows that break it, as a new rule does.
        return gravest(
            one.expectation_config.meta.get("severity", SEVERITIES[0])
            for one in result.results
            if not one.success
        )


class SeverityIndexRenderer(SiteIndexPageRenderer):  # type: ignore[misc]
    """Shows them as a check mark, or as the word of the severity."""

    @classmethod
    def _render_validation_success_cell(
        cls, validation_success: str
    ) -> RenderedStringTemplateContent:
        shown = "" if validation_success == MET else validation_success
        return RenderedStringTemplateContent(
            content_block_type="string_template",
            string_template={
                "template": "$status",
                "params": {"status": shown},
                "styling": {
                    "params": {"status": {"tag": "i", "classes": _CLASSES[validation_success]}}
                },
            },
        )
