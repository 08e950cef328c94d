"""The names of image generators as people write them, from the names of the files that their pictures come in."""

# how a file's name begins -> the generator
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
}
# who wrote the code, where it stands first
LIBRARIES = {"chainer": "Chainer"}


def generator_name(source: str) -> str:
    """ "chainer_dragan" as "DRAGAN (Chainer)", "ddpm_somebody" as "DDPM (somebody)"; others without underscores."""
    first, _, rest = source.partition("_")
    if first in LIBRARIES and rest in NAMES:
        return f"{NAMES[rest]} ({LIBRARIES[first]})"
    for start, name in NAMES.items():
        if source == start:
            return name
        if source.startswith(f"{start}_"):
            return f"{name} ({source.removeprefix(start)[1:].replace('_', ' ')})"
    return source.replace("_", " ")
