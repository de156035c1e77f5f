"""``python -m stack.prepare_airflow FILE``: migrate Airflow's metadata, load the settings file.

Both in one process, because importing Airflow costs more than either. It runs in the environment
of ``stack.environment`` and may be repeated: what exists is replaced by what the file says.
"""

from __future__ import annotations

import sys
from pathlib import Path

from airflow.models import Connection, Pool, Variable  # noqa: TID251 the stack's door to Airflow
from airflow.utils.db import upgradedb  # noqa: TID251
from airflow.utils.session import create_session  # noqa: TID251
from sqlalchemy import delete

from stack.airflow_settings import AirflowObjects, load_settings_file


def store_objects(objects: AirflowObjects) -> None:
    """Write connections, pools and variables into the metadata, in one transaction."""
    with create_session() as session:
        for conn_id, value in objects.connections.items():
            session.execute(delete(Connection).where(Connection.conn_id == conn_id))
            session.add(
                Connection(conn_id=conn_id, uri=value)
                if isinstance(value, str)
                else Connection(conn_id=conn_id, **value)
            )
        for key, text in objects.variables.items():
            session.execute(delete(Variable).where(Variable.key == key))
            session.add(Variable(key=key, val=text))  # type: ignore[no-untyped-call]
        for name, pool in objects.pools.items():
            Pool.create_or_update_pool(
                name, pool.slots, pool.description, include_deferred=False, session=session
            )


def main(arguments: list[str]) -> None:
    """Migrate, then load the file named first in ``arguments``."""
    objects = load_settings_file(Path(arguments[0]))
    upgradedb()
    store_objects(objects)


if __name__ == "__main__":
    main(sys.argv[1:])
