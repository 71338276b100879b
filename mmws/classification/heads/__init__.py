"""Heads that score images by the mean of a class map."""
