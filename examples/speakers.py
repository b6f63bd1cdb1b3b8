"""Says who speaks: classifies speeches in text files, with strings going into the model.

    python examples/speakers.py [--data FOLDER] [--out FOLDER] [--quick]

Speeches of four characters of Shakespeare become text files, a folder for each: the form in which
`keras.utils.text_dataset_from_directory` finds them.  The model takes the text itself.  Its first layer, a
`TextVectorization`, has learned the words and how rare they are; it runs on the host, in front of the rest, which is
compiled.  The model is saved as a whole, loaded again, and asked who would say a few famous lines.

Stated quality: of speeches it has not seen, the model gives more than 60% to the right speaker (the one who speaks most
often: 30%).

Data: A. Karpathy's tinyshakespeare.
"""

from __future__ import annotations

import pathlib

import matplotlib.pyplot as plt
import numpy as np
import setting

import dovetail as tf
from dovetail import keras

SPEAKERS = ("DUKE VINCENTIO", "GLOUCESTER", "PETRUCHIO", "ROMEO")
LEAST_WORDS, NUM_WORDS, BATCH = 8, 4_000, 32
LINES = (
    "But, soft! what light through yonder window breaks?",
    "Now is the winter of our discontent made glorious summer by this sun of York",
    "Come, Kate, come on, and kiss me, Kate",
    "An Angelo for Claudio, death for death",
)


def write(text: str, folder: pathlib.Path) -> None:
    """Writes each longer speech of the four into a file of its own: FOLDER/{train,test}/SPEAKER/0001.txt."""
    counts = dict.fromkeys(SPEAKERS, 0)
    for block in text.split("\n\n"):
        speaker, _, speech = block.partition(":\n")
        if speaker in counts and len(speech.split()) >= LEAST_WORDS:
            counts[speaker] += 1
            part = "test" if counts[speaker] % 4 == 0 else "train"
            path = folder / part / speaker / f"{counts[speaker]:04}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(speech, encoding="utf-8")


def speeches(folder: pathlib.Path, shuffle: bool) -> tf.data.Dataset:
    """Returns batches of (texts, numbers of speakers)."""
    return keras.utils.text_dataset_from_directory(
        str(folder), class_names=list(SPEAKERS), batch_size=BATCH, shuffle=shuffle, seed=0, verbose=False
    )


def classifier(texts: tf.data.Dataset) -> keras.Model:
    """Returns a model from texts, strings (batch,), to logits of the speakers."""
    words = keras.layers.TextVectorization(max_tokens=NUM_WORDS, output_mode="tf_idf")
    words.adapt(texts)
    text = keras.Input((), dtype="string")
    x = keras.layers.Dropout(0.5)(words(text))
    return keras.Model(text, keras.layers.Dense(len(SPEAKERS))(x))


def draw(truth: np.ndarray, said: np.ndarray, path: pathlib.Path) -> None:
    """Draws how often each speaker is taken for each."""
    table = np.zeros((len(SPEAKERS), len(SPEAKERS)))
    np.add.at(table, (truth, said), 1)
    table /= table.sum(axis=1, keepdims=True)
    figure, axis = plt.subplots(figsize=(6.4, 5.2))
    axis.imshow(table, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(table):
        axis.text(
            column, row, f"{share:.0%}", ha="center", va="center", color="white" if share > 0.6 else "black"
        )
    axis.set(
        xticks=range(len(SPEAKERS)), yticks=range(len(SPEAKERS)), xlabel="the model says", ylabel="who speaks"
    )
    axis.set_xticklabels(SPEAKERS, rotation=20)
    axis.set_yticklabels(SPEAKERS)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    chosen = setting.options(__doc__)
    (source,) = setting.find(chosen.data, "tinyshakespeare.txt")
    keras.utils.set_random_seed(0)
    folder = chosen.out / "speeches"
    write(source.read_text(encoding="utf-8"), folder)
    training, test = speeches(folder / "train", shuffle=True), speeches(folder / "test", shuffle=False)

    model = classifier(training.map(lambda texts, _: texts))
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(training, epochs=2 if chosen.quick else 15, verbose=0)

    path = chosen.out / "speakers.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    truth = np.concatenate([labels.numpy() for _, labels in test])
    said = loaded.predict(test, verbose=0).argmax(axis=1)
    accuracy = float(np.mean(said == truth))
    most = float(np.bincount(truth).max() / len(truth))
    print(
        f"of {len(truth)} new speeches {accuracy:.1%} go to the right speaker; to the most frequent {most:.1%}"
    )
    for line, logits in zip(LINES, loaded.predict(tf.constant(LINES), verbose=0), strict=True):
        print(f"  {SPEAKERS[int(logits.argmax())]:15} {line}")
    draw(truth, said, chosen.out / "speakers.png")
    setting.check("over 60%", accuracy > 0.6, chosen.quick)


if __name__ == "__main__":
    main()
