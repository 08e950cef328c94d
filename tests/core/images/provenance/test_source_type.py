"""Names of generators in fields that may hold any name."""

import pytest

from core.images.provenance.source_type import is_generator


@pytest.mark.parametrize(
    "name", ["DALL-E 3", "DALL·E", "dalle2", "OpenAI", "Adobe Firefly", "Imagen 3", "Google Gemini"]
)
def test_a_generator_is_known_however_its_name_is_written(name: str) -> None:
    assert is_generator(name)


@pytest.mark.parametrize("name", ["gemini-2.5-flash-image", "imagen-4.0-generate-001", "imagen3"])
def test_a_generator_is_known_by_the_name_of_its_model(name: str) -> None:
    assert is_generator(name)


@pytest.mark.parametrize(
    "name",
    [
        "The Dallas Morning News",
        "Kendall Smith",
        "Gemini Observatory",
        "Gemini Studios",
        "Editor de imagen",
        "imagen 12",
        "Firefly Studio",
    ],
)
def test_a_name_that_only_begins_like_one_is_none(name: str) -> None:
    assert not is_generator(name)
