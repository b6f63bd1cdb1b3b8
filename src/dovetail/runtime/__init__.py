"""What checks and watches programs while they run: assertions, numerics, profiles."""
