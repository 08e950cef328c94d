"""Probes of grey levels, colour, light and sharpness. Needs no torch."""

from core.perturbations import photometric
from core.perturbations.probe import Probe, Strength, steps

LEVELS = (
    Probe(
        "levels", "levels", "Reducing grey levels", "Every value is rounded to a multiple of a step.",
        steps((2, 4, 8, 16), "steps of {}"), lambda batch, step: photometric.rounded(batch.pixels, int(step)),
        "differences in value smaller than the step",
    ),
    Probe(
        "noise", "levels", "Adding noise", "A whole number up to plus or minus this many is added to every value.",
        steps((1, 2, 4), "±{}"),
        lambda batch, most: photometric.with_noise(batch.pixels, batch.chance.uniform, int(most)),
        "differences in value as small as the noise",
    ),
)  # fmt: skip

COLOUR = (
    Probe(
        "fade", "colour", "Fading colour", "Colour fades towards grey; brightness stays.",
        (Strength("50", "half", 0.5), Strength("grey", "grey", 0.0)),
        lambda batch, factor: photometric.saturated(batch.pixels, factor), "its colours",
    ),
    Probe(
        "saturate", "colour", "Strengthening colour", "Colour is made stronger; brightness stays.",
        (Strength("150", "half as much again", 1.5),),
        lambda batch, factor: photometric.saturated(batch.pixels, factor), "how strong its colours are",
    ),
    Probe(
        "hue", "colour", "Rotating hues", "All hues are turned round the colour circle; brightness stays.",
        steps((30, 180), "{}°"), lambda batch, degrees: photometric.hue_rotated(batch.pixels, degrees), "its hues",
    ),
    Probe(
        "tint", "colour", "Moving the mean colour to that of the other class",
        "The mean of red, green and blue moves to that of the class that the image is not called.",
        (Strength("half", "half the way", 0.5), Strength("full", "all the way", 1.0)),
        lambda batch, share: photometric.tinted(batch.pixels, batch.other_means, share),
        "its mean colour", ("tint_control",),
    ),
    Probe(
        "tint_control", "colour", "Moving the mean colour to that of its own class",
        "The mean of red, green and blue moves to that of the class that the image is called.",
        (Strength("half", "half the way", 0.5), Strength("full", "all the way", 1.0)),
        lambda batch, share: photometric.tinted(batch.pixels, batch.same_means, share),
        "being unlike its class's average", is_control=True,
    ),
)  # fmt: skip

LIGHT = (
    Probe(
        "darker", "light", "Darkening", "Grey levels are taken off every value.",
        steps((16, 48), "{} levels"), lambda batch, by: photometric.brightened(batch.pixels, -by), "how bright it is",
    ),
    Probe(
        "brighter", "light", "Brightening", "Grey levels are added to every value.",
        steps((16, 48), "{} levels"), lambda batch, by: photometric.brightened(batch.pixels, by), "how dark it is",
    ),
    Probe(
        "flatter", "light", "Reducing contrast", "Contrast about the mean is halved.",
        (Strength("50", "half", 0.5),),
        lambda batch, factor: photometric.contrasted(batch.pixels, factor), "its contrast",
    ),
    Probe(
        "harder", "light", "Raising contrast", "Contrast about the mean grows by half.",
        (Strength("150", "half as much again", 1.5),),
        lambda batch, factor: photometric.contrasted(batch.pixels, factor), "how little contrast it has",
    ),
)  # fmt: skip

COMPRESSION = (
    Probe(
        "jpeg", "compression", "Recompressing as JPEG", "The picture is compressed once more as a JPEG and unpacked.",
        steps((95, 75, 50, 30), "quality {}"),
        lambda batch, quality: photometric.compressed(batch.pixels, int(quality)),
        "what JPEG throws away",
    ),
    Probe(
        "blur", "compression", "Blurring", "A Gaussian blur.",
        steps((0.5, 1, 2), "{} pixels"), lambda batch, sigma: photometric.blurred(batch.pixels, sigma), "its sharpness",
    ),
    Probe(
        "sharpen", "compression", "Sharpening", "The difference from a blurred copy is added.",
        (Strength("50", "half of it", 0.5), Strength("100", "all of it", 1.0)),
        lambda batch, amount: photometric.sharpened(batch.pixels, amount), "its lack of sharpness",
    ),
)  # fmt: skip
