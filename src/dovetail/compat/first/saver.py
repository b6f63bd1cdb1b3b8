"""Name-based checkpoints: `tf.compat.v1.train.Saver`."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, NotFoundError, at_user_location
from dovetail.compat.first.keys import GraphKeys
from dovetail.compat.first.meta_graphs import Imported, meta_graph_of, read_meta_graph, write_file
from dovetail.graph.by_hand import HandWritten, written_graph
from dovetail.graph.hand_variable import GraphVariable
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.variable import Variable
from dovetail.train import bundle, state_file
from dovetail.train.bundle import Bundle


class Saver:
    """Writes the variables of a session to checkpoints, and reads them.

    Args:
        var_list: the variables, as a list or by the names they have in the file; None: all that are saved.
        max_to_keep: how many checkpoints are kept, 0 or None for all.
        keep_checkpoint_every_n_hours: one of these is kept whatever `max_to_keep` says.
        name: of the operations.
        reshape: values of another shape and as many elements are read as well.
        allow_empty: there may be no variables.
        defer_build: `build` is called later.
        pad_step_number: numbers of steps in names have eight digits.
        sharded: a file for each device, which is one here.
        filename, saver_def, builder: must be left out.
        restore_sequentially, write_version, save_relative_paths: accepted for TensorFlow's sake.

    Raises:
        NotImplementedError: an argument that must be left out is given.
        ValueError: there is nothing to save, or two variables go by one name.
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: Any = 2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ) -> None:
        refused = {"filename": filename, "saver_def": saver_def, "builder": builder}
        names = [key for key, value in refused.items() if value is not None]
        if names:
            raise NotImplementedError(
                f"tf.train.Saver: {', '.join(names)}: not done here; leave it out{at_user_location()}"
            )
        self._given, self._reshape, self._max, self._allow_empty = var_list, reshape, max_to_keep, allow_empty
        self._hours, self._pad = keep_checkpoint_every_n_hours, pad_step_number
        self._kept: list[tuple[str, float]] = []
        self._last_lasting = time.time()
        self._variables: dict[str, Variable] | None = None
        if not defer_build:
            self.build()

    def build(self) -> None:
        """Settles which variables it saves."""
        given = self._given
        if given is None:
            graph = written_graph()
            given = [
                *graph.get_collection(GraphKeys.GLOBAL_VARIABLES),
                *graph.get_collection(GraphKeys.SAVEABLE_OBJECTS),
            ]
        if not given and not self._allow_empty:
            raise ValueError(f"tf.train.Saver: there are no variables to save{at_user_location()}")
        named = given.items() if isinstance(given, dict) else [(_name_of(v), v) for v in given]
        self._variables = {}
        for name, variable in named:
            if not isinstance(variable, Variable):
                raise TypeError(f"tf.train.Saver: {variable!r:.60} is no variable{at_user_location()}")
            if self._variables.setdefault(name, variable) is not variable:
                raise ValueError(f"tf.train.Saver: two variables go by the name {name!r}{at_user_location()}")

    def variables(self) -> dict[str, Variable]:
        """Returns what it saves, by the names in checkpoints."""
        if self._variables is None:
            self.build()
        return self._variables or {}

    # ---- writing

    def save(
        self,
        sess: Any,
        save_path: Any,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str:
        """Writes a checkpoint; returns its path without the endings.

        Args:
            sess: the session whose values are written.
            save_path: path; `global_step`, a number or a variable, is put behind it.
            latest_filename: the file of the folder that names it as the latest; "checkpoint" when None.
            write_state: whether that is written.
            write_meta_graph: whether the graph is written beside it, for `import_meta_graph`.
            meta_graph_suffix: the ending of that file.
            strip_default_attrs, save_debug_info: accepted for TensorFlow's sake.
        """
        prefix = os.fspath(save_path)
        if global_step is not None:
            step = global_step if isinstance(global_step, int | np.integer) else int(sess.run(global_step))
            prefix = f"{prefix}-{int(step):08d}" if self._pad else f"{prefix}-{int(step)}"
        variables = self.variables()
        values = sess.run(list(variables.values()))
        bundle.write(prefix, {name: np.asarray(v) for name, v in zip(variables, values, strict=True)})
        if write_meta_graph and isinstance(getattr(sess, "graph", None), HandWritten):
            message = meta_graph_of(sess.graph, variables)
            write_file(f"{prefix}.{meta_graph_suffix}", message.SerializeToString())
        self._keep(prefix)
        if write_state:
            kept = self.last_checkpoints or [prefix]
            state_file.write(os.path.dirname(prefix), prefix, kept, name=latest_filename)
        return prefix

    def _keep(self, prefix: str) -> None:
        if not self._max:
            return
        self._kept = [(path, at) for path, at in self._kept if path != prefix] + [(prefix, time.time())]
        while len(self._kept) > self._max:
            path, at = self._kept.pop(0)
            if at - self._last_lasting > self._hours * 3600:
                self._last_lasting = at
            else:
                _remove(path)

    @property
    def last_checkpoints(self) -> list[str]:
        """The checkpoints that are kept, oldest first."""
        return [path for path, _ in self._kept]

    def set_last_checkpoints(self, last_checkpoints: list[str]) -> None:
        self._kept = [(path, time.time()) for path in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: list) -> None:
        self._kept = list(last_checkpoints_with_time)

    def recover_last_checkpoints(self, checkpoint_paths: list[str]) -> None:
        """Takes over checkpoints that an earlier run has written."""
        self._kept = [(path, time.time()) for path in checkpoint_paths if checkpoint_exists(path)]

    # ---- reading

    def restore(self, sess: Any, save_path: Any) -> None:
        """Gives the variables of a session the values of a checkpoint; they need no initializer then.

        Raises:
            ValueError: there is no such checkpoint.
            NotFoundError: a variable is not in it.
            InvalidArgumentError: a value has another shape.
        """
        if save_path is None or not checkpoint_exists(save_path):
            raise ValueError(
                f"The passed save_path is not a valid checkpoint: {save_path!r}{at_user_location()}"
            )
        read = Bundle(os.fspath(save_path))
        variables = self.variables()
        absent = [name for name in variables if name not in read]
        if absent:
            raise NotFoundError(
                f"Key {absent[0]} not found in checkpoint {os.fspath(save_path)!r}; it has {read.names()}"
                f"{at_user_location()}"
            )
        values = {name: _fitted(read.read(name), name, v, self._reshape) for name, v in variables.items()}
        for name, variable in variables.items():
            give(sess, variable, values[name])


def give(sess: Any, variable: Variable, value: np.ndarray) -> None:
    """Gives a variable a value in a session."""
    if isinstance(variable, GraphVariable):
        sess.assign(variable, value)
    else:
        variable.assign(value)


def _fitted(value: np.ndarray, name: str, variable: Variable, reshapes: bool) -> np.ndarray:
    shape = variable.shape
    if reshapes and shape.is_fully_defined() and shape.num_elements() == value.size:
        return value.reshape(tuple(shape))
    if not shape.is_compatible_with(TensorShape(value.shape)):
        raise InvalidArgumentError(
            f"the variable {name!r} has shape {shape}, the checkpoint's value {value.shape}{at_user_location()}"
        )
    return value


def _name_of(variable: Any) -> str:
    return variable.op.name if isinstance(variable, GraphVariable) else variable.name.partition(":")[0]


def _remove(prefix: str) -> None:
    """Removes the files of a checkpoint."""
    folder, base = os.path.split(prefix)
    for file in os.listdir(folder or "."):
        if file in (f"{base}.index", f"{base}.meta") or file.startswith(f"{base}.data-"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(folder, file))


def import_meta_graph(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    import_scope: str | None = None,
    return_elements: Any = None,
    **kwargs: Any,
) -> Any:
    """Puts a graph that was saved into the default one; returns what restores its variables.

    Args:
        meta_graph_or_file: a `MetaGraphDef`, or the name of a `.meta` file.
        clear_devices: operations name no devices: they are placed anew in any case.
        import_scope: a prefix of all names.
        return_elements: names of tensors and operations of the file, which are returned as well.
        kwargs: of the `Saver`.

    Returns:
        a `Saver`, None where the graph has no variables; with `return_elements`, it and a list.

    Raises:
        OSError: there is no such file.
        DataLossError: it is damaged.

    Operations that are not known here raise UnimplementedError when they are run.
    """
    found = Imported(read_meta_graph(meta_graph_or_file), import_scope)
    variables = found.restored()
    saver = Saver(variables, **kwargs) if variables else None
    if return_elements is None:
        return saver
    return saver, [found.reader.element(one) for one in return_elements]


def checkpoint_exists(checkpoint_prefix: Any) -> bool:
    """Returns whether there is a checkpoint of that path."""
    return os.path.exists(bundle.index_path(os.fspath(checkpoint_prefix)))


def get_checkpoint_mtimes(checkpoint_prefixes: list) -> list[float]:
    """Returns when checkpoints were written."""
    paths = [bundle.index_path(os.fspath(prefix)) for prefix in checkpoint_prefixes]
    return [os.path.getmtime(path) for path in paths if os.path.exists(path)]


def remove_checkpoint(
    checkpoint_prefix: Any, checkpoint_format_version: Any = 2, meta_graph_suffix: str = "meta"
) -> None:
    """Removes a checkpoint."""
    _remove(os.fspath(checkpoint_prefix))


def update_checkpoint_state(
    save_dir: Any,
    model_checkpoint_path: Any,
    all_model_checkpoint_paths: Any = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Any = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Names the latest checkpoint of a folder, in the file `latest_filename` ("checkpoint" when None)."""
    paths = list(all_model_checkpoint_paths or [model_checkpoint_path])
    times = None if all_model_checkpoint_timestamps is None else list(all_model_checkpoint_timestamps)
    folder, latest = os.fspath(save_dir), os.fspath(model_checkpoint_path)
    state_file.write(folder, latest, paths, times, last_preserved_timestamp, latest_filename)


def init_from_checkpoint(ckpt_dir_or_file: Any, assignment_map: Any) -> None:
    """Makes the initializers of variables give them the values of a checkpoint.

    Args:
        ckpt_dir_or_file: the checkpoint, or a folder with a latest one.
        assignment_map: from names in the checkpoint to variables or their names; from scopes, which end in "/", to
            scopes: all variables there.

    Raises:
        ValueError: a name is not in the checkpoint, or a shape differs.
    """
    path = os.fspath(ckpt_dir_or_file)
    read = Bundle(state_file.latest_checkpoint(path) or path)
    pairs = assignment_map.items() if isinstance(assignment_map, dict) else assignment_map
    variables = {_name_of(v): v for v in written_graph().get_collection(GraphKeys.GLOBAL_VARIABLES)}
    for source, target in pairs:
        for name, variable in _assigned(source, target, variables, read):
            if name not in read:
                raise ValueError(f"{name!r} is not in the checkpoint {path!r}{at_user_location()}")
            variable.initialize_with(_fitted(read.read(name), name, variable, False))


def _assigned(source: str, target: Any, variables: dict, read: Bundle) -> list[tuple[str, Any]]:
    if isinstance(target, Variable):
        return [(source, target)]
    if isinstance(target, list | tuple):
        return [(source, part) for part in target]
    if not source.endswith("/"):
        if target not in variables:
            raise ValueError(f"there is no variable {target!r}{at_user_location()}")
        return [(source, variables[target])]
    before = "" if source == "/" else source
    after = "" if target == "/" else target.rstrip("/") + "/"
    named = [
        (before + name.removeprefix(after), v) for name, v in variables.items() if name.startswith(after)
    ]
    return [(name, v) for name, v in named if name in read]
