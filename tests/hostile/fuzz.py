"""Loads many damaged files: each must give a model or data, or an error of ours, within 2 seconds and 1 GiB.

    python -m tests.hostile.fuzz [--count 1000] [--seed 0] [--formats keras,h5,...] [--first 0]

A process loads them one after the other; when it dies or hangs, that is noted, and another goes on behind the file.
"""

import argparse
import importlib
import json
import os
import pkgutil
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import dovetail as tf

MOST_S, MOST_BYTES = 2.0, 1 << 30
_START_S, _HANG_S = 90, 60
# What programs expect of a bad file; and what is below these without being meant.
_OURS = (ValueError, TypeError, OSError, NotImplementedError)
_NOT_OURS = ("UnicodeDecodeError", "UnicodeEncodeError", "RecursionError", "JSONDecodeError")
_WORDS_OF_PYTHON = re.compile(
    r"object is not|object has no|unhashable|not supported between|must be str|unexpected keyword|cannot unpack|"
    r"not enough values|too many values|object cannot be|invalid literal|int\(\) argument|sequence item|list indices"
)


def _formats():
    """Returns `name -> (how it is damaged, loader, which good file)`."""
    from tests.hostile import mutate, watched

    load = watched.LOADERS
    return {
        "keras": (mutate.archive, load["load_model"], "fuzz.keras"),
        "h5": (mutate.whole_h5, load["load_model"], "fuzz.h5"),
        "weights": (mutate.plain, load["load_weights"], "good.weights.h5"),
        "json": (mutate.text, load["from_json"], "fuzz.json"),
        "checkpoint": (mutate.checkpoint, load["checkpoint"], "good.ckpt"),
        "reader": (mutate.checkpoint, load["reader"], "good.ckpt"),
        "saved_model": (mutate.saved_model, load["saved_model_alone"], "good_model"),
        "records": (mutate.record_file, load["records"], "good.tfrecord"),
        "dataset": (mutate.dataset, load["dataset"], "good_dataset"),
        "npz": (mutate.plain, load["imdb"], "good.npz"),
        "stablehlo": (mutate.exported, load["exported"], "good.stablehlo"),
        "tar": (mutate.plain, load["unpacked_tar"], "good.tar"),
        "zip": (mutate.plain, load["unpacked_zip"], "good.zip"),
    }


FORMATS = (
    *("keras", "h5", "weights", "json", "checkpoint", "reader", "saved_model"),
    *("records", "dataset", "npz", "tar", "zip", "stablehlo"),
)


def make_good(folder):
    """Writes the good files."""
    from tests.hostile import files

    files._Good(folder)
    files.make_for_fuzz(folder)


def work(folder, name, seed, first, stop):
    """Loads the damaged files of one format; tells of each before and after."""
    from tests.hostile import mutate, watched

    warnings.simplefilter("ignore")
    damage, load, good = _formats()[name]
    source = str(Path(folder) / good)
    path = os.path.join(tempfile.mkdtemp(), "damaged" + "".join(Path(good).suffixes))
    load(source)
    _import_all()  # what is imported late is nothing that a file asked for
    watch, inside = watched.Watch(folder), tempfile.mkdtemp()
    os.chdir(inside)  # what is opened below a folder that is open stands in no event but as a relative path
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, used + MOST_BYTES))
    for number in range(first, stop):
        damage(source, path, mutate.generator(seed, number))
        print(json.dumps({"begins": number}), flush=True)
        # The time of the processor: a busy machine makes no file a slow one.  Who only waits hangs, and is found so.
        began, fault, watch.events, watch.is_on = time.process_time(), None, [], True
        try:
            load(path)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the outcome
            fault = _fault(error)
        finally:
            watch.is_on = False
        took = time.process_time() - began
        if took > MOST_S:
            fault = f"took {took:.1f} s"
        if watch.events or os.listdir(inside):
            fault = f"does what it should not: {[*watch.events[:1], *os.listdir(inside)]}"
        print(json.dumps({"ended": number, "fault": fault}), flush=True)


def _import_all():
    for found in pkgutil.walk_packages(tf.__path__, "dovetail."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def _fault(error):
    """Returns what is wrong about an error; None for one of ours."""
    told = f"{type(error).__name__}: {error}"[:300]
    where = "; ".join(
        f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)[-3:]
    )
    if isinstance(error, tf.errors.OpError):
        return None
    plain = (
        " (at " not in str(error)
        and type(error).__module__ == "builtins"
        and _WORDS_OF_PYTHON.search(str(error)[:200])
    )
    if isinstance(error, _OURS) and type(error).__name__ not in _NOT_OURS and not plain:
        return None
    return f"{told} [{where}]"


def run(folder, name, seed, first, stop):
    """Returns the faults of one format: `[(number, what)]`."""
    faults = []
    while first < stop:
        command = [sys.executable, "-m", "tests.hostile.fuzz", "--work", str(folder), name]
        command += ["--seed", str(seed), "--first", str(first), "--count", str(stop - first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            os.set_blocking(process.stdout.fileno(), False)
            first, why = _followed(process, first, stop, faults)
        if why is not None:
            faults.append((first, why))
            first += 1
    return faults


def _followed(process, first, stop, faults):
    """Reads what a process tells; returns the number of the file at which it stopped, and why, None when it is done."""
    heard, held, last = time.monotonic(), b"", None
    current = first
    while True:
        data = process.stdout.read()
        for line in ((held + data).split(b"\n") if data else [held])[:-1] if data else []:
            told = json.loads(line)
            last = told
            current = told.get("begins", current)
            if told.get("fault"):
                faults.append((told["ended"], told["fault"]))
        if data:
            held, heard = (held + data).rpartition(b"\n")[2], time.monotonic()
            continue
        if process.poll() is not None and not data:
            break
        if time.monotonic() - heard > (_START_S if last is None else _HANG_S):
            process.kill()
            process.wait()
            return current, "it hangs"
        time.sleep(0.02)
    told = process.stderr.read().decode(errors="replace")[-400:]
    if last is not None and last.get("ended") == stop - 1:
        return stop, None
    if last is None:
        raise RuntimeError(f"the process of {process.args} did not start: {told}")
    return current, f"the process died with {process.returncode}: {told}"


def _grouped(faults):
    """Returns one fault of each place with the numbers of all."""
    places, grouped = {}, {}
    for number, what in faults:
        place = what[what.rfind(" [") :] if what.endswith("]") else what
        grouped.setdefault(places.setdefault(place, what), []).append(number)
    return grouped


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", nargs=2)
    parser.add_argument("--formats", default=",".join(FORMATS))
    for name, default in (("count", 1000), ("seed", 0), ("first", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    if args.work:
        return work(*args.work, args.seed, args.first, args.first + args.count)
    with tempfile.TemporaryDirectory() as folder:
        make_good(Path(folder))
        for name in args.formats.split(","):
            began = time.monotonic()
            faults = run(folder, name, args.seed, args.first, args.first + args.count)
            print(
                f"{name}: {args.count} files, {len(faults)} faults, {time.monotonic() - began:.0f} s",
                flush=True,
            )
            for what, numbers in _grouped(faults).items():
                print(f"    {len(numbers)} of {numbers[:4]}: {what}", flush=True)
    return None


if __name__ == "__main__":
    main()
