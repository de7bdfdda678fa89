"""The kinds of findings, in the order in which they are reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of finding.

    Attributes:
        title: What a person calls it.
        advice: What it means, and what to do.
        movable: Whether its images can be moved to a quarantine.
        examples: Whether its images are only examples of a class.
    """

    title: str
    advice: str
    movable: bool = True
    examples: bool = False


KINDS: Mapping[str, Kind] = {
    "undecodable": Kind(
        "Images that cannot be decoded",
        "Training leaves them out. Get them again, or remove them.",
    ),
    "conflicting-labels": Kind(
        "One content under two labels",
        "At least one of the labels is wrong. Keep the image under the right one.",
    ),
    "across-splits": Kind(
        "Duplicates across splits",
        "The result on the validation or test images looks too good. Keep each image in one split.",
    ),
    "exact-duplicates": Kind(
        "Exact duplicates",
        "The same bytes, or the same pixels. They teach nothing new. Keep one of each group.",
    ),
    "near-duplicates": Kind(
        "Near duplicates",
        "Nearly the same picture: compressed again, resized, lighter, or taken again at once. Keep one of each, or "
        "keep each group in one split.",
    ),
    "similar-images": Kind(
        "Similar images",
        "The same things, photographed in the same place, as the features of a network show. Keep each group in one "
        "split.",
        movable=False,
    ),
    "one-image-class": Kind(
        "Classes of one image",
        "All images of the class are the same one, so nothing can be learned about the class. Add other images.",
        movable=False,
    ),
    "shortcuts": Kind(
        "What may mislead a network",
        "Something else than what the images show predicts the class, and a network may learn that instead. Collect "
        "the images of all classes in the same way.",
        movable=False,
        examples=True,
    ),
    "wrong-suffix": Kind(
        "Wrong suffixes",
        "The content has another format than the name says. It is decoded by its content here; other programs may "
        "fail.",
    ),
    "animated": Kind(
        "Animations",
        "Only the first frame is used. Check that it shows the class.",
    ),
    "too-small": Kind(
        "Too small",
        "Much smaller than the other images. Enlarged, they show little.",
    ),
    "too-large": Kind(
        "Too large",
        "Much larger than the other images. They take long to decode.",
    ),
    "odd-aspect": Kind(
        "Odd aspect ratios",
        "Much longer or higher than the other images. A crop shows a small part of them.",
    ),
    "too-dark": Kind(
        "Too dark",
        "Even their light parts are dark, and most other images are lighter.",
    ),
    "too-light": Kind(
        "Too light",
        "Even their dark parts are light, and most other images are darker.",
    ),
    "blurred": Kind(
        "Blurred",
        "Much less sharp than the other images, also when all are reduced to one size.",
    ),
    "one-colour": Kind(
        "One colour",
        "The whole image has one colour, so it shows nothing.",
    ),
}
