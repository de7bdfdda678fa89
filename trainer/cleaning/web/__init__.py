"""The page of `clean` over HTTP, for one person on one machine.

access   who may use it: one browser, by a token, a cookie, and where a request comes from
images   an image of the catalog as the browser gets it
routes   the handlers
app      the routes and the middleware around them
opening  how the token reaches the browser
server   uvicorn, until Ctrl-C
"""
