"""What byte strings are made of and turned into: patterns, characters and their scripts, hashes.

No tensors here: functions on `bytes` and on NumPy arrays, which the string ops are made of.
"""
