"""Applies the faults of rows and of bytes to one clean answer."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import replace

from include.simulator.faults.answer import Answer
from include.simulator.faults.asked import Asked
from include.simulator.faults.book import Firing
from include.simulator.faults.byte_faults import BYTE_FAULTS
from include.simulator.faults.page import Page, read_page
from include.simulator.faults.page_faults import PAGE_FAULTS
from include.simulator.faults.shape_faults import SHAPE_FAULTS
from include.simulator.faults.value_faults import VALUE_FAULTS

ROW_FAULTS = {**PAGE_FAULTS, **VALUE_FAULTS, **SHAPE_FAULTS}
_CHECKSUM = ".CHECKSUM"
_MAX_SUMS = 10_000


class Liar:
    """Changes answers; it remembers the checksums of archives it changed, to lie consistently."""

    def __init__(self) -> None:
        """Begin without lies."""
        self._sums: dict[str, str] = {}

    def forget(self) -> None:
        """Tell the truth about all checksums again."""
        self._sums.clear()

    def change(
        self, answer: Answer, firings: Sequence[Firing], asked: Asked, now_ms: int
    ) -> tuple[Answer, list[Firing]]:
        """Return the changed answer and the firings that found something to change.

        Rows first, in the order given, then bytes. An answer other than 200 stays as it is.
        """
        if answer.status != 200:
            return answer, []
        self._sums.pop(asked.path, None)
        answer, bitten = self._change_rows(answer, firings, asked, now_ms)
        for firing in firings:
            changed = None
            if firing.kind == "bytes":
                changed = BYTE_FAULTS[firing.name](answer, firing, asked)
            if changed is not None:
                answer = changed
                bitten.append(firing)
        return answer, bitten

    def checksum_of(self, answer: Answer, asked: Asked) -> Answer:
        """Return a ``.CHECKSUM`` that fits the archive as it was last sent."""
        told = self._sums.get(asked.path.removesuffix(_CHECKSUM))
        if told is None or not asked.path.endswith(_CHECKSUM) or answer.status != 200:
            return answer
        name = answer.body.partition(b" ")[2]
        return replace(answer, body=told.encode() + b" " + name)

    def _change_rows(
        self, answer: Answer, firings: Sequence[Firing], asked: Asked, now_ms: int
    ) -> tuple[Answer, list[Firing]]:
        wanted = [firing for firing in firings if firing.kind == "rows"]
        page = read_page(answer.body, asked, now_ms) if wanted else None
        if page is None:
            return answer, []
        bitten = []
        for firing in wanted:
            page, is_changed = _bite(page, firing, is_alone=len(wanted) == 1)
            bitten += [firing] * is_changed
        if bitten:
            answer = replace(answer, body=page.render())
        if bitten and page.member is not None:
            self._sums[asked.path] = hashlib.sha256(answer.body).hexdigest()
            if len(self._sums) > _MAX_SUMS:
                self._sums.pop(next(iter(self._sums)))
        return answer, bitten


def _bite(page: Page, firing: Firing, *, is_alone: bool) -> tuple[Page, bool]:
    """Return the page after one fault; a fault that chokes on another's ruins changes nothing."""
    before = None if is_alone else copy.deepcopy(page)
    try:
        return page, ROW_FAULTS[firing.name](page, firing)
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError):
        return before or page, False
