"""``airflow_settings.yaml``, the Astro format: connections, pools and variables of the project.

One file serves the Astro CLI, the compose stack and this one. Astro's rules hold: rows without a
name are skipped, and ``conn_uri`` counts only when no other field of the connection is set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from include.market.errors import InvalidInputError

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Pool:
    """An Airflow pool."""

    slots: int
    description: str


@dataclass(frozen=True, slots=True)
class AirflowObjects:
    """What a settings file declares.

    Connections are by id: either a URI or the keyword arguments of Airflow's ``Connection``.
    """

    connections: dict[str, str | dict[str, Any]]
    pools: dict[str, Pool]
    variables: dict[str, str]


def load_settings_file(path: Path) -> AirflowObjects:
    """Read ``path``.

    Raises:
        InvalidInputError: it is missing, no YAML, or a row is wrong; names file, row and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return parse_settings_text(text)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from None


def parse_settings_text(text: str) -> AirflowObjects:
    """Read the YAML ``text`` of a settings file.

    Raises:
        InvalidInputError: it is no YAML, not of the Astro shape, or a row is wrong.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidInputError(f"not YAML: {' '.join(str(error).split())}") from None
    section = (document or {}).get("airflow") if isinstance(document or {}, dict) else None
    if not isinstance(section, dict):
        raise InvalidInputError("the top key must be 'airflow' with connections, pools, variables")
    return AirflowObjects(
        connections=_named(section, "connections", "conn_id", _connection),
        pools=_named(section, "pools", "pool_name", _pool),
        variables=_named(section, "variables", "variable_name", _variable),
    )


def _named(
    section: Mapping[str, Any], kind: str, key: str, parse: Callable[[str, dict[str, Any]], Value]
) -> dict[str, Value]:
    rows = section.get(kind) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidInputError(f"airflow.{kind} must be a list of mappings")
    found: dict[str, Value] = {}
    for row in rows:
        name = row.get(key)
        if not name:
            continue
        if str(name) in found:
            raise InvalidInputError(f"airflow.{kind} declares {name} twice: keep one")
        found[str(name)] = parse(str(name), row)
    return found


def _connection(name: str, row: dict[str, Any]) -> str | dict[str, Any]:
    given = {key: value for key, value in row.items() if value not in (None, "") and value != {}}
    if "conn_uri" in given and set(given) == {"conn_id", "conn_uri"}:
        return str(given["conn_uri"])
    if "conn_type" not in given:
        raise InvalidInputError(f"connection {name} needs conn_type (or conn_uri alone)")
    renamed = {
        key: str(given[f"conn_{key}"])
        for key in ("host", "schema", "login", "password")
        if f"conn_{key}" in given
    }
    parsed: dict[str, Any] = {"conn_type": str(given["conn_type"]), **renamed}
    if "conn_port" in given:
        parsed["port"] = _whole(f"connection {name}: conn_port", given["conn_port"])
    if "conn_extra" in given:
        parsed["extra"] = _text(given["conn_extra"])
    return parsed


def _pool(name: str, row: dict[str, Any]) -> Pool:
    slots = _whole(f"pool {name}: pool_slot", row.get("pool_slot"))
    return Pool(slots, str(row.get("pool_description") or ""))


def _variable(name: str, row: dict[str, Any]) -> str:
    if row.get("variable_value") is None:
        raise InvalidInputError(f"variable {name} needs variable_value")
    return _text(row["variable_value"])


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _whole(what: str, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise InvalidInputError(f"{what} must be a whole number, was {value!r}") from None
