"""Fit the inspector's trees: ``python bench/inspect_fit.py CASES OUT``; needs scikit-learn.

CASES is what ``inspect_cases.py DATA train CASES`` wrote. Folds are by recording, so that a
calibration never sees the recording it is judged on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from inspect_cases import RECIPE, load, total_kbps
from uncodec.inspection.evidence import FEATURES
from uncodec.inspection.verdict import is_shown

# More of these never speaks for lossless sound.
RISING = ("score", "share")
# What the first forest sees; families and depths would only teach it which settings it was shown.
JUDGED_BY = (
    "score", "strength", "share", "edge", "edge_part", "wall", "above", "holes_low",
    "holes_middle", "holes_high", "holes_top", "side_low", "side_middle", "side_high", "side_top",
    "tilt",
)  # fmt: skip


def matrix(rows: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Features of rows, [shape=(rows, features)]."""
    return np.array([[row["features"][name] for name in FEATURES] for row in rows], np.float64)


def nodes_of(model: Any, column: int = 0) -> list[list[list[float]]]:
    """Trees of a fitted model as plain nodes."""
    trees = []
    for stage in model._predictors:
        trees.append(
            [
                [-1, float(n["value"]), 0, 0]
                if n["is_leaf"]
                else [
                    int(n["feature_idx"]),
                    float(n["num_threshold"]),
                    int(n["left"]),
                    int(n["right"]),
                ]
                for n in stage[column].nodes
            ]
        )
    return trees


def rounded(trees: list[list[list[float]]]) -> list[list[list[float]]]:
    """Six digits say all; a threshold is none of the values it parts."""
    return [[[f, float(f"{t:.6g}"), a, b] for f, t, a, b in nodes] for nodes in trees]


def fit(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Fit both forests and calibrate the first."""
    everything = matrix(rows)
    x = everything * [name in JUDGED_BY for name in FEATURES]
    y = np.array([bool(row["codec"]) for row in rows])
    groups = np.array([row["recording"] for row in rows])
    calibration = RECIPE["calibration"]
    folds = GroupKFold(calibration["folds"])
    # Frames that show decide by themselves: the trees are asked where none do.
    asked = np.array(
        [
            not any(is_shown(i[3], i[4], i[5], i[1] == row["rate"]) for i in row["lattices"])
            for row in rows
        ]
    )
    classifier = HistGradientBoostingClassifier(
        **RECIPE["lossy"],
        early_stopping=False,
        monotonic_cst=[int(name in RISING) for name in FEATURES],
    )
    odds = cross_val_predict(
        classifier, x[asked], y[asked], groups=groups[asked], cv=folds, method="decision_function"
    )
    platt = LogisticRegression(C=1.0).fit(odds[:, None], y[asked])
    scale, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    held = 1.0 / (1.0 + np.exp(-(scale * odds + offset)))
    clean = ~y[asked]
    # So that few of the lossless clips would be accused.
    high = float(np.quantile(held[clean], 1.0 - calibration["false_accusations"]))
    accused, cleared = max(calibration["least_accused"], high), calibration["cleared"]
    classifier.fit(x[asked], y[asked])
    regressor = HistGradientBoostingRegressor(
        **RECIPE["rate"],
        early_stopping=False,
    )
    coded = np.flatnonzero(y)
    rates = np.log2([total_kbps(rows[i]) for i in coded])
    told = cross_val_predict(regressor, everything[coded], rates, groups=groups[coded], cv=folds)
    spread = float(np.quantile(np.abs(told - rates), 0.8))
    regressor.fit(everything[coded], rates)
    print(
        f"{len(rows)} cases, {y.sum()} coded, frames show in {np.mean(~asked[y]):.3f} of these and "
        f"in {np.mean(~asked[~y]):.4f} of the others; where none do, out of fold, accused from "
        f"{accused:.3f}: {np.mean(held[~clean] >= accused):.3f}, falsely "
        f"{np.mean(held[clean] >= accused):.4f}; cleared to {cleared}: "
        f"{np.mean(held[clean] <= cleared):.3f} of the lossless, "
        f"{np.mean(held[~clean] <= cleared):.3f} of the coded; rate within {spread:.2f} octaves "
        "in 8 of 10"
    )
    return {
        "format": 1,
        "version": RECIPE["version"],
        "features": list(FEATURES),
        "lossy": {
            "base": float(np.ravel(classifier._baseline_prediction)[0]),
            "trees": rounded(nodes_of(classifier)),
        },
        "scale": scale,
        "offset": offset,
        "rate": {
            "base": float(np.ravel(regressor._baseline_prediction)[0]),
            "trees": rounded(nodes_of(regressor)),
        },
        "rate_spread": spread,
        "accused_from": accused,
        "cleared_to": cleared,
    }


def main(arguments: list[str]) -> int:
    """Fit and write."""
    if len(arguments) != 2:
        print("usage: inspect_fit.py CASES OUT", file=sys.stderr)
        return 2
    model = fit(load(Path(arguments[0])))
    Path(arguments[1]).write_text(json.dumps(model, separators=(",", ":")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
