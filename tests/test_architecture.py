"""The map and the land agree, and the guards of the architecture see their objects."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
ROOMS = sorted(path.parent.name for path in (ROOT / "include").glob("*/__init__.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = PYPROJECT["tool"]["importlinter"]["contracts"]


def test_there_are_rooms() -> None:
    assert len(ROOMS) >= 11


def test_the_table_of_rooms_is_the_folders() -> None:
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    assert sorted(table) == ROOMS


def test_the_table_stands_in_the_order_of_imports() -> None:
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    layers = [layer.split(" | ") for layer in CONTRACTS[0]["layers"]]
    assert [room for layer in layers for room in layer] == table


def test_the_pure_rooms_of_the_table_are_those_of_the_contract() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    pure = re.findall(r"^\| `(\w+)` \|.*\| pure \|$", text, re.MULTILINE)
    assert pure
    assert sorted(f"include.{room}" for room in pure) == sorted(CONTRACTS[1]["source_modules"])


def test_no_room_is_called_after_nothing() -> None:
    python_files = [
        path
        for folder in ("include", "dags", "plugins", "stack", "tests")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert len(python_files) > 50
    vague = re.compile(r"(utils?|helpers?|misc|common|manager)$")
    assert [path for path in python_files if vague.search(path.stem)] == []
    too_long = [path for path in python_files if len(path.read_text().splitlines()) > 400]
    assert too_long == []


def test_plugins_hold_one_file_because_airflow_runs_every_file_there() -> None:
    assert [path.name for path in (ROOT / "plugins").rglob("*.py")] == ["candlewick_plugin.py"]


def test_direct_requirements_are_pinned_and_locked_with_hashes() -> None:
    pins = re.findall(
        r"^([a-z0-9_.-]+)(?:\[.*\])?==(\S+)$", _text("requirements.txt"), re.MULTILINE
    )
    assert len(pins) >= 15
    for lock in ("requirements.lock", "requirements-dev.lock"):
        locked = _text(lock)
        assert locked.count("--hash=sha256:") > len(pins)
        for name, version in pins:
            assert re.search(
                rf"^{re.escape(name)}(\[.*\])?=={re.escape(version)}\b", locked, re.M
            ), name


def test_the_card_of_packages_is_there() -> None:
    names = set(re.findall(r"^([a-z0-9-]+)", _text("requirements.txt"), re.MULTILINE))
    assert names >= {
        "apache-airflow",
        "apache-airflow-providers-postgres",
        "pandas",
        "statsmodels",
        "requests",
        "sqlalchemy",
        "great-expectations",
        "discord-webhook",
        "pytest",
    }


def test_compose_publishes_nothing_beyond_loopback_and_has_no_default_secret() -> None:
    services = yaml.safe_load(_text("docker-compose.yaml"))["services"]
    assert len(services) >= 5
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    secrets = re.findall(r"\$\{(\w+)([^}]*)\}", _text("docker-compose.yaml"))
    declared = set(re.findall(r"^(\w+)=$", _text(".env.example"), re.MULTILINE))
    assert {name for name, _ in secrets} == declared
    assert not [name for name, rest in secrets if rest.startswith((":-", "-"))]


def _text(name: str) -> str:
    return (ROOT / name).read_text()
