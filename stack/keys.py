"""Passwords and keys, generated once per state folder and readable by its owner only."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from include.market.errors import InvalidInputError
from include.warehouse.roles import LOADER_LOGIN, READER_LOGIN
from stack.layout import HOST, Layout, StackRecord, write_private

ADMIN = "admin"
AIRFLOW_DATABASE = AIRFLOW_ROLE = "airflow"
WAREHOUSE_DATABASE = "warehouse"
WAREHOUSE_ROLE = "candlewick"


def _token() -> str:
    # URL-safe, so that it can stand in a postgresql:// address as it is.
    return secrets.token_urlsafe(48)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Keys:
    """Everything secret; ``repr`` shows nothing of it."""

    admin_password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    airflow_database_password: str = field(default_factory=_token)
    warehouse_password: str = field(default_factory=_token)
    loader_password: str = field(default_factory=_token)
    reader_password: str = field(default_factory=_token)
    jwt_secret: str = field(default_factory=_token)
    api_secret_key: str = field(default_factory=_token)
    fernet_key: str = field(
        default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    )

    def warehouse_url(self, record: StackRecord) -> str:
        """Return the warehouse's ``postgresql://`` address for its owner."""
        return _warehouse_url(record, WAREHOUSE_ROLE, self.warehouse_password)

    def loader_url(self, record: StackRecord) -> str:
        """Return the warehouse's address for the login the jobs use."""
        return _warehouse_url(record, LOADER_LOGIN, self.loader_password)

    def reader_url(self, record: StackRecord) -> str:
        """Return the warehouse's address for a login that can only read."""
        return _warehouse_url(record, READER_LOGIN, self.reader_password)

    def metadata_url(self, record: StackRecord, driver: str = "") -> str:
        """Return the address of Airflow's own database, e.g. for driver ``+psycopg2``."""
        login = f"{AIRFLOW_ROLE}:{self.airflow_database_password}"
        return f"postgresql{driver}://{login}@{HOST}:{record.postgres_port}/{AIRFLOW_DATABASE}"


def _warehouse_url(record: StackRecord, login: str, password: str) -> str:
    place = f"{HOST}:{record.postgres_port}/{WAREHOUSE_DATABASE}"
    return f"postgresql://{login}:{password}@{place}"


def load_keys(layout: Layout) -> Keys:
    """Return the keys of ``layout``.

    Raises:
        InvalidInputError: they were never made, or the file is not ours.
    """
    path = layout.secrets / "keys.json"
    known = _read(path)
    if absent := {field.name for field in fields(Keys)} - set(known):
        raise InvalidInputError(f"{path} lacks {', '.join(sorted(absent))}: run make up")
    return Keys(**known)


def ensure_keys(layout: Layout) -> Keys:
    """Return the keys of ``layout``, generated now where there are none."""
    path = layout.secrets / "keys.json"
    known = _read(path) if path.exists() else {}
    # A file of an older version lacks the newer keys; those it has stay as they are.
    keys = Keys(**known)
    if asdict(keys) != known:
        write_private(path, json.dumps(asdict(keys)) + "\n")
    write_private(passwords_file(layout), json.dumps({ADMIN: keys.admin_password}) + "\n")
    return keys


def _read(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(known) - {field.name for field in fields(Keys)}
    except FileNotFoundError:
        raise InvalidInputError(f"{path} is not there: run make up first") from None
    except PermissionError:
        raise InvalidInputError(f"{path} belongs to another user: run as that user") from None
    except (ValueError, TypeError) as error:
        raise _broken(path, str(error)) from None
    if not isinstance(known, dict) or unknown:
        raise _broken(path, f"it holds {', '.join(sorted(unknown)) or 'no object'}")
    return known


def _broken(path: Path, reason: str) -> InvalidInputError:
    return InvalidInputError(
        f"{path} cannot be read ({reason}): restore it, or delete {path.parents[1]} to start anew"
    )


def passwords_file(layout: Layout) -> Path:
    """Return where Airflow's simple login reads the admin's password."""
    return layout.secrets / "simple_auth_passwords.json"
