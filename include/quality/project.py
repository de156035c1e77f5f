"""The Great Expectations project of this repository: a file context under ``include/quality/gx``.

Its files (data sources, batch definitions, suites, validation definitions, checkpoints) are
written from the code by ``python -m include.quality.project``, and a test proves that they still
say what the code says. At run time the tree is never written: a task works on a copy of its own,
or on the one in the state folder, where results and Data Docs are kept (``checkpoints``).
"""

from __future__ import annotations

import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import great_expectations as gx
from great_expectations.data_context import FileDataContext

from include.quality.actions import KeepOutcome, TellOfBlocks
from include.quality.event_suites import LANDED_EVENT_SUITES
from include.quality.stored_suites import STORED_SUITES
from include.quality.suites import LANDED_SUITES, Stated, build_suite

FOLDER: Final = Path(__file__).parent / "gx"
CONFIGURATION: Final = "great_expectations.yml"
WRITTEN: Final = ("expectations", "validation_definitions", "checkpoints")
LANDING: Final = "landing"
WAREHOUSE: Final = "warehouse"
WHOLE: Final = "whole_frame"
SOURCES: Final = {LANDING: LANDED_SUITES | LANDED_EVENT_SUITES, WAREHOUSE: STORED_SUITES}
"""Suites by the data source whose frames they judge."""

_IDENTITY: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_SUMMARY: Final[dict[str, Any]] = {"result_format": "SUMMARY", "partial_unexpected_count": 5}


@contextmanager
def open_project() -> Iterator[FileDataContext]:
    """Yield the project from a private copy that is gone afterwards, safe beside other tasks."""
    with tempfile.TemporaryDirectory(prefix="candlewick-gx-") as folder:
        yield open_copy(Path(folder) / "gx")


def open_copy(target: Path) -> FileDataContext:
    """Copy the project's files to ``target``, over an older copy, and open that.

    Results that lie beside them stay.
    """
    for name in WRITTEN:
        shutil.rmtree(target / name, ignore_errors=True)
        shutil.copytree(FOLDER / name, target / name)
    shutil.copyfile(FOLDER / CONFIGURATION, target / CONFIGURATION)
    return gx.get_context(mode="file", context_root_dir=target)


def batch_definition(context: FileDataContext, suite: str) -> Any:
    """Return the batch definition whose frames ``suite`` judges: give it ``dataframe``.

    Raises:
        KeyError: there is no such suite.
    """
    source = next((name for name, suites in SOURCES.items() if suite in suites), None)
    if source is None:
        known = sorted(name for suites in SOURCES.values() for name in suites)
        raise KeyError(f"no suite {suite!r}: choose from {known}")
    return context.data_sources.get(source).get_asset(suite).get_batch_definition(WHOLE)


def write_project(target: Path) -> None:
    """Write the project's files, as the code states them, into the empty folder ``target``.

    The identities Great Expectations draws at random are replaced by ones reckoned from their
    place in the files, so that writing again changes nothing.
    """
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(FOLDER / CONFIGURATION, target / CONFIGURATION)
    text = (target / CONFIGURATION).read_text(encoding="utf-8")
    text = text.partition("fluent_datasources:")[0]
    (target / CONFIGURATION).write_text(text, encoding="utf-8")
    context = gx.get_context(mode="file", context_root_dir=target)
    for source, suites in SOURCES.items():
        data_source = context.data_sources.add_pandas(source)
        definitions = [
            _add_suite(context, data_source, name, stated()) for name, stated in suites.items()
        ]
        if source == WAREHOUSE:
            for definition in definitions:
                _add_checkpoint(context, definition)
    sources = (target / CONFIGURATION).read_text(encoding="utf-8").partition("fluent_datasources:")
    stated = sources[2].partition("\nplugins_directory:")[0].partition("\nanalytics_enabled:")[0]
    (target / CONFIGURATION).write_text(f"{text}fluent_datasources:{stated}\n", encoding="utf-8")
    _settle_identities(target)


def _add_suite(
    context: FileDataContext, data_source: Any, name: str, stated: list[Stated]
) -> gx.ValidationDefinition:
    asset = data_source.add_dataframe_asset(name)
    return context.validation_definitions.add(
        gx.ValidationDefinition(
            name=name,
            data=asset.add_batch_definition_whole_dataframe(WHOLE),
            suite=context.suites.add(build_suite(name, stated)),
        )
    )


def _add_checkpoint(context: FileDataContext, definition: gx.ValidationDefinition) -> None:
    context.checkpoints.add(
        gx.Checkpoint(
            name=definition.name,
            validation_definitions=[definition],
            actions=[
                gx.checkpoint.UpdateDataDocsAction(name="update_data_docs"),
                KeepOutcome(name="keep_outcome"),
                TellOfBlocks(name="tell_of_blocks"),
            ],
            result_format=_SUMMARY,
        )
    )


def _settle_identities(folder: Path) -> None:
    files = [folder / CONFIGURATION]
    files += [path for name in WRITTEN for path in sorted((folder / name).glob("*.json"))]
    settled: dict[str, str] = {}
    for path in files:
        text = path.read_text(encoding="utf-8")
        for place, drawn in enumerate(_IDENTITY.findall(text)):
            name = f"candlewick/{path.relative_to(folder).as_posix()}/{place}"
            settled.setdefault(drawn, str(uuid.uuid5(uuid.NAMESPACE_URL, name)))
        text = _IDENTITY.sub(lambda found: settled[found[0]], text)
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def main() -> None:
    """Write the project's files anew."""
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "gx"
        write_project(written)
        for name in WRITTEN:
            shutil.rmtree(FOLDER / name, ignore_errors=True)
            shutil.copytree(
                written / name, FOLDER / name, ignore=shutil.ignore_patterns(".ge_store_backend_id")
            )
        shutil.copyfile(written / CONFIGURATION, FOLDER / CONFIGURATION)


if __name__ == "__main__":
    main()
