"""The outbox writes whole files, once, under names that tell the event."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from include.market.errors import InvalidInputError
from include.notify.outbox import OutboxSender, name_event

Make = Callable[..., Any]


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_message_becomes_a_page_and_its_picture(
    tmp_path: Path, make_message: Make, png: bytes
) -> None:
    message = make_message(image=png)
    receipt = OutboxSender(tmp_path / "deep" / "outbox").send(message)
    stem = "20260102T030405000678Z-publish-report-run-1-"
    assert receipt.target == "outbox"
    assert receipt.path is not None
    page = Path(receipt.path)
    assert page.name.startswith(stem)
    assert list_files(page.parent) == [f"{page.stem}.md", f"{page.stem}.png"]
    assert page.read_text() == (
        f"# Channels of 4h\n\nAll is well\n\n![chart.png]({page.stem}.png)\n"
    )
    assert page.with_suffix(".png").read_bytes() == png


def test_sending_again_changes_nothing(tmp_path: Path, make_message: Make, png: bytes) -> None:
    outbox = OutboxSender(tmp_path)
    first = outbox.send(make_message())
    stamp = Path(first.path).stat().st_mtime_ns
    assert outbox.send(make_message(text="other words", image=png)) == first
    assert Path(first.path).read_text().endswith("All is well\n")
    assert Path(first.path).stat().st_mtime_ns == stamp
    assert len(list_files(tmp_path)) == 1


def test_names_depend_on_time_and_key_alone(make_message: Make) -> None:
    plain = make_message()
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    same = make_message(title="x", text="y", event_time=plain.event_time.astimezone(kathmandu))
    assert name_event(same) == name_event(plain)
    later = make_message(event_time=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))
    assert len({name_event(plain), name_event(later)}) == 2
    assert name_event(make_message(event_key="a/b")) != name_event(make_message(event_key="a:b"))


@pytest.mark.parametrize("key", ["../../etc/passwd", "a\x00b", "\u6bd4" * 300, "x" * 4000, "..."])
def test_any_key_gives_a_plain_file_name(key: str, tmp_path: Path, make_message: Make) -> None:
    receipt = OutboxSender(tmp_path).send(make_message(event_key=key))
    assert Path(receipt.path).parent == tmp_path
    assert len(Path(receipt.path).name) < 120
    assert len(list_files(tmp_path)) == 1


def test_a_failure_while_writing_leaves_no_half_file(
    tmp_path: Path, make_message: Make, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fill_up)
        with pytest.raises(InvalidInputError, match="No space left"):
            OutboxSender(tmp_path).send(make_message(image=png))
    assert list_files(tmp_path) == []
    OutboxSender(tmp_path).send(make_message(image=png))
    assert len(list_files(tmp_path)) == 2


def test_a_message_cut_off_after_its_picture_is_finished_later(
    tmp_path: Path, make_message: Make, png: bytes
) -> None:
    message = make_message(image=png)
    (tmp_path / f"{name_event(message)}.png").write_bytes(png)
    OutboxSender(tmp_path).send(message)
    assert len(list_files(tmp_path)) == 2


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    tmp_path: Path, make_message: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = make_message()
    page = tmp_path / f"{name_event(message)}.md"
    sync = os.fsync

    def write_beside(descriptor: int) -> None:
        sync(descriptor)
        page.write_text("first")

    monkeypatch.setattr(os, "fsync", write_beside)
    OutboxSender(tmp_path).send(message)
    assert page.read_text() == "first"
    assert list_files(tmp_path) == [page.name]


def test_many_senders_of_one_event_leave_one_message(tmp_path: Path, make_message: Make) -> None:
    messages = [make_message(text=f"{number}" * 5000) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        paths = {receipt.path for receipt in pool.map(OutboxSender(tmp_path).send, messages)}
    (path,) = paths
    body = Path(path).read_text().split("\n\n")[1].strip()
    assert len(body) == 5000
    assert len(set(body)) == 1
    assert len(list_files(tmp_path)) == 1


@pytest.mark.parametrize("inside", ["file", "file/deeper"])
def test_a_directory_that_cannot_be_written_is_one_clear_line(
    inside: str, tmp_path: Path, make_message: Make
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidInputError, match="outbox_dir") as caught:
        OutboxSender(tmp_path / inside).send(make_message())
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
