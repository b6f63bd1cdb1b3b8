"""`keras.distillation` against Keras."""

import keras as keras_3
import numpy as np
import pytest

import dovetail as tf

X = np.random.default_rng(0).random((8, 4), "float32")
Y = np.random.default_rng(1).random((8, 2), "float32")
CASES = {
    "logits": lambda d: (d.LogitsDistillation(temperature=2.0), None),
    "squares": lambda d: (d.LogitsDistillation(loss="mse"), None),
    "outputs": lambda d: (d.FeatureDistillation(), None),
    "layers": lambda d: (
        [
            d.LogitsDistillation(),
            d.FeatureDistillation("mae", teacher_layer_name="hidden", student_layer_name="small"),
        ],
        [1.0, 2.0],
    ),
}


def models(keras):
    def model(hidden, scale):
        kernel = keras.initializers.Constant(scale)
        first = keras.layers.Dense(3, name=hidden, kernel_initializer=kernel)
        return keras.Sequential([keras.Input((4,)), first, keras.layers.Dense(2, kernel_initializer=kernel)])

    return model("hidden", 0.5), model("small", 0.25)


def distiller(keras, case, **options):
    teacher, student = models(keras)
    loss, weights = CASES[case](keras.distillation)
    return keras.distillation.Distiller(teacher, student, loss, weights, **options)


@pytest.mark.parametrize("case", CASES)
def test_training_follows_keras(case):
    logs = []
    for keras in (tf.keras, keras_3):
        model = distiller(keras, case, student_loss_weight=0.25)
        model.compile(keras.optimizers.SGD(0.01), "mse", metrics=["mae"])
        history = model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history
        logs.append({name: history[name] for name in sorted(history)})
        assert len(model.trainable_variables) == 4 and not model.teacher.trainable
    assert list(logs[0]) == list(logs[1])
    for name, values in logs[0].items():
        np.testing.assert_allclose(values, logs[1][name], rtol=2e-5)


def test_a_distiller_is_its_student_and_comes_back_from_its_config():
    model = distiller(tf.keras, "layers")
    np.testing.assert_array_equal(model(X), model.student(X))
    again = tf.keras.distillation.Distiller.from_config(model.get_config())
    assert again.distillation_loss_weights == [1.0, 2.0]
    assert again.distillation_losses[1].teacher_layer_name == "hidden"


BAD = {
    "teacher must be": {"teacher": 3},
    "weight for each": {"distillation_loss_weights": [1.0, 2.0]},
    "from 0 to 1": {"student_loss_weight": 2.0},
    "no layer 'wrong'": {"distillation_losses": tf.keras.distillation.FeatureDistillation("mse", "wrong")},
}


@pytest.mark.parametrize("words", BAD)
def test_bad_arguments(words):
    teacher, student = models(tf.keras)
    good = {
        "teacher": teacher,
        "student": student,
        "distillation_losses": tf.keras.distillation.LogitsDistillation(),
    }
    with pytest.raises(ValueError, match=words):
        tf.keras.distillation.Distiller(**good | BAD[words])
    with pytest.raises(ValueError, match="temperature"):
        tf.keras.distillation.LogitsDistillation(temperature=0)
