"""Train the small neural generator that redraws the FAKE crops.

A `diffusers` UNet2DModel learns to take noise off CIFAKE's REAL training images, at low noise levels only: it cannot
make a picture from nothing, but it can redraw one. Needs one package more than the project: `pip install diffusers`.

    python -m assets.sample.generator data/cifake --bf16

It writes `generator.safetensors` outside the repository, saves itself every minute, goes on where it was stopped, and
can be stopped early. README.md says how long the shipped one trained.
"""

import argparse
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from assets.sample.settings import SETTINGS, Settings
from core.images.decoding import decode
from core.storage.atomic import cache_dir, write_bytes_atomically


def build_generator(settings: Settings = SETTINGS) -> UNet2DModel:
    """The network: three stages without attention, noise predicted from (N, 3, 32, 32) in -1..1 and a noise level."""
    stages = len(settings.channels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = UNet2DModel(
            sample_size=32,
            block_out_channels=settings.channels,
            layers_per_block=1,
            down_block_types=("DownBlock2D",) * stages,
            up_block_types=("UpBlock2D",) * stages,
            norm_num_groups=8,
            add_attention=False,
        )
    return network.to(memory_format=torch.channels_last)


def build_scheduler(settings: Settings = SETTINGS) -> DDPMScheduler:
    """The diffusion process: fresh noise in every step."""
    return DDPMScheduler(num_train_timesteps=settings.schedule)


def to_inputs(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (N, 32, 32, 3) to float32 (N, 3, 32, 32) in -1..1, channels_last."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def read_real(folder: Path) -> NDArray[np.uint8]:
    """uint8 (N, 32, 32, 3): the training images of class REAL of an unpacked CIFAKE.

    Raises:
        FileNotFoundError: `folder` has no train/REAL with JPEG files in it.
    """
    files = sorted((folder / "train" / "REAL").glob("*.jpg"))
    if not files:
        raise FileNotFoundError(f"{folder / 'train' / 'REAL'} has no JPEG files; name the folder CIFAKE is unpacked in")
    return np.stack([decode(file.read_bytes()) for file in files])


class Trainer:
    """The training's whole state: network, running average, optimiser, steps done and CPU seconds spent."""

    def __init__(self, folder: Path, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.checkpoint = folder / "checkpoint.safetensors"
        self.result = folder / "generator.safetensors"
        self.network = build_generator(settings)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(settings.average))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=settings.learning_rate)
        self.scheduler = build_scheduler(settings)
        self.step = 0
        self.seconds = 0.0
        if self.checkpoint.is_file():
            self._load()

    def train_step(self, pixels: NDArray[np.uint8], *, bf16: bool) -> float:
        """One step on a random batch, which follows from the seed and the step's number; returns the loss."""
        settings, began = self.settings, time.process_time()
        generator = torch.Generator().manual_seed(settings.seed * 1_000_000 + self.step)
        chosen = torch.randint(len(pixels), (settings.batch_size,), generator=generator)
        clean = to_inputs(pixels[chosen.numpy()])
        mirrored = torch.rand(len(clean), 1, 1, 1, generator=generator) < 0.5
        clean = torch.where(mirrored, clean.flip(3), clean)
        noise = torch.randn(clean.shape, generator=generator)
        level = torch.randint(settings.levels, (len(clean),), generator=generator)
        noisy = self.scheduler.add_noise(clean, noise, level).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            predicted = self.network(noisy, level).sample
        loss = nn.functional.mse_loss(predicted.float(), noise)
        falling = (settings.steps - self.step) / settings.steps
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, (self.step + 1) / settings.warm_up) * falling
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        self.seconds += time.process_time() - began
        return float(loss.detach())

    def save(self) -> None:
        """Write the checkpoint, and beside it the averaged weights, which can be used from any step."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        progress = {"step": str(self.step), "seconds": str(self.seconds)}
        write_bytes_atomically(self.checkpoint, lambda file: save_file(tensors, file, metadata=progress))
        kept = {name: tensor.contiguous() for name, tensor in self.average.module.state_dict().items()}
        write_bytes_atomically(self.result, lambda file: save_file(kept, file, metadata=progress))

    def _load(self) -> None:
        tensors = load_file(self.checkpoint)
        with safe_open(self.checkpoint, "pt") as file:
            progress = file.metadata()
        self.step, self.seconds = int(progress["step"]), float(progress["seconds"])

        def part(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

        self.network.load_state_dict(part("network."))
        self.average.load_state_dict(part("average."))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimizer.").items():
            index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """A list that fills when the process is asked to end (SIGTERM or Ctrl-C), so that the loop can save first."""
    asked: list[int] = []
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(kind, lambda number, _: asked.append(number)) for kind in kinds]
    try:
        yield asked
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def train(folder: Path, pixels: NDArray[np.uint8], *, bf16: bool, settings: Settings = SETTINGS) -> bool:
    """Train until done or asked to stop; returns whether it is done."""
    trainer = Trainer(folder, settings)
    losses: list[float] = []
    saved = time.monotonic()
    with stop_requests() as asked:
        while trainer.step < settings.steps and not asked:
            losses.append(trainer.train_step(pixels, bf16=bf16))
            if time.monotonic() - saved > 60:
                trainer.save()
                print(f"step {trainer.step} of {settings.steps}, loss {np.mean(losses):.4f}", flush=True)
                saved, losses = time.monotonic(), []
    trainer.save()
    print(f"step {trainer.step} of {settings.steps}, {trainer.seconds / 60:.1f} CPU minutes, {folder}", flush=True)
    return trainer.step == settings.steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder that CIFAKE is unpacked in")
    parser.add_argument("--out", type=Path, default=cache_dir() / "sample-generator", help="folder for the weights")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--bf16", action="store_true", help="on a processor with AMX this is about twice as fast")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train(arguments.out, read_real(arguments.data), bf16=arguments.bf16)


if __name__ == "__main__":
    main()
