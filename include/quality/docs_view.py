"""How Data Docs look: Great Expectations' pages with templates and a stylesheet of our own.

Its own templates fetch scripts, styles, fonts and pictures from half a dozen hosts; these pages
need no network and no script, since Airflow serves them in a sandbox.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from great_expectations.render.view.view import DefaultJinjaIndexPageView, DefaultJinjaPageView
from jinja2 import BytecodeCache, ChoiceLoader, Environment, FileSystemLoader
from jinja2.bccache import Bucket

TEMPLATES = Path(__file__).parent / "docs_templates"


class _CompiledTemplates(BytecodeCache):
    """Keeps compiled templates for the life of the process.

    Great Expectations builds its views anew for every checkpoint, and compiling some fifty
    templates takes longer than judging a day of candles.
    """

    compiled: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a template that was compiled before."""
        if bucket.key in self.compiled:
            bucket.bytecode_from_string(self.compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template that was compiled now."""
        self.compiled[bucket.key] = bucket.bytecode_to_string()


def _settle(environment: Environment) -> None:
    """Put our templates before those of Great Expectations."""
    loaders = [FileSystemLoader(TEMPLATES)]
    if environment.loader is not None:
        loaders.append(environment.loader)  # type: ignore[arg-type]
    environment.loader = ChoiceLoader(loaders)
    environment.bytecode_cache = _CompiledTemplates()


class OfflinePageView(DefaultJinjaPageView):  # type: ignore[misc]
    """A page of one suite or one validation result."""

    def __init__(self, **directories: Any) -> None:
        """Take the settings Great Expectations hands to a view."""
        super().__init__(**directories)
        _settle(self.env)


class OfflineIndexView(DefaultJinjaIndexPageView):  # type: ignore[misc]
    """The first page: every validation result kept, and the suites."""

    def __init__(self, **directories: Any) -> None:
        """Take the settings Great Expectations hands to a view."""
        super().__init__(**directories)
        _settle(self.env)
