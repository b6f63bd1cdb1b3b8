"""Every example runs in its short form, prints its results and saves its picture.

On the real files where the folder beside the repository has them; elsewhere on files of the same form, made on the
spot.  Full runs check the stated quality themselves.
"""

import gzip
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
DATA = ROOT.parent / "shared" / "data"

# Example: what it prints, and between what each number of that must lie.
PRINTED = {
    "forecast": [
        (r"sunspots: error ([\d.]+) of the naive forecast's over 24 steps", 0.3, 1.3),
        (r"exchange rates: error ([\d.]+) of the naive forecast's over 5 steps", 0.3, 1.3),
        (r"sunspots under 0\.\d+ of naive \(not checked in a short one\)",),
    ],
    "housing": [
        (r"root mean squared error ([\d,]+) dollars", 20_000, 90_000),
        (r"linear least squares ([\d,]+)", 20_000, 80_000),
        (r"dollars and 15% under linear \(not checked in a short one\)",),
    ],
    "language": [
        (r"recurrent: ([\d.]+) bits per character", 1.5, 5.8),
        (r"transformer: ([\d.]+) bits per character", 1.5, 5.8),
        (r"transformer under [\d.]+ bits per character \(not checked in a short one\)",),
    ],
    "records": [
        (r"600 images in 10 record files, ([\d]+) bytes each", 200, 1500),
        (r"accuracy ([\d.]+)% on the 60 images", 10, 100),
        (r"over 95% \(not checked in a short one\)",),
    ],
    "speakers": [
        (r"new speeches ([\d.]+)% go to the right speaker", 0.1, 100),
        (r"over 60% \(not checked in a short one\)",),
    ],
    "transfer": [
        (r"source task: accuracy ([\d.]+)%", 10, 100),
        (r"as they are: accuracy ([\d.]+)%", 10, 100),
        (r"augmented: accuracy ([\d.]+)%", 10, 100),
        (r"transferred: accuracy ([\d.]+)%", 10, 100),
    ],
}


def write_series(folder, generator):
    """Write a cycle of eleven years as sunspots, and random walks as exchange rates."""
    months = np.arange(1500)
    spots = 80 + 60 * np.sin(2 * np.pi * months / 132) + generator.normal(size=1500)
    lines = [f"{month},1749-01-31,{number:.1f}" for month, number in zip(months, spots)]
    (folder / "sunspots.csv").write_text("\n".join([",Date,Monthly Mean Total Sunspot Number", *lines]))
    walks = np.exp(generator.normal(scale=0.01, size=(1500, 8)).cumsum(axis=0))
    np.savetxt(folder / "exchange_rate.txt", walks, delimiter=",", fmt="%.6f")


def write_districts(folder, generator):
    """Write 4,000 districts whose prices depend on the income, with a gap in every tenth row."""
    header = (
        "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,median_income,"
        "median_house_value,ocean_proximity"
    )
    income = generator.uniform(1, 10, 4000)
    prices = 50_000 + 40_000 * income + generator.normal(scale=50_000, size=4000)
    rows = [
        f"{-120 - i % 4},{35 + i % 3},{i % 50},{900 + i},{'' if i % 10 == 0 else 150},{400 + i % 7},{130 + i % 5},"
        f"{income[i]:.4f},{prices[i]:.1f},{('INLAND', 'NEAR BAY')[i % 2]}"
        for i in range(4000)
    ]
    (folder / "california_housing.csv").write_text("\n".join([header, *rows]))


def write_digits(folder, generator):
    """Write 1,000 noisy images, each with a bar where its label says, in MNIST's form."""
    labels = generator.integers(0, 10, 1000).astype("uint8")
    images = generator.integers(0, 50, (1000, 28, 28)).astype("uint8")
    for image, label in zip(images, labels):
        image[4 + 2 * label : 6 + 2 * label, 5:23] = 255
    for name, head, body in (("images-idx3", 16, images), ("labels-idx1", 8, labels)):
        with gzip.open(folder / f"mnist-t10k-{name}-ubyte.gz", "wb") as file:
            file.write(bytes(head) + body.tobytes())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the folder with the files of the examples."""
    if DATA.is_dir():
        return DATA
    folder, generator = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    write_series(folder, generator)
    write_districts(folder, generator)
    write_digits(folder, generator)
    speeches = [
        f"{name}:\n" + " ".join(generator.choice([f"{name[0]}{i}" for i in range(40)], 12))
        for name in ("DUKE VINCENTIO", "GLOUCESTER", "PETRUCHIO", "ROMEO") * 20
    ]
    text = (ROOT / "LICENSE").read_text() * 5 + "\n\n" + "\n\n".join(speeches)
    (folder / "tinyshakespeare.txt").write_text(text)
    return folder


def run(name, monkeypatch, *options):
    """Run an example in this process, as `python examples/name.py` does."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(sys, "argv", [name, *map(str, options)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


@pytest.mark.parametrize("name", PRINTED)
def test_short_run(name, data, tmp_path, monkeypatch, capsys):
    """The short form prints numbers within bounds, and saves a picture."""
    run(name, monkeypatch, "--quick", "--data", data, "--out", tmp_path)
    printed = capsys.readouterr().out
    for pattern, *bounds in PRINTED[name]:
        found = re.search(pattern, printed)
        assert found, f"{pattern} is not in\n{printed}"
        if bounds:
            assert bounds[0] < float(found[1].replace(",", "")) < bounds[1], found[0]
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", PRINTED)
def test_missing_data(name, tmp_path, monkeypatch):
    """Without its files an example says which, and how to get them."""
    with pytest.raises(SystemExit, match=r"not in .*(?s:.)*--data(?s:.)*curl -L .* https://"):
        run(name, monkeypatch, "--data", tmp_path, "--out", tmp_path)


def test_quality_not_reached(monkeypatch, capsys):
    """A full run that misses its stated quality ends with an error; a short one does not look."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    check = runpy.run_path(str(EXAMPLES / "setting.py"))["check"]
    check("over 92%", True, quick=False)
    check("over 92%", False, quick=True)
    assert capsys.readouterr().out.splitlines()[0] == "reached: over 92%"
    with pytest.raises(SystemExit, match="not reached: over 92%"):
        check("over 92%", False, quick=False)
