"""Names of generators in fields that may hold any name."""

import pytest

from core.images.provenance.source_type import is_generator


@pytest.mark.parametrize(
    "name", ["DALL-E 3", "DALL·E", "dalle2", "OpenAI", "Adobe Firefly", "Imagen 3", "Google Gemini"]
)
def test_a_generator_is_known_however_its_name_is_written(name: str) -> None:
    assert is_generator(name)


@pytest.mark.parametrize(
    "name", ["The Dallas Morning News", "Kendall Smith", "Gemini Observatory", "Editor de imagen", "Firefly Studio"]
)
def test_a_name_that_only_begins_like_one_is_none(name: str) -> None:
    assert not is_generator(name)
