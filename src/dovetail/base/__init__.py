"""The ground floor: settings, errors, nested structures, user frames.  Imports nothing else of Dovetail."""
