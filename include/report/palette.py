"""Colours of the quality pictures, on light and on dark paper. Pure.

What is well is pale, so that what is not stands out. Hues are those of Okabe and Ito ("Color
Universal Design", 2008), lightened or darkened until any two kinds of state stay apart under
protanopia, deuteranopia and tritanopia as well; a test computes it after Machado, Oliveira and
Fernandes ("A physiologically-based model for simulation of color vision deficiency", 2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of paper, ink and states; ``series`` are those of kinds in a timeline, in order."""

    paper: str
    panel: str
    ink: str
    faint: str
    grid: str
    states: dict[str, str]
    series: tuple[str, ...]


LIGHT: Final = Theme(
    paper="#ffffff",
    panel="#f6f8fa",
    ink="#14202b",
    faint="#5b6b7a",
    grid="#d8dee4",
    states={
        "present": "#d3dce4",
        "partial": "#a2aebc",
        "pre_listing": "#f6f8fa",
        "delisted": "#f6f8fa",
        "no_trade": "#009e73",
        "halted": "#c040c0",
        "unpublished": "#56b4e9",
        "outage": "#0063a8",
        "not_built": "#ffe632",
        "not_loaded": "#feca9e",
        "depth_exhausted": "#8c510a",
        "disconnected": "#d39700",
        "fetch_failed": "#d55e00",
        "unknown": "#000000",
    },
    series=("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#9a8700", "#7f8c98"),
)
DARK: Final = Theme(
    paper="#0d1117",
    panel="#11161e",
    ink="#e6edf3",
    faint="#8b98a8",
    grid="#232b36",
    states={
        "present": "#2b3947",
        "partial": "#5a6f84",
        "pre_listing": "#11161e",
        "delisted": "#11161e",
        "no_trade": "#00b386",
        "halted": "#e6a3bf",
        "unpublished": "#8fd0f5",
        "outage": "#2d90cd",
        "not_built": "#ffe163",
        "not_loaded": "#5a4527",
        "depth_exhausted": "#b36939",
        "disconnected": "#ff720a",
        "fetch_failed": "#ef3c00",
        "unknown": "#ffffff",
    },
    series=("#3b9bdc", "#e69f00", "#00b386", "#cc79a7", "#8fd0f5", "#ff6f1a", "#f0e442", "#8b98a8"),
)
