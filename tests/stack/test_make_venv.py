from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.settings import PROJECT_ROOT

LOCK = "requirements.lock"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing in it but what makes the virtual environment."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "make-venv"
    script.write_bytes((PROJECT_ROOT / "bin" / "make-venv").read_bytes())
    script.chmod(0o755)
    (tmp_path / LOCK).write_text("nothing==1 --hash=sha256:00\n")
    (tmp_path / "requirements-dev.lock").write_text("")
    return tmp_path


def make_venv(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "bin" / "make-venv", LOCK],
        env={"PATH": os.environ["PATH"], "HOME": str(checkout), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def pretend(path: Path, version: tuple[int, int, int]) -> Path:
    """Write a program that calls itself Python ``version`` and has no module at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.version_info = {version}\n"
        "option, code, *rest = sys.argv[1:]\n"
        "if option != '-c':\n"
        "    sys.exit(1)\n"
        "sys.argv = ['-c', *rest]\n"
        "exec(code.strip())\n"
    )
    path.chmod(0o755)
    return path


def test_an_old_python_is_one_line_and_makes_nothing(checkout: Path) -> None:
    old = pretend(checkout / "old" / "python3", (3, 9, 18))
    done = make_venv(checkout, PYTHON=str(old))
    assert done.returncode == 1
    assert "Python 3.9.18" in done.stderr
    assert "3.11 or newer" in done.stderr
    assert "PYTHON=" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (checkout / ".venv").exists()


def test_a_missing_python_is_one_line(checkout: Path) -> None:
    done = make_venv(checkout, PYTHON="python-that-is-not")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "python-that-is-not was not found" in done.stderr


def test_the_stamp_follows_the_lock(checkout: Path) -> None:
    pretend(checkout / ".venv" / "bin" / "python", (3, 12, 1))
    digest = hashlib.sha256((checkout / LOCK).read_bytes() + b"3.12").hexdigest()[:16]
    (checkout / ".venv" / f".holds-requirements-{digest}").touch()
    done = make_venv(checkout)
    assert (done.returncode, done.stderr) == (0, "")

    # Its packages no longer fit, and its pip is gone: it is made anew, which fails here.
    (checkout / LOCK).write_text("nothing==2 --hash=sha256:00\n")
    broken = make_venv(checkout, PYTHON=str(pretend(checkout / "p" / "python3", (3, 11, 0))))
    assert broken.returncode == 1
    assert "Making .venv with Python 3.11.0" in broken.stderr
    assert "-m venv failed" in broken.stderr
