"""Widen the vocabulary of a text tower with labels of pictures, without losing its captions.

    python -m examples.starter.widen VISION TOWER DATA OUT

VISION: the quantised image tower (vision.npz), which stays as it is: the text tower learns where
*its* pictures lie. TOWER: a folder with model.safetensors, config.json and tokenizer. DATA: a
folder with classify/, cars/, emoji/ and train/ (labels and captions). OUT: the widened TOWER.

One contrastive loss over a batch of labelled pictures and of captioned photos together, plus the
cosine distance to the old vectors of captions. labelled.py says which pictures are kept to measure
on.
"""

from __future__ import annotations

import argparse
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy
from typer import echo

from examples.starter.labelled import captioned, training_pictures
from examples.starter.pictures import tower_of, vectors
from examples.starter.sources import Picture, TextTower, weights_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Hold how the tower learns: batches, the loss's scale, what holds captions, the rate."""

    epochs: int = 12
    labelled: int = 128
    captioned: int = 96
    scale: float = 50.0
    keep: float = 40.0
    rate: float = 1e-4


@dataclass(frozen=True, slots=True)
class Pictures:
    """Hold pictures' vectors ``(n, 512)`` and, for each, the texts that say what it shows."""

    vectors: Tensor
    texts: list[tuple[str, ...]]

    def some(self, num: int) -> tuple[list[str], Tensor]:
        """Return one of the texts of each of ``num`` chance pictures, and their vectors."""
        at = random.sample(range(len(self.texts)), num)
        return [random.choice(self.texts[i]) for i in at], self.vectors[at]


def contrast(texts: list[str], found: Tensor, images: Tensor, scale: float) -> Tensor:
    """Return the symmetric contrastive loss; equal texts are right for each other's picture."""
    scores = found @ images.T * scale
    same = torch.tensor([[a == b for b in texts] for a in texts]).float()
    target = same / same.sum(1, keepdim=True)
    return (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2


def loss_of(
    tower: TextTower, before: dict[str, Tensor], sets: tuple[Pictures, Pictures], plan: Plan
) -> tuple[Tensor, Tensor]:
    """Return the contrastive loss of a batch, and how far its captions moved."""
    labels, labelled = sets[0].some(plan.labelled)
    captions, captioned = sets[1].some(plan.captioned)
    with torch.autocast("cpu", torch.bfloat16):
        found = [tower(labels), tower(captions)]
    old = torch.stack([before[caption] for caption in captions])
    texts, images = labels + captions, torch.cat([labelled, captioned])
    moved = (1 - (found[1] * old).sum(-1)).mean()
    return contrast(texts, torch.cat(found), images, plan.scale), moved


def learn(tower: TextTower, sets: tuple[Pictures, Pictures], plan: Plan) -> None:
    """Train ``tower`` in place on labelled and captioned pictures."""
    known = [text for texts in sets[1].texts for text in texts]
    before = dict(zip(known, tower.vectors(known), strict=True))
    tower.text_model.embeddings.word_embeddings.weight.requires_grad = False
    learning = [weight for weight in tower.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=plan.rate, weight_decay=0.01)
    steps = plan.epochs * (len(sets[0].texts) // plan.labelled)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, steps, pct_start=0.1)
    tower.train()
    for step in range(steps):
        loss, moved = loss_of(tower, before, sets, plan)
        (loss + plan.keep * moved).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        if step % 10 == 0:
            echo(f"step {step} of {steps}: loss {loss:.3f}, captions moved {moved:.4f}")


def training_set(vision: Path, data: Path, pictures: list[Picture]) -> Pictures:
    """Return pictures to learn from, their vectors kept beside ``vision``."""
    paths = [data / picture.path for picture in pictures]
    found = vectors(tower_of(vision), paths, vision.parent)
    return Pictures(found, [picture.texts for picture in pictures])


def widen(vision: Path, tower: Path, data: Path, out: Path) -> None:
    """Write the widened tower into the folder ``out``."""
    labelled = training_set(vision, data, training_pictures(data))
    with_captions = training_set(vision, data, captioned(data))
    random.seed(0)
    torch.manual_seed(0)
    old = weights_of(tower)
    model = TextTower(tower, old)
    learn(model, (labelled, with_captions), Plan())
    save(old | model.state_dict(), tower, out)


def save(weights: dict[str, Tensor], tower: Path, out: Path) -> None:
    """Write a text tower with the configuration and the tokenizer of ``tower``."""
    out.mkdir(parents=True, exist_ok=True)
    for file in (*tower.glob("*.json"), tower / "vocab.txt"):
        shutil.copyfile(file, out / file.name)
    whole = {key: value.contiguous() for key, value in weights.items()}
    save_file(whole, out / "model.safetensors", metadata={"format": "pt"})


def main() -> None:
    """Widen the tower that the command names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("vision", "tower", "data", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    widen(args.vision, args.tower, args.data, args.out)


if __name__ == "__main__":
    main()
