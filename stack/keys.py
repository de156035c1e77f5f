"""Passwords and keys, generated once per state folder and readable by its owner only."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from include.market.errors import InvalidInputError
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
    jwt_secret: str = field(default_factory=_token)
    api_secret_key: str = field(default_factory=_token)
    fernet_key: str = field(
        default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    )

    def warehouse_url(self, record: StackRecord) -> str:
        """Return the warehouse's ``postgresql://`` address."""
        login = f"{WAREHOUSE_ROLE}:{self.warehouse_password}"
        return f"postgresql://{login}@{HOST}:{record.postgres_port}/{WAREHOUSE_DATABASE}"

    def metadata_url(self, record: StackRecord, driver: str = "") -> str:
        """Return the address of Airflow's own database, e.g. for driver ``+psycopg2``."""
        login = f"{AIRFLOW_ROLE}:{self.airflow_database_password}"
        return f"postgresql{driver}://{login}@{HOST}:{record.postgres_port}/{AIRFLOW_DATABASE}"


def load_keys(layout: Layout) -> Keys:
    """Return the keys of ``layout``.

    Raises:
        InvalidInputError: they were never made, or the file is not ours.
    """
    path = layout.secrets / "keys.json"
    try:
        return Keys(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InvalidInputError(f"{path} is not there: run make up first") from None
    except PermissionError:
        raise InvalidInputError(f"{path} belongs to another user: run as that user") from None
    except (ValueError, TypeError) as error:
        raise InvalidInputError(
            f"{path} cannot be read ({error}): restore it, or delete {layout.state} to start anew"
        ) from None


def ensure_keys(layout: Layout) -> Keys:
    """Return the keys of ``layout``, generated now if there are none."""
    path = layout.secrets / "keys.json"
    if not path.exists():
        write_private(path, json.dumps(asdict(Keys())) + "\n")
    keys = load_keys(layout)
    write_private(passwords_file(layout), json.dumps({ADMIN: keys.admin_password}) + "\n")
    return keys


def passwords_file(layout: Layout) -> Path:
    """Return where Airflow's simple login reads the admin's password."""
    return layout.secrets / "simple_auth_passwords.json"
