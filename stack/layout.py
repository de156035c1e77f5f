"""Where things lie in the state folder, and the record of how the stack was started."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from include.market.errors import InvalidInputError
from include.market.timeframe import DEFAULT_CHAIN
from stack.settings import PROJECT_ROOT, StackSettings

HOST = "127.0.0.1"
# sockaddr_un holds 108 bytes with the final NUL; supervisord first binds "<path>.<pid>".
MAX_SOCKET_PATH = 98


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below one state folder (absolute)."""

    state: Path
    root: Path = PROJECT_ROOT

    @property
    def secrets(self) -> Path:
        """Folder of generated passwords and keys."""
        return self.state / "secrets"

    @property
    def logs(self) -> Path:
        """Folder of all logs; ``logs/tasks`` holds those of task runs."""
        return self.state / "logs"

    @property
    def run(self) -> Path:
        """Folder of pid files, lock, control socket and generated configuration."""
        return self.state / "run"

    @property
    def record(self) -> Path:
        """File with the settings of the stack as started."""
        return self.state / "stack.json"

    @property
    def postgres_data(self) -> Path:
        """Data folder of the PostgreSQL cluster."""
        return self.state / "postgres"

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME."""
        return self.state / "airflow"

    @property
    def landing(self) -> Path:
        """Landing zone of fetched pages."""
        return self.state / "landing"

    @property
    def outbox(self) -> Path:
        """Where messages and charts go while no Discord connection exists."""
        return self.state / "outbox"

    @property
    def quality(self) -> Path:
        """The page of data quality, its pictures and Data Docs; served in Airflow's UI."""
        return self.state / "quality"

    @property
    def supervisor_config(self) -> Path:
        """Generated configuration of supervisord; its path is also how we know our own."""
        return self.run / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        """Pid file of supervisord."""
        return self.run / "supervisord.pid"

    @property
    def supervisor_socket(self) -> Path:
        """Control socket of supervisord; in the temporary folder when the state path is long."""
        wanted = self.run / "supervisor.sock"
        if len(os.fsencode(wanted)) <= MAX_SOCKET_PATH:
            return wanted
        digest = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"candlewick-{os.geteuid()}-{digest}"
        return folder / "supervisor.sock"

    def part_log(self, part: str) -> Path:
        """Return the log file of one part."""
        return self.logs / f"{part}.log"

    def make_folders(self) -> None:
        """Create the folders; those with secrets or logs are for the owner only.

        The state folder itself stays passable: PostgreSQL may run under another account.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        for folder in (self.secrets, self.logs, self.run, self.airflow_home):
            folder.mkdir(mode=0o700, exist_ok=True)
        for folder in (self.landing, self.outbox, self.quality, self.logs / "tasks"):
            folder.mkdir(exist_ok=True)

    def make_socket_folder(self) -> None:
        """Create the folder of the control socket, for the owner only.

        Raises:
            InvalidInputError: it is in the temporary folder, and somebody else made it.
        """
        folder = self.supervisor_socket.parent
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise InvalidInputError(
                f"{folder} belongs to another user: choose a STATE folder with a shorter path"
            )

    def remove_socket(self) -> None:
        """Remove the control socket, and its folder if that is in the temporary one."""
        self.supervisor_socket.unlink(missing_ok=True)
        folder = self.supervisor_socket.parent
        if folder != self.run and folder.exists():
            folder.rmdir()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRecord:
    """How the stack in a state folder was started; ports follow from ``port``."""

    source: str
    port: int
    days: int
    instruments: str
    seed: int
    timeframes: str = DEFAULT_CHAIN
    symbols: tuple[str, ...] = ()
    replay_from_ms: int | None = None
    replay_to_ms: int | None = None
    prepared: str = ""
    """Fingerprint of what was last migrated and loaded into Airflow's metadata."""
    ready: bool = False
    """Whether databases and exchange are prepared, so that Airflow's parts may go on."""
    river_done: bool = False
    """Whether the main job ran to its end since the start."""

    @classmethod
    def from_settings(cls, settings: StackSettings) -> StackRecord:
        """Begin the record of a stack with these settings."""
        return cls(
            source=str(settings.source),
            port=settings.port,
            days=settings.days,
            instruments=settings.instruments,
            timeframes=settings.timeframes,
            seed=settings.seed,
        )

    @property
    def airflow_url(self) -> str:
        """Address of the UI and the REST API."""
        return f"http://{HOST}:{self.port}"

    @property
    def postgres_port(self) -> int:
        """Port of PostgreSQL."""
        return self.port + 1

    @property
    def simulator_port(self) -> int:
        """Port of the bundled exchange."""
        return self.port + 2

    @property
    def log_port(self) -> int:
        """Port Airflow believes its workers serve logs on; nothing listens there."""
        return self.port + 3

    @property
    def trigger_log_port(self) -> int:
        """Port Airflow believes its triggerer serves logs on; nothing listens there."""
        return self.port + 4

    @property
    def simulated(self) -> bool:
        """Tell whether the bundled exchange is the source."""
        return not self.source.startswith("binance")

    @property
    def simulator_url(self) -> str:
        """Address of the bundled exchange; empty when the source is the real one."""
        return f"http://{HOST}:{self.simulator_port}" if self.simulated else ""

    def with_changes(self, **changes: Any) -> StackRecord:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


def load_record(layout: Layout) -> StackRecord | None:
    """Return the record of ``layout``; None when the stack was never started there.

    Raises:
        InvalidInputError: the file is there but is not ours.
    """
    try:
        document = json.loads(layout.record.read_text(encoding="utf-8"))
        return StackRecord(**{**document, "symbols": tuple(document["symbols"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInputError(
            f"{layout.record} cannot be read ({error}): delete it, then run make up again"
        ) from None


def save_record(layout: Layout, record: StackRecord) -> StackRecord:
    """Write the record so that readers see the old or the new one, never half of it."""
    write_private(layout.record, json.dumps(asdict(record), indent=2) + "\n")
    return record


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step, readable by the owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.chmod(0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
