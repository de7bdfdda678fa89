"""Cleaning of labels: which ones are suspect, what a person decided about them, and the page on which that is done.

heads, neighbours, suspects   which labels are probably wrong, by the features of the images
insight      what of that the page shows, kept on the disk
queues       which images a person looks at, and why
duplicates   groups that show the same; what a check found
edits        edits.jsonl: what was decided
history      the edits in force, and the actions that they belong to
replay       from a catalog and the edits to cleaned.csv
session      the decisions about the images of one catalog, in memory and on the disk
changes      from what a person asks for to edits
stopping     when to stop looking
browsing     which part of a queue is asked for
views        all of it as JSON objects
work         what takes a while, in the background
web          the page, over HTTP on this machine
"""
