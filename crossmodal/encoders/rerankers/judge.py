"""Ask a vision-language model of each picture whether it shows what is looked for: yes or no.

Owns the question, and how the answer becomes a score: the logit of yes less that of no for the next
token, after one pass and without writing a word. What a query says is data: tokens that steer the
model are taken out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crossmodal.encoders.rerankers.late_pages import without_special
from crossmodal.encoders.rerankers.reranker import Floats, Side
from crossmodal.encoders.rerankers.running import (
    LoadedReranker,
    config_of,
    load_processor,
    load_weights,
)
from crossmodal.errors import ModelUnsupported
from crossmodal.models.folder import ModelFiles
from crossmodal.models.text_preprocess import readable

if TYPE_CHECKING:
    import torch

QUESTION = "Does this picture show the following? {}\nAnswer yes or no."
JUDGES = (
    "Gemma3ForConditionalGeneration",
    "Idefics3ForConditionalGeneration",
    "LlavaForConditionalGeneration",
    "LlavaNextForConditionalGeneration",
    "LlavaOnevisionForConditionalGeneration",
    "Mistral3ForConditionalGeneration",
    "PaliGemmaForConditionalGeneration",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen3VLForConditionalGeneration",
    "SmolVLMForConditionalGeneration",
)
_YES = ("yes", "Yes", " yes", " Yes")
_NO = ("no", "No", " no", " No")


class PictureJudge(LoadedReranker):
    """Serve vision-language models that answer a question about a picture."""

    pairs = frozenset({("text", "image")})
    side_px = 768
    batch = 1

    def __init__(self, files: ModelFiles, model: Any, device: str) -> None:
        super().__init__(files, model, device)
        self._processor = load_processor(files, "AutoProcessor")
        if not getattr(self._processor, "chat_template", None):
            raise ModelUnsupported(f"{files.name} has no chat template to ask it a question with")
        self._yes, self._no = self._firsts(_YES), self._firsts(_NO)
        if set(self._yes) & set(self._no):
            raise ModelUnsupported(f"{files.name} has no tokens that tell yes from no")

    def scores(self, query: Side, candidates: Sequence[Side]) -> Floats:
        """Return (n,) float32 logits of yes less those of no, higher is better."""
        import torch

        asked = self._question(query.text)
        return self._finite(torch.stack([self._score(asked, side) for side in candidates]))

    def _score(self, asked: str, side: Side) -> torch.Tensor:
        inputs = self._processor(text=[asked], images=[side.picture], return_tensors="pt")
        last = self._run(inputs).logits[0, -1].float()
        score: torch.Tensor = last[self._yes].logsumexp(0) - last[self._no].logsumexp(0)
        return score

    def _question(self, text: str) -> str:
        plain = without_special(self._processor.tokenizer, readable(text))
        words = {"type": "text", "text": QUESTION.format(plain)}
        asked: str = self._processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, words]}], add_generation_prompt=True
        )
        return asked

    def _firsts(self, words: Sequence[str]) -> list[int]:
        """Return the tokens that answers begin with."""
        tokenizer = self._processor.tokenizer
        coded = (tokenizer.encode(word, add_special_tokens=False) for word in words)
        unknown = tokenizer.unk_token_id
        return sorted({ids[0] for ids in coded if ids and ids[0] != unknown})


def load(files: ModelFiles, device: str) -> PictureJudge:
    """Return the judge of a folder.

    Raises:
        ModelUnsupported: its inputs cannot be prepared, or it cannot be asked.
        ModelUnavailable: its files are damaged.
    """
    name = config_of(files)["architectures"][0]
    model, place = load_weights(files, lambda t: getattr(t, name), device)
    return PictureJudge(files, model, place)
