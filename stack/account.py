"""Under which OS account PostgreSQL runs.

PostgreSQL refuses to run as root. An ordinary user simply runs it. Root hands it to an existing
account without rights (``nobody``, else ``daemon``), or to whoever already owns the data folder,
through ``setpriv``. Only the data folder changes owner; parent folders keep their modes. Where the
account may not pass a parent (a checkout under /root, mode 0700), the server keeps one capability,
to read past folder modes, and still has no right to write outside its data folder; this was
preferred to moving the data out of the state folder, where a later ``rm -rf`` would miss it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from include.market.errors import InvalidInputError

ACCOUNTS = ("nobody", "daemon")
# Tried in this order; the second is refused by many containers, the third by few.
CAPABILITIES = ("", "dac_read_search", "dac_override")


@dataclass(frozen=True, slots=True)
class Account:
    """An OS account and the command prefix that becomes it (empty: already that account)."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    def own(self, path: Path) -> None:
        """Make ``path`` itself, not its parents or children, belong to the account."""
        if self.prefix:
            os.chown(path, self.uid, self.gid)

    def own_tree(self, folder: Path) -> None:
        """Make ``folder`` and all below it belong to the account; links are not followed."""
        if not self.prefix or folder.stat().st_uid == self.uid:
            return
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                os.lchown(Path(parent) / name, self.uid, self.gid)
        self.own(folder)


def choose_account(data_dir: Path, binary: Path) -> Account:
    """Return the account for a server in ``data_dir`` whose program is ``binary``.

    Raises:
        InvalidInputError: we are root and no account can be used here.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if shutil.which("setpriv") is None:
        raise InvalidInputError(
            "PostgreSQL refuses to run as root and setpriv (util-linux) was not found: "
            "run make as an ordinary user"
        )
    uid, gid = _service_ids(data_dir)
    for capability in CAPABILITIES:
        account = Account(uid, gid, _prefix(uid, gid, capability))
        if _can_reach(account, data_dir.parent, binary):
            return account
    raise InvalidInputError(
        f"PostgreSQL refuses to run as root, and account {pwd.getpwuid(uid).pw_name} cannot reach "
        f"{data_dir.parent}: use a STATE folder and a checkout that others may pass, or run make "
        "as an ordinary user"
    )


def _service_ids(data_dir: Path) -> tuple[int, int]:
    if data_dir.exists() and data_dir.stat().st_uid != 0:
        return data_dir.stat().st_uid, data_dir.stat().st_gid
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise InvalidInputError(
        f"PostgreSQL refuses to run as root and no account {' or '.join(ACCOUNTS)} exists: "
        "run make as an ordinary user"
    )


def _prefix(uid: int, gid: int, capability: str) -> tuple[str, ...]:
    caps = f"-all,+{capability}" if capability else "-all"
    return (
        "setpriv",
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        "--no-new-privs",
        f"--inh-caps={caps}",
        f"--ambient-caps={caps}",
        "--",
    )


def _can_reach(account: Account, folder: Path, binary: Path) -> bool:
    folder = next(parent for parent in (folder, *folder.parents) if parent.exists())
    probe = ("/bin/sh", "-c", 'cd "$1" && exec "$2" --version', "sh", str(folder), str(binary))
    finished = subprocess.run((*account.prefix, *probe), capture_output=True, check=False)
    return finished.returncode == 0
