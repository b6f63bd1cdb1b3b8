"""The op table: one function per op, a file per family."""
