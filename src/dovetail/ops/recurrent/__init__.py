"""Recurrent layers over whole sequences: one op a kind of cell, with its gradient written beside it."""
