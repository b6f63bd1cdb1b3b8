"""`TensorBoard`: writes what happens in training to files that TensorBoard shows."""

from __future__ import annotations

import importlib
import os
import time
from typing import Any

import numpy as np

from dovetail.base.atomic import make_folder
from dovetail.base.errors import at_user_location
from dovetail.keras import checks
from dovetail.keras.callbacks.callback import Callback
from dovetail.keras.layers.core.embedding import Embedding
from dovetail.profiler import experimental as profiler

__all__ = ["TensorBoard"]

# The name of the first embedding layer's weights in a checkpoint, which is what the projector looks for.
_EMBEDDINGS = "layer_with_weights-0/embeddings/.ATTRIBUTES/VARIABLE_VALUE"


def _summary() -> Any:
    return importlib.import_module("dovetail.summary")


def _now() -> Any:
    return importlib.import_module("dovetail.summary.writer").now


class TensorBoard(Callback):
    """Writes losses and metrics of epochs (and of batches), histograms of the weights, the graph, and profiles.

    Training writes to `log_dir/train`, validation to `log_dir/validation`; `tensorboard --logdir log_dir` shows them.

    Args:
        log_dir: the folder.
        histogram_freq: after every how many epochs the distributions of the weights are written; 0: never.
        write_graph: write the layers of the model and how they are connected.
        write_images: with the histograms, write the weights as pictures.
        write_steps_per_second: write how fast training is, of epochs (and of batches).
        update_freq: "epoch"; "batch"; or every how many batches losses and metrics are written, too.  In between,
            `tf.summary` calls of layers and of steps go to the files, with the number of the batch as their step.
        profile_batch: number of a batch, or the first and the last of several (also as "10,20"), whose run is
            profiled; 0: none.
        embeddings_freq: after every how many epochs the weights are saved for the projector; 0: never.
        embeddings_metadata: path of a file with the names of the rows of the embedding layer, or a dict of such paths
            by the layers' names.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = checks.count(histogram_freq or 0, "histogram_freq")
        self.write_graph, self.write_images = write_graph, write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = _frequency(update_freq)
        self.embeddings_freq = checks.count(embeddings_freq or 0, "embeddings_freq")
        self.embeddings_metadata = embeddings_metadata
        self._first, self._last = _profiled(profile_batch)
        self._writers: dict[str, Any] = {}
        self._profiles = False
        self._batches = {"train": 0, "test": 0}  # how many have begun, in all epochs
        self._before = {"train": 0, "test": 0}  # how many of them before this epoch
        self._outer: list[tuple] = []
        self._began: dict[str, float] = {}
        self._steps_before = 0

    # ---- what it wants to hear of

    def needs_batches(self, kind: str) -> bool:
        if kind == "train" and (self._last or self.write_steps_per_second):
            return True
        return kind in self._batches and self.update_freq is not None

    def batches_to(self, kind: str) -> int | None:
        if not self.needs_batches(kind):
            return None
        return 1 if self.update_freq is not None or self.write_steps_per_second else self._until_profile()

    def _until_profile(self) -> int | None:
        """Returns how many batches may run before one that begins or ends the profile."""
        done = self._batches["train"]
        if done < self._first - 1:
            return self._first - 1 - done
        return 1 if done < self._last else None

    # ---- the files

    @property
    def _train_dir(self) -> str:
        return os.path.join(self.log_dir, "train")

    @property
    def _val_dir(self) -> str:
        return os.path.join(self.log_dir, "validation")

    def _writer(self, kind: str) -> Any:
        if kind not in self._writers:
            self._writers[kind] = _summary().create_file_writer(
                self._train_dir if kind == "train" else self._val_dir
            )
        return self._writers[kind]

    def _scalars(self, kind: str, values: dict, step: int, prefix: str, suffix: str = "") -> None:
        with self._writer(kind).as_default(), _summary().record_if(True):
            for name, value in values.items():
                _summary().scalar(f"{prefix}{name}{suffix}", value, step=step)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._writers = {}
        if self.embeddings_freq:
            self._describe_embeddings()

    def _describe_embeddings(self) -> None:
        """Tells the projector which weights are embeddings, and what their rows are called."""
        known = self.embeddings_metadata
        layers = [layer.name for layer in self.model.layers if isinstance(layer, Embedding)]
        paths = known if isinstance(known, dict) else dict.fromkeys(layers, known)
        unknown = sorted(set(paths) - set(layers))
        if unknown:
            raise ValueError(
                f"TensorBoard: embeddings_metadata names the layers {unknown}, which are no embedding layers of the "
                f"model: it has {layers}{at_user_location()}"
            )
        make_folder(self.log_dir)
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "w", encoding="utf-8") as file:
            for name in layers:
                held = "" if paths.get(name) is None else f'  metadata_path: "{os.fspath(paths[name])}"\n'
                file.write(f'embeddings {{\n  tensor_name: "{_EMBEDDINGS}"\n{held}}}\n')

    # ---- summaries of users in between

    def _enter(self, kind: str) -> None:
        """Makes the file of training, or of validation, the default of `tf.summary`, for the batches that count."""
        if self.update_freq is None:
            return
        now = _now()
        self._outer.append((now.writer, now.step, now.records))
        now.writer, now.step = self._writer(kind), self._batches[kind]
        frequency = self.update_freq
        now.records = lambda: self._batches[kind] % frequency == 0

    def _leave(self) -> None:
        if self.update_freq is not None and self._outer:
            now = _now()
            now.writer, now.step, now.records = self._outer.pop()

    # ---- training

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._batches["train"] = 0
        self._steps_before = 0
        if self.write_graph:
            importlib.import_module("dovetail.keras.callbacks.board_graph").write(
                self._writer("train"), self.model
            )
        self._enter("train")

    def on_train_end(self, logs: dict | None = None) -> None:
        self._leave()
        self._end_profile()
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._began["epoch"] = time.perf_counter()
        self._before["train"] = self._batches["train"]
        self._steps_before = self._num_steps()

    def _num_steps(self) -> int:
        return int(np.asarray(self.model.optimizer.iterations)) if self.model.optimizer is not None else 0

    def _begin(self, kind: str, batch: int) -> int:
        """Notes that a batch of this epoch begins, or has ended; returns its number in all epochs, from 1 on."""
        self._batches[kind] = number = self._before[kind] + batch + 1
        if self.update_freq is not None:
            _now().step = number
        return number

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._began["batch"] = time.perf_counter()
        if self._begin("train", batch) == self._first and self._first:
            self._begin_profile()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        number = self._begin("train", batch)
        if self.update_freq is not None and number % self.update_freq == 0:
            values = dict(logs or {})
            if self.write_steps_per_second:
                values = {"steps_per_second": 1 / (time.perf_counter() - self._began["batch"])} | values
            self._scalars("train", values, number, "batch_")
        if self._last and number >= self._last:
            self._end_profile()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        held = {name: value for name, value in (logs or {}).items() if not name.startswith("val_")}
        validation = {name[4:]: value for name, value in (logs or {}).items() if name.startswith("val_")}
        if logs:
            self._scalars("train", held | self._rates() | self._speed(), epoch, "epoch_")
        if validation:
            self._scalars("validation", validation, epoch, "epoch_")
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            make_folder(self._train_dir)
            self.model.save_weights(
                os.path.join(self._train_dir, f"keras_embedding.ckpt-{epoch}.weights.h5"), overwrite=True
            )

    def _rates(self) -> dict[str, float]:
        """Returns the learning rate, or those of several optimizers."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        several = getattr(optimizer, "optimizers", None)
        if several is not None:
            return {f"learning_rate_{one.name}": float(np.asarray(one.learning_rate)) for one in several}
        rate = getattr(optimizer, "learning_rate", None)
        return {} if rate is None else {"learning_rate": float(np.asarray(rate))}

    def _speed(self) -> dict[str, float]:
        if not self.write_steps_per_second:
            return {}
        seconds = time.perf_counter() - self._began["epoch"]
        return {"steps_per_second": (self._num_steps() - self._steps_before) / seconds}

    def _write_weights(self, epoch: int) -> None:
        writer = self._writer("train")
        with writer.as_default(), _summary().record_if(True):
            for layer in self.model.layers:
                for weight in layer.weights:
                    name = str(getattr(weight, "path", None) or weight.name).replace(":", "_")
                    _summary().histogram(f"{name}/histogram", weight, step=epoch)
                    if self.write_images:
                        _write_picture(f"{name}/image", np.asarray(weight), epoch)
        writer.flush()

    # ---- validation

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._before["test"] = self._batches["test"]
        self._enter("test")

    def on_test_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._begin("test", batch)

    def on_test_end(self, logs: dict | None = None) -> None:
        if self.model.optimizer is not None and logs:
            self._scalars("test", logs, self._num_steps(), "evaluation_", "_vs_iterations")
        self._leave()

    # ---- profiles

    def _begin_profile(self) -> None:
        profiler.start(self._train_dir)
        self._profiles = True

    def _end_profile(self) -> None:
        if self._profiles:
            self._profiles = False
            profiler.stop()


