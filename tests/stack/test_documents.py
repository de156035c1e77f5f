"""What the documents name is there: commands, modules, files, links, tables."""

from __future__ import annotations

import re

import pytest

from stack.settings import PROJECT_ROOT

DICTIONARY = PROJECT_ROOT / "docs" / "data-dictionary.md"
DOCUMENTS = [
    *(PROJECT_ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
    *(path for path in sorted(PROJECT_ROOT.glob("docs/**/*.md")) if path != DICTIONARY),
]
# A table that only some chains of timeframes have, and the one that is added by way of example.
EXAMPLES = {"candle_1mo", "open_interest"}
MIGRATIONS = PROJECT_ROOT / "include" / "warehouse" / "migrations"


def texts() -> list[tuple[str, str]]:
    return [
        (path.relative_to(PROJECT_ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in DOCUMENTS
    ]


def named(pattern: str) -> set[tuple[str, str]]:
    """Return (document, what it names) for each match of the pattern's one group."""
    found = {(name, word) for name, text in texts() for word in re.findall(pattern, text)}
    assert found
    return found


def test_there_are_documents() -> None:
    assert len(DOCUMENTS) > 20


def test_every_make_target_is_one() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    assert {
        (name, word) for name, word in named(r"(?:`|^)make(?: -s)? (\w+)") if word not in targets
    } == set()


def test_every_module_that_is_run_is_there() -> None:
    def is_there(module: str) -> bool:
        place = PROJECT_ROOT / module.replace(".", "/")
        return place.with_suffix(".py").exists() or (place / "__main__.py").exists()

    modules = named(r"python -m\s+((?:include|stack)[\w.]*\w)")
    assert {(name, module) for name, module in modules if not is_there(module)} == set()


def test_every_file_is_there() -> None:
    folders = "|".join(
        ("include", "dags", "plugins", "stack", "tests", "docs", "bin", "benchmarks")
    )
    paths = named(rf"`((?:{folders})/[\w./*-]+)`")
    missing = {(name, path) for name, path in paths if not any(PROJECT_ROOT.glob(path.rstrip("/")))}
    assert missing == set()


def test_every_link_leads_somewhere() -> None:
    links = {
        (name, link.split("#")[0])
        for name, link in named(r"\]\(([^)\s]+)\)")
        if not link.startswith(("http://", "https://", "#"))
    }
    assert links
    broken = {
        (name, link) for name, link in links if not ((PROJECT_ROOT / name).parent / link).exists()
    }
    assert broken == set()


@pytest.mark.parametrize("schema", ["market", "ledger", "model", "report"])
def test_every_table_is_there(schema: str) -> None:
    known = DICTIONARY.read_text(encoding="utf-8") + "".join(
        path.read_text(encoding="utf-8") for path in sorted(MIGRATIONS.rglob("*.py"))
    )
    objects = named(rf"(?<![\w.]){schema}\.(\w+)")
    missing = {
        (name, word)
        for name, word in objects
        if word not in EXAMPLES and not re.search(rf"\b{schema}\.{word}\b", known)
    }
    assert missing == set()
