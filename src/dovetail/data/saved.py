"""Datasets on disk in TensorFlow's layout: `save`, `load`, `snapshot`.

    path/dataset_spec.pb                     what the elements are (`save` only)
    path/snapshot.metadata                   which run is the valid one; written last, so that it tells of whole files
    path/RUN/00000000.shard/00000000.snapshot    records, see `element_records`

A snapshot has all but the first in a folder whose name is the pipeline's fingerprint.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.base.atomic import make_folder
from dovetail.base.errors import DataLossError, InvalidArgumentError, NotFoundError, at_user_location
from dovetail.data.combine import InTurn
from dovetail.data.element_records import Form
from dovetail.data.element_specs import decoded, encoded
from dovetail.data.files import Opened, text, write_whole
from dovetail.data.fingerprints import fingerprint
from dovetail.data.functions import UserFunction
from dovetail.data.node import UNKNOWN, Node
from dovetail.data.sources import Described, Listed, Source
from dovetail.data.structure import LEAF, DatasetSpec, as_leaf, flatten, is_dataset, rebuilder, spec_of
from dovetail.wire import records
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_datasets import SnapshotMetadata

_VERSION = 2
_SPEC, _METADATA = "dataset_spec.pb", "snapshot.metadata"
_WAIT_S = 0.2


def compression_of(given: Any, label: str) -> str:
    """Returns a `compression` argument: "", "GZIP" or "ZLIB"; "AUTO" stands for none.

    Raises:
        ValueError: it is another one.
    """
    name = text(given)
    name = "" if name == "AUTO" else name
    if name in records.COMPRESSIONS:
        return name
    why = "it would need another library" if name == "SNAPPY" else "there is no such compression"
    raise ValueError(
        f"{label}: compression {name!r} is not supported, {why}. Use None, 'GZIP' or 'ZLIB'{at_user_location()}"
    )


# ---- writing


class _Run:
    """The files of one pass over a dataset.

    Args:
        folder: of the dataset on disk.
        compression: of the files.
        form: of the elements; None: as the first one is.
    """

    def __init__(self, folder: str, compression: str, form: Form | None = None) -> None:
        self._folder, self._form, self._deflation = folder, form, records.Deflation(compression)
        self._name = str(secrets.randbits(64))
        self._writers: dict[int, records.Writer] = {}
        self._count = 0

    def write(self, leaves: tuple, shard: int = 0) -> None:
        """Writes an element into the files of a shard."""
        self._form = self._form or Form(tuple(map(spec_of, leaves)))
        writer = self._writers.get(shard) or self._opened(shard)
        for record in self._form.records(leaves):
            writer.write(record)
        self._count += 1

    def _opened(self, shard: int) -> records.Writer:
        folder = os.path.join(self._folder, self._name, f"{shard:08d}.shard")
        make_folder(folder)
        made = self._writers[shard] = records.Writer(
            os.path.join(folder, "00000000.snapshot"), self._deflation
        )
        return made

    def finish(self, graph_hash: str = "") -> None:
        """Makes this run the valid one."""
        self._close()
        make_folder(self._folder)
        metadata = SnapshotMetadata(
            graph_hash=graph_hash,
            run_id=self._name,
            creation_timestamp=time.time_ns() // 1000,
            version=_VERSION,
            dtype=self._form.kinds if self._form else (),
            num_elements=self._count,
            finalized=True,
        )
        write_whole(os.path.join(self._folder, _METADATA), metadata.SerializeToString())

    def discard(self) -> None:
        """Takes away the files of a pass that did not reach its end."""
        self._close()
        shutil.rmtree(os.path.join(self._folder, self._name), ignore_errors=True)

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()


def save(node: Node, path: str, compression: str, shard_of: UserFunction | None) -> None:
    """Writes the elements of a dataset into a folder."""
    order, specs = _order_on_disk(node), node.specs
    form = Form(tuple(specs[i] for i in order))
    spec = encoded(node.element_spec)
    make_folder(path)
    run = _Run(path, compression, form)
    try:
        for leaves in node.elements():
            run.write(tuple(leaves[i] for i in order), 0 if shard_of is None else _number(shard_of, leaves))
    except BaseException:
        run.discard()
        raise
    write_whole(os.path.join(path, _SPEC), spec)
    run.finish()


def _number(shard_of: UserFunction, leaves: tuple) -> int:
    array = as_leaf(shard_of(leaves))
    if array.ndim or array.dtype.kind not in "iu":
        raise InvalidArgumentError(f"`shard_func` must return a scalar int64, it returned {array!r:.80}")
    return int(array)


def _order_on_disk(node: Node) -> tuple[int, ...]:
    """Returns the order in which leaves are written: that of sorted keys, for dicts of any kind."""
    numbered = rebuilder(node.tree)(tuple(range(node.tree.num_leaves)))
    return flatten(_plain(numbered))[0]


def _plain(structure: Any) -> Any:
    if isinstance(structure, dict):
        return {key: _plain(value) for key, value in structure.items()}
    if isinstance(structure, tuple):
        parts = map(_plain, structure)
        return type(structure)(*parts) if hasattr(structure, "_fields") else tuple(parts)
    return structure


# ---- reading


def metadata_of(folder: str) -> SnapshotMetadata | None:
    """Returns what is known of a dataset on disk; None where there is none, or none that is complete.

    Raises:
        DataLossError: the file is damaged, or of another version.
    """
    path = os.path.join(folder, _METADATA)
    try:
        with open(path, "rb") as file:
            found = SnapshotMetadata.FromString(file.read())
    except FileNotFoundError:
        return None
    except (DecodeError, ValueError, TypeError) as error:
        raise DataLossError(f"{path!r} is damaged ({error})") from None
    if not found.finalized:
        return None
    if not found.run_id.isdigit():
        raise DataLossError(f"{path!r} is damaged: {found.run_id!r:.80} is the name of no run")
    if found.version != _VERSION:
        raise DataLossError(
            f"{path!r} is damaged, or of version {found.version} of the format; version {_VERSION} can be read"
        )
    return found


class Shard(Source):
    """The elements of the files of one shard."""

    def __init__(self, folder: str, compression: str, tree: Any, specs: tuple) -> None:
        super().__init__(tree, specs, UNKNOWN)
        self._folder, self._compression, self._form = folder, compression, Form(specs)

    def _generate(self) -> Iterator[tuple]:
        for name in sorted(os.listdir(self._folder)):
            path = os.path.join(self._folder, name)
            with Opened(path, self._compression, "Dataset.load") as file:
                yield from self._form.elements(records.read(file, path), path)


class Loaded(InTurn):
    """The elements of shards in turn."""

    def __init__(self, shards: list[Shard], count: int) -> None:
        super().__init__(shards, len(shards))
        self._count = count

    def cardinality(self) -> int:
        return self._count


Reader = Callable[[Any], Any]


def read(
    folder: str,
    found: SnapshotMetadata,
    compression: str,
    like: Source,
    reader: Reader | None,
    wrap: Callable,
) -> Node:
    """Returns the step that reads a complete run.

    Args:
        like: says what the elements are.
        reader: makes a dataset of the dataset of shards; None: the shards take turns.
        wrap: makes a dataset of a step.
    """
    kinds = Form(like.specs).kinds
    if list(found.dtype) != kinds and found.num_elements:
        raise InvalidArgumentError(
            f"{folder!r} holds elements with parts of the dtypes {list(found.dtype)} (by number), expected {kinds} for "
            f"{like.element_spec}"
        )
    run = os.path.join(folder, found.run_id)
    names = sorted(os.listdir(run)) if os.path.isdir(run) else []
    if not names and found.num_elements:
        raise NotFoundError(f"{folder!r} should hold {found.num_elements} elements, their files are gone")
    shards = [Shard(os.path.join(run, name), compression, like.tree, like.specs) for name in names]
    if reader is not None:
        return _by_reader(shards, like, reader, wrap)
    return Loaded(shards, found.num_elements) if shards else Listed([], like.tree, like.specs)


def _by_reader(shards: list[Shard], like: Source, reader: Reader, wrap: Callable) -> Node:
    datasets = Listed([(wrap(shard),) for shard in shards], LEAF, (DatasetSpec(like.element_spec),))
    made = reader(wrap(datasets))
    if not is_dataset(made):
        raise TypeError(f"`reader_func` must return a tf.data.Dataset, it returned {made!r:.80}")
    return made._node


def load(
    path: str, element_spec: Any, compression: str, reader: Reader | None, wait: bool, wrap: Callable
) -> Node:
    """Returns the step that reads what `save` has written.

    Raises:
        NotFoundError: there is no such dataset, or it is not complete.
    """
    found = metadata_of(path)
    while found is None and wait:
        time.sleep(_WAIT_S)
        found = metadata_of(path)
    spec_path = os.path.join(path, _SPEC)
    if found is None or (element_spec is None and not os.path.exists(spec_path)):
        raise NotFoundError(f"Dataset.load: there is no saved dataset at {path!r}{at_user_location()}")
    if element_spec is None:
        with open(spec_path, "rb") as file:
            element_spec = decoded(file.read(), spec_path)
    specs, tree = flatten(_plain(element_spec))
    return read(path, found, compression, Described(tree, specs, UNKNOWN), reader, wrap)


class Snapshot(Node):
    """The elements of the source; the first complete pass writes them to disk, later ones read them.

    Args:
        path: of the folder with the snapshots of pipelines.
        compression: of the files.
        reader: see `read`.
        shard_of: returns the number of the file that an element goes to; None: all go to one.
        wrap: makes a dataset of a step.
    """

    def __init__(
        self,
        source: Node,
        path: str,
        compression: str,
        reader: Reader | None,
        shard_of: UserFunction | None,
        wrap: Callable,
    ) -> None:
        super().__init__(source)
        self._name = str(fingerprint(source))  # of the functions as they are now
        self._folder, self._compression = os.path.join(path, self._name), compression
        self._reader, self._shard_of, self._wrap = reader, shard_of, wrap

    def _generate(self) -> Iterator[tuple]:
        found = metadata_of(self._folder)
        if found is None:
            return self._written()
        like = Described(self.source.tree, self.source.specs, UNKNOWN)
        return read(self._folder, found, self._compression, like, self._reader, self._wrap).elements()

    def _written(self) -> Iterator[tuple]:
        run = _Run(self._folder, self._compression)
        try:
            for leaves in self.source.elements():
                run.write(leaves, 0 if self._shard_of is None else _number(self._shard_of, leaves))
                yield leaves
        except BaseException:
            run.discard()
            raise
        run.finish(self._name)
