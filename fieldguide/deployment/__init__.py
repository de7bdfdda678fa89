"""Files that bring a bundle to a place: an image to build, and what the place wants to know about it.

targets  the places, and the commands that follow
values   what differs from one deployment to the next: name, image, host, memory
files    the files of a target, filled in with these values
command  `fieldguide deploy`
"""
