"""What all layers are made of: state, calls, weights, masks, contexts."""
