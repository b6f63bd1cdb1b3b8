"""`cache` in files: the elements of the first complete pass serve later passes, and later programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from dovetail.base.atomic import make_folder
from dovetail.base.errors import AlreadyExistsError, DataLossError, InvalidArgumentError
from dovetail.data.element_records import Form
from dovetail.data.files import Opened, write_whole
from dovetail.data.node import Node
from dovetail.data.structure import spec_of
from dovetail.wire.records import Writer, read

_VERSION = 2


class FileCache(Node):
    """Keeps the elements in `<filename>.data` (records), with `<filename>.index` written when all are there.

    The files outlive the process, so a changed pipeline needs another name.  A pass that is left early leaves nothing.
    """

    def __init__(self, source: Node, filename: str) -> None:
        super().__init__(source)
        self._data, self._index = filename + ".data", filename + ".index"
        self._partial = filename + ".data.part"

    def _generate(self) -> Iterator[tuple]:
        return self._read() if os.path.exists(self._index) else self._write()

    def _read(self) -> Iterator[tuple]:
        form = Form(self.source.specs)
        expected = self._known(form)
        count = 0
        with Opened(self._data, "", "Dataset.cache") as file:
            for leaves in form.elements(read(file, self._data), self._data):
                count += 1
                yield leaves
        if count != expected:
            raise DataLossError(
                f"Dataset.cache: {self._data!r} should hold {expected} elements, it holds {count}"
            )

    def _known(self, form: Form) -> int:
        """Returns how many elements there are."""
        try:
            with open(self._index, encoding="utf-8") as file:
                index = json.load(file)
            version, kinds, count = index["version"], index["dtypes"], int(index["num_elements"])
        except (ValueError, KeyError, TypeError):
            raise DataLossError(
                f"Dataset.cache: {self._index!r} is damaged, or no cache of this framework; remove it"
            ) from None
        if version != _VERSION or kinds != form.kinds:
            raise InvalidArgumentError(
                f"Dataset.cache: {self._index!r} belongs to another dataset: it has parts of the dtypes {kinds} (by "
                f"number), expected {form.kinds}. Remove it, or choose another file name"
            )
        return count

    def _write(self) -> Iterator[tuple]:
        form: Form | None = None
        make_folder(os.path.dirname(self._data) or ".")
        try:
            open(self._partial, "xb").close()
        except FileExistsError:
            raise AlreadyExistsError(
                f"Dataset.cache: {self._partial} exists: another iterator is writing this cache, or one was stopped "
                "before its end. In the second case remove the file"
            ) from None
        writer = Writer(self._partial)
        count, complete = 0, False
        try:
            for leaves in self.source.elements():
                form = form or Form(tuple(map(spec_of, leaves)))
                for record in form.records(leaves):
                    writer.write(record)
                count += 1
                yield leaves
            complete = True
        finally:
            writer.close()
            if not complete:
                os.remove(self._partial)
        os.replace(self._partial, self._data)
        index = {
            "version": _VERSION,
            "num_elements": count,
            "dtypes": (form or Form(self.source.specs)).kinds,
        }
        write_whole(self._index, json.dumps(index).encode())
