from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from include.market.errors import InvalidInputError
from stack.keys import Keys, ensure_keys, load_keys, passwords_file
from stack.layout import Layout, StackRecord, load_record, save_record

RECORD = StackRecord(
    source="replay:/data", port=9000, days=3, instruments="A,B", seed=7, symbols=("A", "B")
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_record_comes_back_as_it_was(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert load_record(layout) is None
    save_record(layout, RECORD)
    assert load_record(layout) == RECORD
    assert mode(layout.record) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"symbols": []}', '{"symbols": [], "x": 1}'])
def test_a_broken_record_is_told_with_its_remedy(tmp_path: Path, text: str) -> None:
    layout = Layout(tmp_path)
    layout.record.write_text(text)
    with pytest.raises(InvalidInputError, match=r"stack\.json cannot be read .* delete it"):
        load_record(layout)


def test_ports_follow_from_the_first(tmp_path: Path) -> None:
    ports = (RECORD.postgres_port, RECORD.simulator_port, RECORD.log_port, RECORD.trigger_log_port)
    assert ports == (9001, 9002, 9003, 9004)
    assert RECORD.simulator_url == "http://127.0.0.1:9002"
    assert RECORD.with_changes(source="binance").simulator_url == ""


def test_secrets_are_for_the_owner_only_and_stay_the_same(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.make_folders()
    keys = ensure_keys(layout)
    assert ensure_keys(layout) == keys == load_keys(layout)
    assert Keys() != keys
    for path in (layout.secrets / "keys.json", passwords_file(layout)):
        assert mode(path) == 0o600
    for folder in (layout.secrets, layout.logs, layout.run, layout.airflow_home):
        assert mode(folder) == 0o700
    assert json.loads(passwords_file(layout).read_text()) == {"admin": keys.admin_password}
    assert keys.warehouse_password not in repr(keys)


def test_keys_of_an_older_version_are_completed_and_kept(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.make_folders()
    path = layout.secrets / "keys.json"
    before = ensure_keys(layout)
    older = json.loads(path.read_text())
    del older["loader_password"], older["reader_password"]
    path.write_text(json.dumps(older))
    with pytest.raises(InvalidInputError, match="lacks loader_password, reader_password: run make"):
        load_keys(layout)
    keys = ensure_keys(layout)
    assert load_keys(layout) == keys
    assert keys.warehouse_password == before.warehouse_password
    assert keys.loader_password not in ("", before.loader_password)


def test_missing_or_broken_keys_are_told(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    with pytest.raises(InvalidInputError, match="run make up first"):
        load_keys(layout)
    layout.make_folders()
    (layout.secrets / "keys.json").write_text('{"nope": 1}')
    with pytest.raises(InvalidInputError, match="cannot be read"):
        load_keys(layout)


def test_a_long_state_path_gets_a_short_control_socket(tmp_path: Path) -> None:
    short = Layout(Path("/tmp/state"))  # noqa: S108 never touched
    assert short.supervisor_socket == short.run / "supervisor.sock"
    long = Layout(tmp_path / ("x" * 120))
    assert len(str(long.supervisor_socket)) < 98
    assert long.supervisor_socket != Layout(tmp_path / ("y" * 120)).supervisor_socket
    long.make_socket_folder()
    assert mode(long.supervisor_socket.parent) == 0o700
    long.remove_socket()
    assert not long.supervisor_socket.parent.exists()
    long.remove_socket()
