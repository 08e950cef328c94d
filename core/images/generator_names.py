"""The usual spelling of image generators' names, from the names of the archives that their images come in."""

# prefix of an archive's name -> the generator
NAMES = {
    "began": "BEGAN",
    "cramer": "Cramér GAN",
    "dcgan": "DCGAN",
    "dragan": "DRAGAN",
    "sndcgan": "SN-DCGAN",
    "wgan_gp": "WGAN-GP",
    "ddpm": "DDPM",
    "pixelcnnpp": "PixelCNN++",
    "reflected_diffusion": "Reflected Diffusion",
    "stable_diffusion_v1": "Stable Diffusion 1",
    "stable_diffusion_v2": "Stable Diffusion 2",
}
# prefixes that name the author of the code
LIBRARIES = {"chainer": "Chainer"}


def generator_name(source: str) -> str:
    """Turn "chainer_dragan" into "DRAGAN (Chainer)", "ddpm_name" into "DDPM (name)"; others lose their underscores."""
    first, _, rest = source.partition("_")
    if first in LIBRARIES and rest in NAMES:
        return f"{NAMES[rest]} ({LIBRARIES[first]})"
    for start, name in NAMES.items():
        if source == start:
            return name
        if source.startswith(f"{start}_"):
            return f"{name} ({source.removeprefix(start)[1:].replace('_', ' ')})"
    return source.replace("_", " ")
