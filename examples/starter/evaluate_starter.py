"""Measure a starter model on pictures and passages that it did not learn from.

    python -m examples.starter.evaluate_starter IMAGE_TEXT SENTENCE DATA

IMAGE_TEXT and SENTENCE: the two expanded folders. About 4 minutes on two idle cores.

Captions: recall of the photo of each caption, and of any caption of each photo (captions/flickr8k,
400 photos, 2,000 captions; captions/coco, 80). Zero-shot: the class whose texts' mean is nearest,
with the templates of ``labelled.TEMPLATES[:3]`` and with the bare label. Cars and emoji: the halves
that are held out. Passages: nDCG@10 of text_ir (Cranfield), cosine, 256 tokens.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize
from typer import echo

from examples.starter.labelled import TEMPLATES, halves, held_clothes, held_emoji
from examples.starter.pictures import vectors
from examples.starter.sources import captions, labels

Encode = Callable[[list[str]], Tensor]
Figures = dict[str, float]

CAPTIONED = ("flickr8k", "coco")


def recall(images: Tensor, texts: Tensor, owner: Tensor) -> Figures:
    """Return R@1, 5 and 10 of texts (``owner[i]``: the picture of text i) and of pictures."""
    scores = texts @ images.T
    rank = (scores > scores.gather(1, owner[:, None])).sum(1)
    other = owner[None] != torch.arange(len(images))[:, None]
    best = scores.T.masked_fill(other, -9).amax(1, keepdim=True)
    back = (best < scores.T).sum(1)
    figures = {}
    for name, ranks in (("text to image", rank), ("image to text", back)):
        for k in (1, 5, 10):
            figures[f"{name} R@{k}"] = round(float((ranks < k).float().mean()), 4)
    return figures


def of_captions(tower: Any, encode: Encode, data: Path, name: str, cache: Path) -> Figures:
    """Return the recall of the captions of captions/``name``."""
    photos = captions(data, "captions/captions.jsonl", f"captions/{name}/")
    images = vectors(tower, [data / photo.path for photo in photos], cache)
    owner = torch.tensor([i for i, photo in enumerate(photos) for _ in photo.texts])
    texts = encode([text for photo in photos for text in photo.texts])
    return {f"{name} {key}": value for key, value in recall(images, texts, owner).items()}


def of_classes(
    images: Tensor, wanted: list[str], encode: Encode, templates: tuple[str, ...]
) -> float:
    """Return the share of pictures whose nearest class, templates averaged, is the right one."""
    names = sorted({*wanted})
    said = [name.replace("_", " ") for name in names]
    means = normalize(torch.stack([encode([t.format(s) for s in said]) for t in templates]).sum(0))
    nearest = (images @ means.T).argmax(1).tolist()
    return round(float(np.mean([names[i] == w for i, w in zip(nearest, wanted, strict=True)])), 4)


def of_cars(images: Tensor, rows: list[dict[str, str]], encode: Encode) -> Figures:
    """Return the precision of "a red sports car"; ambiguous cars are left out of it."""
    scores = images @ encode(["a red sports car"])[0]
    order = scores.argsort(descending=True).tolist()
    right = [rows[i]["red_sports_car"] for i in order]
    right = [answer for answer in right if answer != "ambiguous"]
    return {f"P@{k}": right[:k].count("yes") / k for k in (5, 10, 20)}


def of_labels(tower: Any, encode: Encode, data: Path, cache: Path) -> Figures:
    """Return the zero-shot accuracy of the sets of classify/."""
    figures = {}
    sets = {
        "imagenette160": labels(data, "classify/imagenette160"),
        "clothing, held out": held_clothes(data),
    }
    for name, rows in sets.items():
        images = vectors(tower, [data / row["path"] for row in rows], cache)
        wanted = [row["label"] for row in rows]
        for how, templates in (("templates", TEMPLATES[:3]), ("bare label", ("{}",))):
            figures[f"{name}, {how}"] = of_classes(images, wanted, encode, templates)
    return figures


def of_pictures(
    tower: Any, encode: Encode, data: Path, cache: Path, captioned: tuple[str, ...]
) -> Figures:
    """Return the figures of the image-text model; ``captioned`` are folders of captions/."""
    figures: Figures = {}
    for name in captioned:
        figures |= of_captions(tower, encode, data, name, cache)
    figures |= of_labels(tower, encode, data, cache)
    cars, emoji = halves(labels(data, "cars/labels"))[1], held_emoji(data)
    images = vectors(tower, [data / row["path"] for row in cars], cache)
    figures |= {f"cars, held out {k}": v for k, v in of_cars(images, cars, encode).items()}
    images = vectors(tower, [data / row["path"] for row in emoji], cache)
    own = recall(images, encode([row["name"].lower() for row in emoji]), torch.arange(len(emoji)))
    return figures | {f"emoji, held out {k}": v for k, v in own.items() if k.startswith("text")}


def of_passages(encode: Encode, data: Path) -> Figures:
    """Return nDCG@10 and recall@100 on Cranfield: binary gains if judgements are, else graded."""
    folder = data / "text_ir/cranfield"
    corpus, queries = (_texts(folder / f"{name}.jsonl") for name in ("corpus", "queries"))
    judged: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query, document, gain = line.split("\t")[:3]
        judged.setdefault(query, {})[document] = int(gain)
    scores = encode([*queries.values()]) @ encode([*corpus.values()]).T
    ids = [*corpus]
    ndcg, found = [], []
    for row, query in zip(scores, queries, strict=True):
        gains = {key: gain for key, gain in judged.get(query, {}).items() if gain > 0}
        if gains:
            order = [ids[i] for i in row.argsort(descending=True)[:100].tolist()]
            best = sorted(gains.values(), reverse=True)
            ndcg.append(_dcg([gains.get(key, 0) for key in order[:10]]) / _dcg(best[:10]))
            found.append(len(gains.keys() & {*order}) / len(gains))
    return {"nDCG@10": round(float(np.mean(ndcg)), 4), "R@100": round(float(np.mean(found)), 4)}


def _texts(file: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return {row["_id"]: f"{row.get('title', '')} {row['text']}".strip() for row in rows}


def _dcg(gains: list[int]) -> float:
    return sum(gain / float(np.log2(rank + 2)) for rank, gain in enumerate(gains))


def expanded(folder: Path) -> tuple[Any, Encode]:
    """Return the image tower and the text encoder of a model folder, through transformers."""
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = (
        AutoModel.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )

    def images(**inputs: Any) -> Any:
        inputs.pop("interpolate_pos_encoding")
        output = model.get_image_features(**inputs)
        return argparse.Namespace(image_embeds=getattr(output, "pooler_output", output))

    @torch.inference_mode()
    def encode(texts: list[str]) -> Tensor:
        done = []
        for at in range(0, len(texts), 64):
            tokens = tokenizer(
                texts[at : at + 64], padding=True, truncation=True, return_tensors="pt"
            )
            output = model.get_text_features(**tokens)
            done.append(normalize(getattr(output, "pooler_output", output).float(), dim=-1))
        return torch.cat(done)

    return images, encode


def sentences(folder: Path) -> Encode:
    """Return the sentence encoder of a folder, through sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def encode(texts: list[str]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            found: Tensor = model.encode(
                texts, batch_size=32, normalize_embeddings=True, convert_to_tensor=True
            )
        return found.float()

    return encode


def main() -> None:
    """Print the figures, one a line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("image_text", "sentence", "data"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--vectors", type=Path, help="a folder that keeps the pictures' vectors")
    args = parser.parse_args()
    tower, encode = expanded(args.image_text)
    cache = args.vectors or args.image_text / "vectors"
    figures = of_pictures(tower, encode, args.data, cache, CAPTIONED)
    figures |= {
        f"cranfield {k}": v for k, v in of_passages(sentences(args.sentence), args.data).items()
    }
    for name, value in figures.items():
        echo(f"{name}: {value}")


if __name__ == "__main__":
    main()
