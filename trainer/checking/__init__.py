"""What is wrong with the images: decode each one, measure it, compare it with the others. Nothing is changed.

kinds       every kind of finding
items       which images
header      animations, cameras, wrong suffixes
measures    brightness, contrast, sharpness of one image
hashes      perceptual hashes, and near ones among many
scan        every image decoded once, and what is kept of it
rules       what stands out from a set
groups      the same images, nearly the same ones, and which one to keep
shortcuts   what predicts a class without looking at the content
findings    the result
quality     findings about single images
duplicates  findings about groups
check       all of it in order
embedder    near duplicates by the features of a network
page        the result as a page
output      the result as text, JSON and CSV
journal     what is going to be moved, written before it is moved
moving      one file to another folder
quarantine  moves what was found, and back
quick       what a fit knows without reading an image again

It imports nothing here, so that the command line can list the kinds without loading anything heavy.
"""
