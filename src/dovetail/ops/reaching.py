"""What reaches beyond a model's tensors: the one table that all who load or describe files look at."""

from __future__ import annotations

# Ops of `tf.io`, and functions made of them, that read or write files; those that change the program's own state.
OPS = frozenset(
    {
        "match_filenames_once",
        "matching_files",
        "read_file",
        "set_global_generator",
        "set_seed",
        "summary_iterator",
        "write_file",
    }
)

# Operations of graphs: the place of the path among the inputs, and whether they only read.
TABLE_OF_FILE = "InitializeTableFromTextFileV2"
FILES = {"ReadFile": (0, True), "WriteFile": (0, False), "MatchingFiles": (0, True), TABLE_OF_FILE: (1, True)}
PRINTING = "PrintV2"  # which writes to files, too, when its attribute "output_stream" begins so:
TO_FILE = "file:"

# Operations of graphs that call back into Python: nothing here runs them; TensorFlow does.
PYTHON = frozenset(("EagerPyFunc", "PyFunc", "PyFuncStateless"))
