"""Small networks and images, made here, for every test."""

import hashlib
import io
import os
import tarfile
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.offline import sitecustomize as offline
from tests.shared import made_once

# workers share the processor's cores: more threads in each only wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")
# processes that tests start are kept on this machine, too
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(Path(offline.__file__).parent), os.environ.get("PYTHONPATH")))
)
_CACHES = count()


def pytest_xdist_auto_num_workers(config):
    """One worker more than there are cores: journeys and kills mostly wait, for a browser or another process."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """Files that take longest come first, or a worker would be left alone with the last of them: browsers, and size."""
    items.sort(key=lambda item: ("browser" not in item.path.parts, -item.path.stat().st_size, item.path))


@pytest.fixture(autouse=True, scope="session")
def _session_cache(tmp_path_factory):
    """Let session fixtures, which are made before a test gets its own cache, use one that all workers share."""
    with pytest.MonkeyPatch.context() as patch:
        # nor is the user's own home looked into
        patch.delenv("TELLTALE_HOME", raising=False)
        patch.setenv("TELLTALE_CACHE", str(made_once(tmp_path_factory, "shared-cache", Path.mkdir)))
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    # numbered here: pytest's own counting looks at all folders of the tests before
    folder = tmp_path_factory.getbasetemp() / "caches" / str(next(_CACHES))
    folder.mkdir(parents=True)
    monkeypatch.setenv("TELLTALE_CACHE", str(folder))


@pytest.fixture(autouse=True)
def _no_connection_elsewhere(tmp_path_factory):
    """Fail a test in which anything tried to reach another machine, whatever became of that."""
    # servers that live for several tests keep writing to the same file
    log = tmp_path_factory.getbasetemp() / "refused"
    os.environ[offline.REFUSED] = str(log)
    before = log.stat().st_size if log.exists() else 0
    yield
    tried = log.read_text()[before:].split() if log.exists() else []
    assert tried == [], "a connection beyond this machine was tried"


def saved(image, kind="PNG", **options):
    """A picture as a file, by Pillow alone."""
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def resaved(image, kind, **options):
    """What is read from such a file, uint8 (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(saved(image, kind, **options))).convert("RGB"))


def jpeg(pixels, quality=75):
    """JPEG bytes of (height, width, 3) pixels, as CIFAKE's are."""
    return saved(pixels, "JPEG", quality=quality)


def noise(*shape, seed=0):
    """uint8 (*shape, 3), every level as likely."""
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)


