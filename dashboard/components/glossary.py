"""Every term in plain words, for the page Glossary and for the help beside a term.

Terms are explained only here; pages get the text through `explain`.
"""

import re

from core.runs.metrics import ECE_BINS, PAPER

TERMS: dict[str, str] = {
    "Accuracy": "The share of all verdicts that are right.",
    "Agreement": "Whether two explanations of one image point at the same places, compared with chance: how well an "
    "explanation agrees with maps of other images.",
    "AUROC": "Area under the ROC curve: of all pairs of a photograph and a generated image, the share in which the "
    "photograph has the higher score. 50% is guessing, 100% is perfect.",
    "Baseline": "The score of a far simpler method on the same images: that much is easy.",
    "Calibration": "Whether confidence can be believed: of verdicts that are 80% sure, 80 in 100 should be right. "
    f"The calibration error (ECE) is how far confidence and truth lie apart on average, over {ECE_BINS} equally wide "
    "bins of confidence.",
    "CIFAKE": "A set of images: 60,000 small photographs (CIFAR-10) and 60,000 imitations of them that Stable "
    f"Diffusion made (Bird and Lotfi 2024). Used by the paper that Telltale builds on: {PAPER['author']}, "
    f"[*{PAPER['title']}*]({PAPER['link']}). Its 20,000 test images ship with Telltale.",
    "Cluster": "A group of images that the detector treats alike, found without being told what to look for.",
    "Cohen's h": "How far apart two shares are, giving more weight to a percentage point near 0 or 100% than near 50%: "
    "0.2 is small, 0.5 medium, 0.8 large (Cohen 1988).",
    "Confidence": "The probability that the detector gives to its own verdict, from 50% (a guess) to 100%.",
    "Confusion matrix": "A table of labels against predictions: a row for what images are, a column for what they are "
    "called.",
    "Control": "The same test with something else changed by as much, or with the labels, the image or the network "
    "exchanged. An effect that also appears under the control proves nothing.",
    "Deletion and insertion": "A test of an explanation: cover the places it ranks first and see how fast the verdict "
    "changes; or start from nothing and uncover them first (Petsiuk et al. 2018).",
    "Delivery": "What happens to a picture on its way to whoever sees it: it is saved as JPEG or WebP, scaled, "
    "cropped, captured in a screenshot, or sent by a messenger.",
    "Detector": "The neural network that calls an image REAL or FAKE, for one fixed size of image.",
    "Epoch": "One pass over all training images.",
    "F1": "The harmonic mean of precision and recall: high only where both are.",
    "Faithfulness": "Whether an explanation names what the verdict really rests on, tested by changing what it names.",
    "FAKE": "Made by an image generator.",
    "Features": "The numbers that the network computes from an image just before it decides; images with similar "
    "features look alike to it.",
    "Fill": "What a covered part of an image is replaced by: its mean colour, a blur, black, its own texture "
    "shuffled, or what its neighbours make likely (ROAD, Rong et al. 2022).",
    "Fingerprint": "A hash of all files of an image set: two sets with the same fingerprint are the same.",
    "Grad-CAM": "A map of where the network's features speak for one class or the other (gradient-weighted class "
    "activation mapping, Selvaraju et al. 2017).",
    "Hash": "A short number computed from a file: equal files have equal hashes. A perceptual hash is computed from "
    "what an image looks like, so images that look alike have similar ones.",
    "Integrated Gradients": "Each pixel's share of what the score gains from a baseline (here a blurred copy) to the "
    "image, added up along the way (Sundararajan et al. 2017).",
    "Interval": "The plausible range of the true rate: 95 of 100 such intervals contain the true rate.",
    "Layer": "A depth in the network. Late layers respond to the most complex features and locate them least sharply.",
    "Leak": "A test image whose file was also among the training images, so the detector has seen it.",
    "LIME": "Local interpretable model-agnostic explanations (Ribeiro et al. 2016): parts of the image are covered in "
    "many ways and the detector is run each time; a part's weight is how much showing it adds to the score.",
    "LIME over frequency bands": "LIME with bands of the spectrum instead of parts of the image, from coarse to fine, "
    "in grey and in colour: which band speaks for which class.",
    "Logistic regression": "One of the simplest ways to separate two classes: a weighted sum of a few numbers, turned "
    "into a probability.",
    "Low-pass": "An image without its finest detail; what is left looks soft.",
    "Margin": "The detector's score: its number for REAL minus its number for FAKE. Above 0 it says REAL, below FAKE; "
    "the further from 0, the surer.",
    "Margin map": "The margin spread over the positions of the network's last stage (4 x 4 in the paper's). In the "
    "networks that ship, its mean is the margin less a constant, the network's bias.",
    "McNemar's test": "Whether two detectors are equally often right, judged by the images that only one of them gets "
    "right: its p is how often chance alone would split these at least as unevenly (McNemar 1947).",
    "Near copy": "An image that looks the same as another to a perceptual hash and in its grey levels, but is a "
    "different file.",
    "Neighbours": "The training images (where those are not here, the run's own) that look most like this one to the "
    "detector, whatever they look like to us.",
    "Precision": "Of the images called FAKE, the share that really are FAKE; likewise for REAL.",
    "Probe": "A small named change, such as less detail or no colour, made to see whether the verdict flips.",
    "Quickshift": "LIME's own way of cutting an image into segments, by colour and place. In an image of 32 x 32 "
    "pixels it often finds only one or two (Vedaldi and Soatto 2008).",
    "Radius": "Of the spectrum: fineness of detail in sixteenths of the Nyquist frequency, the finest that pixels can "
    "hold (waves of two pixels). A small radius is coarse, a large one fine.",
    "Rank correlation": "Whether two lists rise and fall together: 1 is the same order, 0 none, -1 the reverse "
    "(Spearman).",
    "REAL": "A photograph.",
    "Recall": "Of the images that really are FAKE, the share that is called FAKE; likewise for REAL.",
    "Repeat": "A copy of an earlier file in the same set.",
    "Resampling filter": "The rule by which several pixels become one when an image is shrunk.",
    "ROC curve": "For every threshold at once: the share of FAKE images called FAKE, over the share of REAL images "
    "called FAKE.",
    "Run": "One detector's verdicts on one image set, computed once and never changed.",
    "Sample": "In LIME, one version of the image with some of its parts covered. More samples give more certain "
    "weights and take longer.",
    "Sanity": "A test of explanations: when the network's weights are replaced by random ones, its maps must change "
    "(Adebayo et al. 2018).",
    "Seed": "The number that determines random choices: the same seed gives the same result, another seed shows how "
    "much of it was luck.",
    "Segment": "A part of the image that LIME covers or shows as a whole.",
    "Silhouette": "How much closer images are to their own cluster than to the next one, from -1 to 1: near 1 "
    "clusters are well separated, near 0 they overlap (Rousseeuw 1987).",
    "SLIC": "A way of cutting an image into segments of similar size that follow its edges (Achanta et al. 2012).",
    "Spectrum": "How much detail of each fineness an image holds, from coarse (few waves across 32 pixels) to fine "
    "(radius 16: waves of two pixels, the finest that pixels can show).",
    "Stability": "Whether an explanation stays the same when nothing that matters changes: another random seed, "
    "invisible noise.",
    "Study": "One question asked of all images of a run, or of a sample, with its control.",
    "Surrogate": "The weighted sum of parts by which LIME approximates the network near one image. R², the share of "
    "the variance in the scores that it explains, shows how far its weights can be believed.",
    "t-SNE": "A way of laying out many images on a plane so that similar ones are close together. Distances between "
    "groups and their sizes mean nothing (van der Maaten and Hinton 2008).",
    "Temperature": "A number that margins are divided by before they become probabilities. Where a detector was "
    "trained here with images held out, it is fitted on these so that confidence can be believed; else it is 1, or as "
    "given.",
    "Threshold": "The probability of REAL, p(REAL), that a REAL verdict needs. At 50% the verdict is the likelier "
    "class.",
    "Transfer": "Out-of-distribution tests: how the detector does on other generators' images and other photographs.",
    "Undecided": "A part whose effect is within sampling error or too small to name. It is hatched and has no colour.",
}


def explain(*terms: str, also: str = "") -> str:
    """Return the help beside terms: each with its text, and what is specific to the place.

    Raises:
        KeyError: a term that the glossary does not have.
    """
    texts = [f"**{term}**: {TERMS[term]}" for term in terms]
    return "\n\n".join([*texts, also] if also else texts)


def terms_in(*texts: str) -> tuple[str, ...]:
    """The terms that occur in texts from elsewhere, in the glossary's order."""
    whole = " ".join(texts)
    return tuple(term for term in TERMS if re.search(rf"\b{re.escape(term)}s?\b", whole, re.IGNORECASE))
