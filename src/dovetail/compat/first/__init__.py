"""TensorFlow 1: sessions, variables by name, collections, optimizers on graphs (`tf.compat.v1`).

`names.TABLES` lists what each namespace below `tf.compat.v1` gets from here; it is loaded when the first of these names
is asked for.
"""
