"""The figures of a GPU, in one command; see `__main__`."""