def textured(n, *, fine, seed, side=32):
    """uint8 (n, side, side, 3): soft blobs, with fine grain on top where `fine`: two classes that can be learned."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(60, 200, (n, side // 8, side // 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    grain = generator.normal(0, 25, (n, side, side, 1)) if fine else 0
    return np.clip(coarse + grain, 0, 255).astype(np.uint8)


def mixed(n):
    """uint8 (n, 32, 32, 3), the second half with fine grain."""
    return np.concatenate([textured(n // 2, fine=False, seed=1), textured(n - n // 2, fine=True, seed=2)])


def write_cifake(root, *, train=40, test=12):
    """A folder laid out and named like CIFAKE, `train` and `test` images a class."""
    for split, n in (("train", train), ("test", test)):
        for label, fine in (("FAKE", False), ("REAL", True)):
            folder = root / split / label
            folder.mkdir(parents=True)
            pixels = textured(n, fine=fine, seed=(split == "test") * 10 + fine)
            for index, image in enumerate(pixels):
                suffix = "" if index % 10 == 0 else f" ({index % 10 + 1})"
                (folder / f"{index:04d}{suffix}.jpg").write_bytes(jpeg(image))
    return root


def make_set(pixels, name="made-test", *, digests=None):
    """An image set of these pixels, the first half FAKE, in three categories; hashes are of the pixels by default."""
    import pandas as pd

    from core.images.image_set import ImageSet, fingerprint_of
    from core.images.labels import CLASSES, FAKE, REAL
    from core.images.statistics import image_statistics

    n = len(pixels)
    labels = np.repeat([FAKE, REAL], [n // 2, n - n // 2]).astype(np.uint8)
    digests = digests or [hashlib.sha256(image.tobytes()).hexdigest() for image in pixels]
    rows = pd.DataFrame(
        {
            "id": [f"test-{digest[:16]}" for digest in digests],
            "name": [f"{CLASSES[label]}/{number:04d}.png" for number, label in enumerate(labels)],
            "label": labels,
            "category": [("cat", "dog", "ship")[number % 3] for number in range(n)],
            "sha256": digests,
            "is_repeat": False,
        }
    )
    rows = pd.concat([rows, image_statistics(pixels)], axis=1).assign(file_bytes=np.float32(900))
    return ImageSet(name, "test", pixels, rows, fingerprint_of("test", rows))


@pytest.fixture
def cifake(tmp_path):
    """A fresh CIFAKE-like folder that the test may damage."""
    return write_cifake(tmp_path / "cifake")


@pytest.fixture
def tiny_detector():
    """A width-2 detector with lively batch-normalisation statistics, so that margins differ between images."""
    return make_detector()


@cache
def _initial(width, seed):
    """The initial weights of a network; drawing them takes longer than most tests."""
    import torch
    from torchvision.models.resnet import BasicBlock, ResNet

    from core.detectors.resnet import ResNet18

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # tests rest on what these weights predict: those that are drawn after torchvision's own network
        ResNet(BasicBlock, [2, 2, 2, 2], num_classes=2)
        return ResNet18(width).state_dict()


def make_detector(width=2, seed=0, **settings):
    """A random detector whose every layer does something."""
    import torch
    from torch import nn

    from core.detectors.resnet import ResNetDetector, build, round_to_float16

    network = build({"width": width})
    network.load_state_dict({name: value.clone() for name, value in _initial(width, seed).items()}, assign=True)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
    round_to_float16(network)
    return ResNetDetector(network, **settings)


def balanced(detector, pixels):
    """The same with another bias, so that it calls half of these images REAL."""
    from core.detectors.resnet import round_to_float16
    from core.images.labels import REAL

    detector.network.fc.bias.data[REAL] -= np.median(detector.margins(pixels))
    round_to_float16(detector.network)
    return type(detector)(detector.network, manifest=detector.manifest)


def write_detector(home, name="other", detector=None):
    """Add a detector, a random one where none is given, to a home under this name."""
    from core.detectors.storage import save_detector

    detector = detector or make_detector()
    detector.manifest = {**detector.manifest, "name": name}
    save_detector(home / "detectors" / name, detector, model_card=f"# Detector `{name}`\n")
    return detector


def make_patch(field=9, *, side=32):
    """A random detector of patches whose scores differ from patch to patch."""
    import torch
    from torch import nn

    from core.detectors.local_networks import PatchDetector, PatchNetwork
    from core.detectors.manifest import About
    from core.images.preprocessing import Preprocessing

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(field)
        network = PatchNetwork(field)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.fill_(0.2)
    network.scores.weight.data.mul_(4)
    detector = PatchDetector.from_about(network, About("patch", {"field": field}, Preprocessing(side)))
    assert isinstance(detector, PatchDetector)
    return detector


@pytest.fixture
def pixels():
    """uint8 (24, 32, 32, 3), half with fine grain."""
    return mixed(24)


def write_shipped(folder, cifake):
    """CIFAKE's test set as it ships, made of the test images of a folder."""
    from core.images.cifake import ARCHIVE, KIND, TABLE
    from core.images.loading import load_image_set
    from core.images.statistics import STATISTICS
    from core.storage.atomic import write_folder

    images = load_image_set(cifake, "test")

    def pack(path):
        with tarfile.open(path, "w:xz") as archive:
            archive.add(cifake / "test", "test")

    files = {ARCHIVE: pack, TABLE: lambda path: images.rows[["name", *STATISTICS]].to_parquet(path, index=False)}
    manifest = {"name": images.name, "images": len(images), "fingerprint": images.fingerprint}
    write_folder(folder, kind=KIND, manifest=manifest, files=files)
    return folder


@pytest.fixture(scope="session")
def cifake_test(_session_cache):
    """The genuine CIFAKE test images, unpacked once for all tests; the test is skipped if they were removed."""
    from core.images.cifake import is_shipped
    from core.images.loading import load_image_set
    from core.images.sources import SHIPPED, SHIPPED_FOLDER

    if not is_shipped(SHIPPED_FOLDER):
        pytest.skip("assets/cifake-test is not there")
    return load_image_set(SHIPPED, "test")
