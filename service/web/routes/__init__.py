"""The handlers, and what they have in common."""
