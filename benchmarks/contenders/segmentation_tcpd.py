"""TCPDBench's protocol on the annotated series at hand, with one fixed default configuration.

F1 with margin 5 and covering, both averaged over series; see ``segmentation_metrics``. Published
scores of other methods' defaults on the same series are read from the same folder; ``zero``, which
finds nothing, is computed here and must equal what was published.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from include.channels.segmentation import segment_lines
from include.channels.segmentation_metrics import covering, f1_score

MIN_LENGTH = 12
TOLERANCE = 0.001
"""Published scores have three digits."""


def read_series(path: Path) -> Any:
    """Return the values of a univariate series."""
    document = json.loads(path.read_text())
    return np.array(document["series"][0]["raw"], dtype=float)


def read_scores(path: Path, names: list[str]) -> dict[str, dict[str, float]]:
    """Return published scores by method and series; absent ones are left out."""
    scores: dict[str, dict[str, float]] = {}
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            name = row.pop("dataset")
            for method, score in row.items():
                if name in names and score:
                    scores.setdefault(method, {})[name] = float(score)
    return scores


def measure(folder: Path) -> dict[str, Any]:
    """Return mean scores of ours and of the published defaults on the series of a folder."""
    annotations = json.loads((folder / "annotations.json").read_text())
    names = sorted(path.stem for path in (folder / "series").glob("*.json"))
    ours, zero = [], {}
    for name in names:
        values, sets = read_series(folder / "series" / f"{name}.json"), annotations[name].values()
        breaks = [start for start, _ in segment_lines(values, min_length=MIN_LENGTH).bounds[1:]]
        ours.append((f1_score(list(sets), breaks), covering(list(sets), breaks, len(values))))
        zero[name] = (f1_score(list(sets), []), covering(list(sets), [], len(values)))
    means = np.mean(ours, axis=0)
    found: dict[str, Any] = {
        "series": names,
        "ours": {"f1": float(means[0]), "covering": float(means[1])},
        "by_series": {name: list(pair) for name, pair in zip(names, ours, strict=True)},
    }
    for place, (score, file) in enumerate((("f1", "default_f1"), ("covering", "default_cover"))):
        published = read_scores(folder / "published" / f"{file}.csv", names)
        for name, value in published["zero"].items():
            if abs(value - zero[name][place]) > TOLERANCE:
                raise SystemExit(f"{score} of zero on {name} is {zero[name][place]}, not {value}")
        for method, by_name in published.items():
            if len(by_name) == len(names):
                found.setdefault(method, {})[score] = float(np.mean(list(by_name.values())))
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
