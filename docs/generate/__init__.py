"""Makes the pages of docs/reference from the code, so that they say what is so.

markdown   tables, code, links
commands   the command line, from click's objects
recipe     the settings of a training, from the fields of the recipe
settings   the settings of the service, from its table of settings
metrics    the metrics, from what /metrics returns
routes     the HTTP API, from its OpenAPI document
schemas    the types in that document, in words
pages      all of them, and the index
"""
