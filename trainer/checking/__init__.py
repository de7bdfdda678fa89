"""What is wrong with the images: decode each one, measure it, compare it with the others. Nothing is changed.

items       which images
header      animations, cameras, wrong suffixes
measures    brightness, contrast, sharpness of one image
hashes      perceptual hashes, and near ones among many
scan        every image decoded once, what is kept of it
rules       what stands out from a set
groups      duplicates, near duplicates, which one to keep
shortcuts   what predicts a class without its content
kinds       every kind of finding
findings    the result
quality     findings about single images
duplicates  findings about groups
check       all of it in order
"""