def _frequency(given: Any) -> int | None:
    """Returns every how many batches something is written, None for "epoch"."""
    if given == "epoch":
        return None
    if given == "batch":
        return 1
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise ValueError(
            f"TensorBoard: update_freq must be 'epoch', 'batch' or a number of batches, received {given!r:.60}"
            f"{at_user_location()}"
        )
    return given


def _profiled(given: Any) -> tuple[int, int]:
    """Returns the first and the last batch that are profiled, counted from 1; zeros for none."""
    parts = given.split(",") if isinstance(given, str) else given
    try:
        numbers = [int(part) for part in (parts if isinstance(parts, list | tuple) else [parts])]
        first, last = (numbers * 2)[:2] if len(numbers) == 1 else numbers
    except (TypeError, ValueError):
        first, last = -1, -1
    if first < 0 or last < first:
        raise ValueError(
            "TensorBoard: profile_batch must be the number of a batch, or the first and the last of several, received "
            f"{given!r:.60}{at_user_location()}"
        )
    return first, last


def _write_picture(name: str, weight: np.ndarray, epoch: int) -> None:
    """Writes a weight as grey pictures, as far as it has the shape of one."""
    pixels = np.squeeze(weight)
    if pixels.ndim == 1:
        pixels = pixels.reshape(1, -1, 1, 1)
    elif pixels.ndim == 2:  # the longer side lies
        pixels = (pixels.T if pixels.shape[0] > pixels.shape[1] else pixels)[None, :, :, None]
    elif pixels.ndim == 3:  # a picture a channel
        pixels = np.moveaxis(pixels, 2, 0)[..., None]
    if pixels.ndim == 4 and pixels.shape[-1] in (1, 3, 4):
        _summary().image(name, pixels, step=epoch)
