"""The training loop: data in, compiled steps, callbacks."""
