"""The one error of this package."""


class InputError(Exception):
    """A folder or a table that cannot be read. The message is one line: what is wrong, where, and what to do.

    Names in backquotes are parameters of the Python API, such as `path_column`.
    """
