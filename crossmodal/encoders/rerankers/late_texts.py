"""Score passages by late interaction, as ColBERT does: each word of the query finds its best match.

Owns how a folder's encoder becomes token vectors: its marks for queries and documents, the masks
that a query is filled up with where the model asks for it, the projections, and which tokens do not
count. A module that it does not know is refused, as is an encoder that pools its tokens into one.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.rerankers.reranker import Floats, Side, Tokens, max_sim
from crossmodal.encoders.rerankers.running import LoadedReranker, config_of, load_weights
from crossmodal.errors import ModelUnsupported, RerankFailed
from crossmodal.models.folder import ModelFiles, read_list, read_object
from crossmodal.models.text_preprocess import readable

if TYPE_CHECKING:
    import torch

STANFORD = "HF_ColBERT"
"""What the checkpoints of ColBERT's authors call their architecture."""
ENCODERS = (
    STANFORD,
    "BertModel",
    "DistilBertModel",
    "ElectraModel",
    "ModernBertModel",
    "RobertaModel",
    "XLMRobertaModel",
)
_QUERY_TOKENS = 32
_UNUSED = "pooler."
_KNOWN = ("Transformer", "Normalize", "MultiVectorMask", "Dense")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Hold how texts are told apart and filled up before they are encoded."""

    query: str = ""
    document: str = ""
    query_tokens: int = 0
    """Queries are filled up to so many tokens with the mask; 0: they are not."""
    attends: bool = False
    """Whether the other tokens see those masks."""
    document_tokens: int = 512
    skipped: tuple[str, ...] = ()
    """Tokens of documents that match nothing."""


class LateTexts(LoadedReranker):
    """Serve ColBERT and its like over passages."""

    pairs = frozenset({("text", "text")})
    side_px = 0
    batch = 16
    is_late = True

    def __init__(self, files: ModelFiles, model: Any, device: str) -> None:
        super().__init__(files, model, device)
        self._marks = marks_of(files)
        self._projections = [weight.to(device) for weight in projections_of(files)]
        unknown = self._tokenizer.unk_token_id
        ids = (self._tokenizer.convert_tokens_to_ids(word) for word in self._marks.skipped)
        self._skipped = [number for number in ids if number is not None and number != unknown]
        self._query = lru_cache(maxsize=16)(self._encoded_query)

    def scores(self, query: Side, candidates: Sequence[Side]) -> Floats:
        """Return (n,) float32 sums of best matches, higher is better."""
        return self.scores_of_tokens(query, self.tokens(candidates))

    def scores_of_tokens(self, query: Side, tokens: Sequence[Tokens]) -> Floats:
        """Return (n,) float32 sums of best matches, higher is better."""
        return max_sim(self._query(query.text), tokens)

    def tokens(self, candidates: Sequence[Side]) -> list[Tokens]:
        """Return the (t, dim) token vectors of each passage that count."""
        import torch

        length = min(self._marks.document_tokens, self._max_tokens)
        rows = [self._ids(side.text, self._marks.document, length) for side in candidates]
        ids, mask = _padded(rows, self._tokenizer.pad_token_id or 0)
        vectors = self._vectors(ids, mask)
        counts = mask.bool() & ~torch.isin(ids, torch.tensor(self._skipped, dtype=torch.long))
        return [
            one[kept].astype(np.float16) for one, kept in zip(vectors, counts.numpy(), strict=True)
        ]

    def _encoded_query(self, text: str) -> Floats:
        import torch

        wanted = min(self._marks.query_tokens, self._max_tokens)
        row = self._ids(text, self._marks.query, wanted or self._max_tokens)
        filled = row + [self._tokenizer.mask_token_id] * (wanted - len(row))
        mask = torch.ones(1, len(filled), dtype=torch.long)
        if not self._marks.attends:
            mask[0, len(row) :] = 0
        encoded: Floats = self._vectors(torch.tensor([filled]), mask)[0]
        return encoded

    def _ids(self, text: str, mark: str, length: int) -> list[int]:
        """Return the ids of a text with its mark behind the first one."""
        inserted = self._marker_ids(mark)
        prompted = readable(text) if inserted or not mark else mark + readable(text)
        ids: list[int] = self._tokenizer(
            prompted, truncation=True, max_length=length - len(inserted)
        )["input_ids"]
        return [*ids[:1], *inserted, *ids[1:]]

    def _marker_ids(self, mark: str) -> list[int]:
        known = self._tokenizer.get_vocab()
        return next(([known[word]] for word in (mark, mark.strip()) if word and word in known), [])

    def _vectors(self, ids: torch.Tensor, mask: torch.Tensor) -> Floats:
        """Return (n, t, dim) float32 token vectors of length 1."""
        import torch

        out = self._run({"input_ids": ids, "attention_mask": mask}).last_hidden_state
        for weight in self._projections:
            out = out @ weight.T
        array: Floats = torch.nn.functional.normalize(out.float(), dim=-1).cpu().numpy()
        if not np.isfinite(array).all():
            raise RerankFailed(f"{self.label} gave token vectors that are no numbers")
        return array


def load(files: ModelFiles, device: str) -> LateTexts:
    """Return the late-interaction encoder of a folder.

    Raises:
        ModelUnsupported: it pools its tokens into one vector, or has a step that is not known.
        ModelUnavailable: its files are damaged.
    """
    for module in read_list(files.directory, "modules.json"):
        kind = str(module.get("type")).rsplit(".", 1)[-1]
        if kind not in _KNOWN:
            raise ModelUnsupported(
                f"{files.name} is no reranker: its step {kind} is not one of {', '.join(_KNOWN)}; "
                "an encoder that pools its tokens searches, with --text-model"
            )
    model, place = load_weights(files, lambda t: t.AutoModel, device, unused=_UNUSED)
    return LateTexts(files, model, place)


def marks_of(files: ModelFiles) -> Marks:
    """Return the marks that a folder's settings ask for.

    They stand in ``artifact.metadata`` (ColBERT's authors), or in the files of PyLate and
    sentence-transformers; an encoder without any gets none, and no masks.
    """
    folder = files.directory
    if (config_of(files).get("architectures") or [""])[0] == STANFORD:
        return _stanford(read_object(folder, "artifact.metadata"))
    given = read_object(folder, "config_sentence_transformers.json")
    given = read_object(folder, "sentence_bert_config.json") | given
    prompts = given.get("prompts") or {}
    expansion = given.get("query_expansion") or {}
    is_filled = bool(expansion) or ("query_length" in given and given.get("do_query_expansion", 1))
    length = expansion.get("length") or given.get("query_length") or _QUERY_TOKENS
    skipped = given.get("skiplist_words")
    if skipped is None:
        skipped = string.punctuation if given.get("model_type") == "ColBERT" else ()
    return Marks(
        query=given.get("query_prefix") or prompts.get("query") or "",
        document=given.get("document_prefix") or prompts.get("document") or "",
        query_tokens=int(length) if is_filled else 0,
        attends=bool(expansion.get("attend") or given.get("attend_to_expansion_tokens")),
        document_tokens=int(given.get("document_length") or 512),
        skipped=tuple(skipped),
    )


def projections_of(files: ModelFiles) -> list[torch.Tensor]:
    """Return the (out, in) matrices that token vectors go through after the encoder.

    Raises:
        ModelUnsupported: one has a bias, an activation, or no weights.
    """
    folder = files.directory
    if (config_of(files).get("architectures") or [""])[0] == STANFORD:
        return [_weight(path, "linear.weight") for path in files.weights[:1]]
    dense = [m for m in read_list(folder, "modules.json") if str(m.get("type")).endswith("Dense")]
    found = []
    for module in dense:
        place = folder / str(module.get("path"))
        settings = read_object(place, "config.json")
        activation = str(settings.get("activation_function", "Identity"))
        if settings.get("bias") or not activation.endswith("Identity"):
            raise ModelUnsupported(f"{files.name}: {place.name} has a bias or {activation}")
        found.append(_weight(place / "model.safetensors", "linear.weight"))
    return found


def _stanford(given: dict[str, Any]) -> Marks:
    return Marks(
        query=given.get("query_token_id") or "[unused0]",
        document=given.get("doc_token_id") or "[unused1]",
        query_tokens=int(given.get("query_maxlen") or _QUERY_TOKENS),
        attends=bool(given.get("attend_to_mask_tokens")),
        document_tokens=int(given.get("doc_maxlen") or 512),
        skipped=tuple(string.punctuation) if given.get("mask_punctuation", True) else (),
    )


def _weight(path: Path, name: str) -> torch.Tensor:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            weight: torch.Tensor = file.get_tensor(name).float()
            return weight
    except (OSError, SafetensorError) as error:
        raise ModelUnsupported(f"{path} has no tensor {name}: {error}") from error


def _padded(rows: Sequence[Sequence[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    shape = (len(rows), max(len(row) for row in rows))
    ids = torch.full(shape, padding)
    mask = torch.zeros(shape, dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(list(row))
        mask[number, : len(row)] = 1
    return ids, mask
