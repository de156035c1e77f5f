from __future__ import annotations

from pathlib import Path

import pytest

from include.market.errors import InvalidInputError
from stack.airflow_settings import Pool, load_settings_file, parse_settings_text
from stack.settings import PROJECT_ROOT

FULL = """
airflow:
  connections:
    - conn_id: warehouse
      conn_type: postgres
      conn_host: postgres
      conn_schema: warehouse
      conn_login: candlewick
      conn_password:
      conn_port: 5432
      conn_extra:
        sslmode: disable
    - conn_id: by_uri
      conn_uri: http://example.org
    - conn_id:
      conn_type:
  pools:
    - pool_name: exchange_api
      pool_slot: "4"
      pool_description: Requests
    - pool_name:
      pool_slot:
  variables:
    - variable_name: universe
      variable_value: '{"a": 1}'
    - variable_name: nested
      variable_value:
        b: [2]
    - variable_name:
"""


def test_the_whole_format() -> None:
    objects = parse_settings_text(FULL)
    assert objects.connections == {
        "warehouse": {
            "conn_type": "postgres",
            "host": "postgres",
            "schema": "warehouse",
            "login": "candlewick",
            "port": 5432,
            "extra": '{"sslmode": "disable"}',
        },
        "by_uri": "http://example.org",
    }
    assert objects.pools == {"exchange_api": Pool(4, "Requests")}
    assert objects.variables == {"universe": '{"a": 1}', "nested": '{"b": [2]}'}


def test_empty_lists_are_fine() -> None:
    objects = parse_settings_text("airflow:\n  connections:\n  pools:\n  variables:\n")
    assert (objects.connections, objects.pools, objects.variables) == ({}, {}, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "top key"),
        ("- a", "top key"),
        ("airflow: 3", "top key"),
        ("airflow: [", "not YAML"),
        ("airflow: {connections: {a: b}}", "list of mappings"),
        ("airflow: {connections: [{conn_id: x, conn_host: h}]}", "connection x needs conn_type"),
        (
            "airflow: {connections: [{conn_id: x, conn_type: http, conn_port: high}]}",
            "connection x: conn_port must be a whole number, was 'high'",
        ),
        ("airflow: {pools: [{pool_name: p}]}", "pool p: pool_slot must be a whole number"),
        ("airflow: {variables: [{variable_name: v}]}", "variable v needs variable_value"),
        (
            "airflow: {pools: [{pool_name: p, pool_slot: 1}, {pool_name: p, pool_slot: 2}]}",
            "declares p twice",
        ),
    ],
)
def test_a_wrong_file_is_told_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "airflow_settings.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        load_settings_file(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nothing\.yaml cannot be read: No such file"):
        load_settings_file(tmp_path / "nothing.yaml")


def test_the_projects_own_file_declares_what_the_stack_overrides() -> None:
    objects = load_settings_file(PROJECT_ROOT / "airflow_settings.yaml")
    assert {"warehouse", "binance_spot"} <= set(objects.connections)
    assert {"exchange_api", "warehouse_load", "model_fit"} <= set(objects.pools)
    assert {"universe", "settings"} <= set(objects.variables)
