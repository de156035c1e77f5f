"""Machine code is kept, and made anew when any kernel changes."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import pytest

from include.channels import compiled

SCRIPT = "from room.outer import outer; print(outer(1.0))"


def run(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_kernel_that_changed_in_another_file_is_compiled_anew(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    source = Path(str(compiled.__file__)).read_text()
    (room / "__init__.py").touch()
    (room / "compiled.py").write_text(source)
    inner = "from room.compiled import compiled\n@compiled\ndef inner(x):\n    return x + {}\n"
    (room / "inner.py").write_text(inner.format(1))
    (room / "outer.py").write_text(
        "from room.compiled import compiled\nfrom room.inner import inner\n"
        "@compiled\ndef outer(x):\n    return inner(x)\n"
    )
    assert run(tmp_path) == "2.0"
    kept = list((room / "__pycache__").glob("kernels-*"))
    assert len(kept) == 1
    (room / "inner.py").write_text(inner.format(2))
    assert run(tmp_path) == "3.0"
    shutil.rmtree(kept[0])


def test_machine_code_is_kept_by_one_process_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    @compiled.compiled
    def double(number: float) -> float:
        return number * 2

    cache: Any = double._cache  # type: ignore[attr-defined]
    save = cache._cache_file.save
    refusals = []

    def save_while_another_comes(key: Any, data: Any) -> None:
        [lock] = tmp_path.rglob("lock")
        with lock.open("a") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        refusals.append(key)
        save(key, data)

    monkeypatch.setattr(cache._cache_file, "save", save_while_another_comes)
    assert (double(1.5), double(2)) == (3.0, 4)
    assert len(refusals) == len(list(tmp_path.rglob("*.nbc"))) == 2
    [lock] = tmp_path.rglob("lock")
    with lock.open("a") as next_one:
        fcntl.flock(next_one, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_without_machine_code_there_is_nothing_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)

    @compiled.compiled
    def double(number: float) -> float:
        return number * 2

    assert double(1.5) == 3.0


def test_a_folder_somebody_chose_is_used(tmp_path: Path) -> None:
    assert compiled.cache_folder(str(tmp_path)).startswith(f"{tmp_path}/kernels-")


@pytest.mark.parametrize("name", ["compiled", "quantile_kernel", "quantile_batch"])
def test_every_kernel_counts(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = Path(str(compiled.__file__)).parent
    for path in here.glob("*.py"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    before = compiled.cache_folder()
    with (tmp_path / f"{name}.py").open("a") as file:
        file.write("# changed\n")
    assert compiled.cache_folder() != before
