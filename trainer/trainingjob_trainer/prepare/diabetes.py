"""An example table: ten measurements of 442 diabetes patients, and how the disease had progressed a year later.

Source: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, Least Angle Regression, Annals of Statistics 32 (2004). It
comes with scikit-learn; nothing is downloaded.
"""

import csv
from pathlib import Path

TARGET = "progression"


def write_csv(folder: Path) -> Path:
    """Write FOLDER/diabetes.csv, a row per patient; returns its path."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "diabetes.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*bunch.feature_names, TARGET])
        writer.writerows([*row, target] for row, target in zip(bunch.data.tolist(), bunch.target.tolist(), strict=True))
    return path
