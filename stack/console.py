"""What ``make up`` shows: steps with a stopwatch, and progress bars where there is a terminal.

Without one (CI, a pipe) every step and stage is one plain line when it ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from stack.river_progress import STAGES, StageView

PLAIN_EVERY_S = 15.0


class Screen:
    """Standard output of a ``make up``."""

    def __init__(self, console: Console | None = None) -> None:
        """Write to ``console``, standard output by default."""
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.took: dict[str, float] = {}

    @property
    def alive(self) -> bool:
        """Tell whether a person looks at a terminal."""
        return self.console.is_terminal

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show ``title`` while the body runs, then how many seconds it took."""
        started = time.monotonic()
        spinner = self.console.status(f"{title} …") if self.alive else nullcontext()
        with spinner:
            yield
        self.took[title] = time.monotonic() - started
        self.say(f"[green]✓[/] {title:<42} {self.took[title]:6.1f} s")

    def say(self, text: str) -> None:
        """Print one line (rich markup)."""
        self.console.print(text)

    @contextmanager
    def stages(self) -> Iterator[StageBoard]:
        """Show the river's stages until the body ends."""
        if not self.alive:
            yield StageBoard(self, None)
            return
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=32),
            TextColumn("{task.percentage:>4.0f} %"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            yield StageBoard(self, progress)


class StageBoard:
    """The bars of the stages, or their plain lines."""

    def __init__(self, screen: Screen, progress: Progress | None) -> None:
        """Draw into ``progress``; None means plain lines."""
        self._screen = screen
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._said: set[str] = set()
        self._spoke_at = time.monotonic()
        self._started = time.monotonic()
        for stage in STAGES if progress is not None else ():
            self._tasks[stage] = progress.add_task(stage, total=1.0, note="")  # type: ignore[union-attr]

    def show(self, views: Mapping[str, StageView]) -> None:
        """Bring the display up to date."""
        for stage, view in views.items():
            if self._progress is not None:
                task = self._tasks[stage]
                if not self._progress.tasks[task].finished:
                    self._progress.update(task, completed=view.fraction, note=view.note)
            elif view.done and stage not in self._said:
                self._said.add(stage)
                elapsed = time.monotonic() - self._started
                self._speak(f"  {stage:<12} through after {elapsed:6.1f} s  {view.note}")
        waiting = [f"{stage} {view.fraction:.0%}" for stage, view in views.items() if not view.done]
        quiet = time.monotonic() - self._spoke_at > PLAIN_EVERY_S
        if self._progress is None and waiting and quiet:
            self._speak(f"  … {', '.join(waiting)}")

    def _speak(self, text: str) -> None:
        self._screen.say(text)
        self._spoke_at = time.monotonic()
