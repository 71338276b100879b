"""Pictures of seeds, weights and predictions, as arrays."""
