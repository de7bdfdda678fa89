from __future__ import annotations

import dataclasses

import pytest

from fieldguide.deployment.values import Values, name_from, tag_from

VALUES = Values(name="fruit", image="ghcr.io/me/fruit:2", host="fruit.example.com", memory_mib=768)


def test_every_example_value_is_replaced_once() -> None:
    names = "bears registry.example.org/bears:1 https://bears.example.org ./site/x bears-2"
    assert VALUES.fill_in(names) == "fruit ghcr.io/me/fruit:2 https://fruit.example.com ./site/x fruit-2"
    assert VALUES.fill_in("1024Mi 1024m 1024M 1024mb 1073741824") == "768Mi 768m 768M 768mb 805306368"


def test_a_value_that_looks_like_an_example_stays_as_it_is() -> None:
    values = dataclasses.replace(VALUES, name="site", image="bears/bears:1024m", host="bears.org")
    assert values.fill_in("bears|registry.example.org/bears:1|bears.example.org|./site", folder="bears") == (
        "site|bears/bears:1024m|bears.org|bears"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("name", name) for name in ("", "Fruit", "2fruit", "fruit-", "fr_uit", "a" * 51, "fruit\n", "früchte")],
        *[("image", name) for name in ("", "Fruit:1", "ghcr.io/me/", "fruit:", "fruit:1 x", "a@sha256:12", "a//b")],
        *[("host", name) for name in ("", "localhost", "https://a.org", "a.org/", "a.org:80", "-a.org", "1.2.3")],
        *[("memory_mib", size) for size in (0, -1, 255)],
    ],
)
def test_invalid_values_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"not '?|must be at least 256"):
        dataclasses.replace(VALUES, **{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("name", name) for name in ("a", "fruit-2", "a" * 50)],
        *[("image", name) for name in ("fruit", "fruit:1.0", "me/fruit:v1", "localhost:5000/a/b__c:x")],
        ("image", f"fruit@sha256:{'0' * 64}"),
        *[("host", name) for name in ("a.org", "fruit-2.example.co.uk", "1.example.org")],
    ],
)
def test_valid_values_are_taken(field: str, value: str) -> None:
    assert getattr(dataclasses.replace(VALUES, **{field: value}), field) == value


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("bears", "bears"),
        ("Grocery Store", "grocery-store"),
        ("run_2", "run-2"),
        ("2024 birds!", "birds"),
        ("  ", ""),
        ("Äpfel", "pfel"),
        ("熊", ""),
        ("x" * 80, "x" * 50),
        ("a" * 49 + "--b", "a" * 49),
    ],
)
def test_the_name_of_a_model_makes_that_of_the_service(model: str, name: str) -> None:
    assert name_from(model) == name


@pytest.mark.parametrize(
    ("image", "bundle"),
    [
        ("fruit", "fruit-bundle"),
        ("localhost:5000/me/fruit", "localhost:5000/me/fruit-bundle"),
        ("localhost:5000/me/fruit:2", "localhost:5000/me/fruit-bundle:2"),
        (f"me/fruit:2@sha256:{'0' * 64}", "me/fruit-bundle:2"),
    ],
)
def test_the_image_of_the_bundle_is_called_like_that_of_the_service(image: str, bundle: str) -> None:
    values = dataclasses.replace(VALUES, image=image)
    assert values.bundle_image == values.fill_in("registry.example.org/bears-bundle:1") == bundle


@pytest.mark.parametrize(("version", "tag"), [("1", "1"), ("1.0+gpu", "1.0-gpu"), ("", "1"), ("é", "1"), (".a", "a")])
def test_the_version_of_a_model_makes_the_tag(version: str, tag: str) -> None:
    assert tag_from(version) == tag
