"""What the examples share: their options, the place of their data, and the check of the quality each one states."""

from __future__ import annotations

import argparse
import pathlib

import matplotlib

matplotlib.use("Agg")

DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"

# File: where it comes from.
ORIGINS = {
    "california_housing.csv": "https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/housing/housing.csv",
    "exchange_rate.txt": (
        "https://raw.githubusercontent.com/philipperemy/keras-tcn/master/tasks/exchange_rate/exchange_rate.txt"
    ),
    "mnist-t10k-images-idx3-ubyte.gz": (
        "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-images-idx3-ubyte.gz"
    ),
    "mnist-t10k-labels-idx1-ubyte.gz": (
        "https://storage.googleapis.com/cvdf-datasets/mnist/t10k-labels-idx1-ubyte.gz"
    ),
    "sunspots.csv": "https://storage.googleapis.com/laurencemoroney-blog.appspot.com/Sunspots.csv",
    "tinyshakespeare.txt": (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
    ),
}


def options(description: str) -> argparse.Namespace:
    """Reads the command line.

    Args:
        description: what `--help` says: the example's docstring.

    Returns:
        `data` and `out` (folders, `out` is made if it is not there) and `quick` (a bool).
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=pathlib.Path, default=DATA, help="folder of the data (%(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default="build/examples", help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="a short run that shows only that it works")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    return chosen


def find(folder: pathlib.Path, *names: str) -> list[pathlib.Path]:
    """Returns the paths of files of `ORIGINS` in a folder; leaves the program, with what to do, if one is not there."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        commands = [f"  curl -L --create-dirs -o {folder / name} {ORIGINS[name]}" for name in missing]
        raise SystemExit(
            f"{', '.join(missing)}: not in {folder}.\n"
            "Pass the folder that has it with --data, or download it:\n" + "\n".join(commands)
        )
    return [folder / name for name in names]


def check(statement: str, reached: bool, quick: bool) -> None:
    """Says whether the run reached the stated quality; ends the program with an error if a full run did not."""
    if quick:
        print(f"a full run must reach: {statement} (not checked in a short one)")
    elif reached:
        print(f"reached: {statement}")
    else:
        raise SystemExit(f"not reached: {statement}")
