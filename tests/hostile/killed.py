"""Trains with backups, or saves again and again, until it is killed.

python -m tests.hostile.killed train FOLDER DATA     ends with FOLDER/end.npz
python -m tests.hostile.killed save FOLDER
"""

import sys

import numpy as np

import dovetail as tf
from dovetail import keras

X = np.random.default_rng(2).normal(size=(64, 4)).astype("float32")
Y = X.sum(1, keepdims=True)


def model_of(seed=3):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((4,)), keras.layers.Dense(6, activation="relu"), keras.layers.Dropout(0.3)]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    return model


def train(folder, data):
    model = model_of()
    x, y, options = X, Y, {"batch_size": 8}
    if data == "dataset":
        x, y, options = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(20, seed=1).batch(8), None, {}
    backup = keras.callbacks.BackupAndRestore(f"{folder}/backup", save_freq=3, double_checkpoint=True)
    stop = keras.callbacks.EarlyStopping("loss", patience=50)
    print("begins", flush=True)
    model.fit(x, y, epochs=30, verbose=0, callbacks=[stop, backup], **options)
    np.savez(f"{folder}/end.npz", *[np.array(v) for v in (*model.variables, *model.optimizer.variables)])


def save(folder):
    """Saves a model whose weights are all one number, the next one each time."""
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, name="d")])
    module = tf.Module()
    module.v = tf.Variable(np.zeros(5000, "float32"))
    module.f = tf.function(lambda x: x + module.v, input_signature=[tf.TensorSpec([])])
    checkpoint = tf.train.Checkpoint(v=module.v)
    manager = tf.train.CheckpointManager(checkpoint, f"{folder}/managed", max_to_keep=1)
    number = 0
    while True:
        number += 1
        model.set_weights([np.full(w.shape, number, "float32") for w in model.get_weights()])
        module.v.assign(np.full(5000, number, "float32"))
        model.save(f"{folder}/m.keras")
        model.save(f"{folder}/m.h5")
        model.save_weights(f"{folder}/m.weights.h5")
        checkpoint.write(f"{folder}/c")
        manager.save()
        tf.saved_model.save(module, f"{folder}/saved")
        if number == 1:
            print("begins", flush=True)


if __name__ == "__main__":
    {"train": train, "save": save}[sys.argv[1]](*sys.argv[2:])
