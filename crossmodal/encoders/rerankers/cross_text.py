"""Judge pairs of texts with a cross-encoder: query and passage in one pass, one logit out."""

from __future__ import annotations

from collections.abc import Sequence

from crossmodal.encoders.rerankers.reranker import Floats, Side
from crossmodal.encoders.rerankers.running import LoadedReranker, config_of, load_weights, margin
from crossmodal.errors import ModelUnsupported
from crossmodal.models.folder import ModelFiles


class TextCrossEncoder(LoadedReranker):
    """Serve MiniLM, BGE, mxbai, GTE and Qwen rerankers that classify a sequence by one logit."""

    pairs = frozenset({("text", "text")})
    side_px = 0
    batch = 16

    def scores(self, query: Side, candidates: Sequence[Side]) -> Floats:
        """Return (n,) float32 logits, higher is better."""
        texts = [side.text for side in candidates]
        tokens = self._tokens([query.text] * len(texts), texts)
        return self._finite(margin(self._run(tokens).logits))


def load(files: ModelFiles, device: str) -> TextCrossEncoder:
    """Return the cross-encoder of a folder.

    Raises:
        ModelUnsupported: it has other than one logit: it sorts into classes.
        ModelUnavailable: its files are damaged.
    """
    labels = config_of(files).get("id2label") or {}
    if len(labels) > 1 or (not labels and config_of(files).get("num_labels", 2) != 1):
        raise ModelUnsupported(
            f"{files.name} sorts into {len(labels) or 2} classes: a reranker of texts has one logit"
        )
    model, place = load_weights(files, lambda t: t.AutoModelForSequenceClassification, device)
    return TextCrossEncoder(files, model, place)
