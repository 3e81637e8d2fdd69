"""Build the shipped files of the built-in model out of packages, a text tower and a few photos.

    pip install torch transformers onnx safetensors pillow
    python -m examples.starter.build_starter OUT --data DATA --tower TOWER --passages METADATA ...

First vision.npz: CLIP ViT-B/16 (OpenAI), rounded without training. Then the text tower TOWER (a
MiniLM that was trained against that image tower) learns labels, see widen.py. Last text.npz:
all-MiniLM-L6-v2, rounded, and the widened tower as a delta of it. 15 minutes on two idle cores.
What OUT and the work folder hold already is kept, so a build that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from unittest.mock import patch

import numpy as np
from typer import echo

from crossmodal.models.starter.shipped import CHECKSUMS, list_of
from examples.starter.folders import write_image_text_files
from examples.starter.labelled import CAPTIONED
from examples.starter.quantise import Members
from examples.starter.sources import (
    TextTower,
    captions,
    image_tower,
    sentence_encoder,
    weights_of,
)
from examples.starter.towers import (
    TextChoices,
    image_members,
    text_members,
    watch_images,
    watch_texts,
)
from examples.starter.widen import widen

NUM_PHOTOS = 48
NUM_CAPTIONS = 400
NUM_PASSAGES = 128
SENTENCE_FILES = (
    "config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)


def write(path: Path, members: Members) -> None:
    """Write an .npz with Huffman coding alone: matching strings makes such data larger."""
    coder = zlib.compressobj
    only = lambda *_: coder(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)  # noqa: E731
    with patch.object(zipfile, "_get_compressor", only):
        np.savez_compressed(path, **members)  # type: ignore[arg-type]


def photos(data: Path) -> list[Path]:
    """Return the photos that the image tower is rounded for: half captioned, half of objects."""
    chosen: list[Path] = []
    order = random.Random(0)
    for folder in ("train/images", "classify/imagenet1k_sample"):
        found = sorted((data / folder).glob("*.jpg"))
        order.shuffle(found)
        chosen += found[:NUM_PHOTOS]
    return chosen


def build_vision(out: Path, data: Path, work: Path, bits: float) -> None:
    """Write ``out/vision.npz``."""
    weights = image_tower(work)
    inputs = watch_images(weights, photos(data))
    write(out / "vision.npz", image_members(weights, inputs, bits, bounded=True))


def passages(files: list[Path]) -> list[str]:
    """Return the beginnings of plain texts, without the headers of package metadata."""
    texts = [file.read_text(errors="ignore").split("\n\n", 1)[-1].split() for file in files]
    return [" ".join(text[:120]) for text in texts if len(text) > 60][:NUM_PASSAGES]


def build_text(args: argparse.Namespace, tower_folder: Path, choices: TextChoices) -> None:
    """Write ``out/text.npz`` and the tokenizer and configurations that go with both files."""
    folder = sentence_encoder(args.work)
    sentence, weights = weights_of(folder), weights_of(tower_folder)
    tower = TextTower(tower_folder, weights)
    base = {f"text_model.{key}": value for key, value in sentence.items()}
    base["text_projection.weight"] = weights["text_projection.weight"]
    said = [photo.texts[0] for photo in captions(args.data, CAPTIONED)][:NUM_CAPTIONS]
    given = [(tower, said, 64), (TextTower(tower_folder, base), passages(args.passages), 128)]
    inputs = watch_texts(given)
    vocabulary = tower.tokenizer.get_vocab()
    unused = [number for token, number in vocabulary.items() if token.startswith("[unused")]
    write(args.out / "text.npz", text_members((weights, sentence), inputs, unused, choices))
    write_configurations(args.out, tower_folder, folder)


def write_configurations(out: Path, tower: Path, sentence: Path) -> None:
    """Write tokenizer.json once and, under ``out/json``, what else each model folder holds."""
    from tokenizers import Tokenizer

    shutil.rmtree(out / "json", ignore_errors=True)
    tokenizer = Tokenizer.from_file(str(tower / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(out / "tokenizer.json"))
    settings = json.loads((tower / "tokenizer_config.json").read_text())
    settings.pop("name_or_path", None)
    for name in ("image-text", "sentence"):
        (out / "json" / name).mkdir(parents=True)
        text = json.dumps(settings, indent=2)
        (out / "json" / name / "tokenizer_config.json").write_text(text)
    for name in SENTENCE_FILES:
        target = out / "json/sentence" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sentence / name, target)
    config = out / "json/sentence/config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dtype": "float32"}, indent=2))
    write_image_text_files(tower, out / "json/image-text")


def arguments() -> argparse.Namespace:
    """Return what the command was given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="train/, classify/, cars/, emoji/")
    parser.add_argument("--tower", type=Path, required=True, help="the text tower to begin with")
    parser.add_argument("--passages", type=Path, nargs="+", required=True, help="plain texts")
    parser.add_argument("--bits", type=float, default=3.2, help="a weight of the image tower")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "starter-build")
    return parser.parse_args()


def main() -> None:
    """Build what is not there yet."""
    args = arguments()
    for folder in (args.out, args.work):
        folder.mkdir(parents=True, exist_ok=True)
    if not (args.out / "vision.npz").exists():
        build_vision(args.out, args.data, args.work, args.bits)
    widened = widen(args.out / "vision.npz", args.tower, args.data, args.work)
    if not (args.out / "text.npz").exists():
        build_text(args, widened, TextChoices())
    (args.out / CHECKSUMS).write_text(list_of(args.out))
    shipped = [file for file in args.out.rglob("*") if file.is_file()]
    echo(f"{sum(file.stat().st_size for file in shipped) / 1e6:.1f} MB in {args.out}")


if __name__ == "__main__":
    main()
