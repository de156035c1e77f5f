"""States stay apart for every reader: with full colour vision and with each kind of its lack."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from include.report.coverage import OUTSIDE_LIFE, STATES
from include.report.palette import DARK, LIGHT, Theme

# Machado et al. 2009, severity 1.0, on linear RGB.
VISIONS = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
APART = 20.0
"""Least distance in CIE L*a*b* between states of different kinds; 2.3 is just noticeable."""
KIN = 9.0
"""The same within a kind, where the legend's order helps."""
THEMES = {"light": LIGHT, "dark": DARK}


def linear(colour: str) -> NDArray[np.float64]:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str) -> NDArray[np.float64]:
    """Return L*a*b* (D65) of an sRGB colour as seen with a kind of vision."""
    seen = np.clip(VISIONS[vision] @ linear(colour), 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    scaled = to_xyz @ seen / np.array([0.95047, 1.0, 1.08883])
    roots = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * roots[1] - 16, 500 * (roots[0] - roots[1]), 200 * (roots[1] - roots[2])])


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2, 1 to 21."""
    light, dark = sorted(
        (float(np.array([0.2126, 0.7152, 0.0722]) @ linear(c)) for c in (one, other)), reverse=True
    )
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("name", THEMES)
def test_states_stay_apart(name: str, vision: str) -> None:
    theme = THEMES[name]
    shown = [state for state in STATES if state.name not in OUTSIDE_LIFE]
    close = []
    for one, other in combinations(shown, 2):
        distance = float(
            np.linalg.norm(
                lab(theme.states[one.name], vision) - lab(theme.states[other.name], vision)
            )
        )
        if distance < (KIN if one.kind == other.kind else APART):
            close.append((one.name, other.name, round(distance, 1)))
    assert close == []


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_what_is_wrong_stands_out_from_what_is_well(theme: Theme) -> None:
    for state in STATES:
        if state.kind == "unexplained":
            assert contrast(theme.states[state.name], theme.states["present"]) >= 1.5, state.name
    assert contrast(theme.states["unknown"], theme.states["present"]) >= 7


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(theme: Theme) -> None:
    for paper in (theme.paper, theme.panel):
        assert contrast(theme.ink, paper) >= 7
        assert contrast(theme.faint, paper) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_state_has_a_colour_and_the_outside_of_a_life_has_none(theme: Theme) -> None:
    assert set(theme.states) == {state.name for state in STATES}
    assert {theme.states[name] for name in OUTSIDE_LIFE} == {theme.panel}
    assert len(set(theme.series)) == len(theme.series) == 8
