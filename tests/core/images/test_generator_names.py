"""Names of generators as people write them."""

import pytest

from core.images.generator_names import generator_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("chainer_dragan", "DRAGAN (Chainer)"),
        ("chainer_wgan_gp", "WGAN-GP (Chainer)"),
        ("reflected_diffusion_louaaron", "Reflected Diffusion (louaaron)"),
        ("pixelcnnpp_pclucas14", "PixelCNN++ (pclucas14)"),
        ("ddpm", "DDPM"),
        ("my_own_network", "my own network"),
    ],
)
def test_names_are_read_from_files(source: str, name: str) -> None:
    assert generator_name(source) == name
