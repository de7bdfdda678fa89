"""Cleaning of labels: which ones are suspect, and what a person decided about them."""
