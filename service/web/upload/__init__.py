"""The body of a request -> the bytes of the image in it."""
