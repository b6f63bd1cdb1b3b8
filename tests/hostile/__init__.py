"""Files that mean harm: every published attack on loaders of models and data, made by the tests."""
