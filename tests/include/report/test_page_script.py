"""The page's script and the page agree: elements it looks up are there, figures it reads are given.

The suite has no browser: this holds what breaks when one side is changed alone, and where there is
a Node.js, the script itself is run on stand-ins for the browser's objects.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from include.report.coverage import STATES
from include.report.quality_page import describe_figures, render_quality_page
from tests.include.report.quality_maps import make_map, make_timeline
from tests.include.report.test_quality_page import PLANTED, Reader, make_page

HTML = render_quality_page(make_page(make_map(days=40, planted=PLANTED)))
FOUND = Reader(HTML)
DATA, SCRIPT = FOUND.texts["script"]
FIGURES: dict[str, Any] = json.loads(DATA)
REFUSED = make_timeline(off_grid=[1, 0, 2] + [0] * 7)
IDS = [given["id"] for _, given in FOUND.elements if given.get("id")]


def matches(pattern: str) -> set[str]:
    found = set(re.findall(pattern, SCRIPT))
    assert found, f"{pattern} sees nothing: the script is written otherwise, adapt this test"
    return found


def test_every_element_the_script_looks_up_is_there_once() -> None:
    assert len(IDS) == len(set(IDS))
    assert matches(r'(?:byId|getElementById)\("([\w-]+)"\)') <= set(IDS)


def test_the_script_reads_just_the_figures_it_is_given() -> None:
    timelines = set(re.findall(r'drawTimeline\("(\w+)"\)', SCRIPT))
    assert timelines == {"refused", "drift"}
    assert matches(r"\bdata\.(\w+)") | timelines == FIGURES.keys()


def test_what_is_embedded_is_what_python_describes() -> None:
    page = make_page(make_map(days=40, planted=PLANTED))
    assert json.loads(json.dumps(describe_figures(page))) == FIGURES


@pytest.mark.parametrize(
    ("readers", "given"),
    [
        (r"\bstate\.(\w+)", FIGURES["states"][0]),
        (r"\bdata\.rows\[[\w.]+\]\.(\w+)", FIGURES["rows"][0]),
        (r"\bcolours\.(\w+)", FIGURES["themes"]["dark"]),
    ],
    ids=("states", "rows", "themes"),
)
def test_fields_of_figures_are_given(readers: str, given: dict[str, Any]) -> None:
    methods = {"length", "map", "filter", "forEach", "slice"}
    assert matches(readers) - methods <= given.keys()


def test_both_themes_colour_every_state_and_series() -> None:
    light, dark = FIGURES["themes"]["light"], FIGURES["themes"]["dark"]
    assert light.keys() == dark.keys()
    assert len(light["states"]) == len(dark["states"]) == len(FIGURES["states"])
    assert len(light["series"]) == len(dark["series"])


def test_every_run_of_days_is_as_long_as_the_map_and_names_a_vector() -> None:
    for label in FIGURES["timeframes"]:
        for runs in FIGURES["cells"][label]:
            assert sum(runs[1::2]) == FIGURES["days"]
            assert all(0 <= vector < len(FIGURES["vectors"]) for vector in runs[::2])
    for vector in FIGURES["vectors"]:
        assert all(0 <= code < len(FIGURES["states"]) for code in vector[::2])


def test_brackets_of_the_script_close_in_their_order() -> None:
    bare = re.sub(r'"(?:\\.|[^"\\])*"|`[^`]*`|//[^\n]*|/\*.*?\*/', "", SCRIPT, flags=re.DOTALL)
    bare = re.sub(r"/(?:\\.|\[[^\]]*\]|[^/\n\\])+/[gimsuy]+", "", bare)
    closes, open_ones = {")": "(", "]": "[", "}": "{"}, []
    for sign in re.findall(r"[()\[\]{}]", bare):
        if sign in closes:
            assert open_ones
            assert open_ones.pop() == closes[sign]
        else:
            open_ones.append(sign)
    assert open_ones == []


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js to run the script with")
def test_the_script_draws_and_tells_what_python_counts(tmp_path: Path) -> None:
    days = 10
    page = make_page(make_map(days=days, planted=PLANTED), quarantine=REFUSED)
    found = Reader(render_quality_page(page))
    data, script = found.texts["script"]
    (tmp_path / "page.js").write_text(script)
    (tmp_path / "data.json").write_text(data)
    runner = Path(__file__).with_name("run_page.js")
    done = subprocess.run(
        ["node", runner, tmp_path / "page.js", tmp_path / "data.json"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["theme"], said["other"]) == ("dark", "light")
    assert said["refused"] == "3"
    assert said["rects"] > 0
    # Rows by symbol, in each its timeframes: "all" is what so few instruments are shown in.
    lines = [(row, label) for row in range(2) for label in ("1m", "4h")]
    for (label, row, day), counts in PLANTED.items():
        tip = said["told"][f"{lines.index((row, label))}/{day}"]
        for name, count in counts.items():
            state = next(state.label for state in STATES if state.name == name)
            assert re.search(rf"\|{re.escape(state)}\|{count:,}", tip), (tip, state, count)
    assert "outage" in said["legend"].lower()
