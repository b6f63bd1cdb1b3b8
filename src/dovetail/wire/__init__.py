"""Formats of files that other programs read: protocol buffers, and files of records."""
