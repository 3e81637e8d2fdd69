"""Write down what is said in sound: windows in, sentences with their times out.

Owns the recogniser, which is a Whisper of transformers' own classes named by directory or hub id,
and how a long recording is gone through; refuses to decode files or to cut what was said into
passages. Invariant: a window without a voice is not written down, as far as its loudness and the
model's own doubt tell: Whisper makes words of silence.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from cachetools import LRUCache

from crossmodal.encoders.forward import choose_device
from crossmodal.encoders.tokens import quiet_transformers
from crossmodal.errors import ModelUnavailable
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles, digest, small_files_key, stat_key_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

RATE_HZ = 16_000
WINDOW_S = 30.0
"""What Whisper hears at once."""
MIN_ADVANCE_S = 5.0
MIN_LOUDNESS = 1e-3
"""Root mean square, of full scale 1: -60 dB, quieter than a room in which nobody speaks."""
MAX_NO_SPEECH = 0.6
"""Probability of "no speech" above which a window is left out: Whisper's own default."""
MIN_LOG_PROB = -1.2
"""Mean log-probability of the words below which a window is left out; Whisper's own is -1.

Of two spoken cards "five, five" reached -1.02; noise, ticking and sawing lie between -1.4 and -6.
"""
MAX_TOKENS = 224
"""Written down of one window, as Whisper's own; more is a word that repeats itself for ever."""
ARCHITECTURE = "WhisperForConditionalGeneration"


class Said(NamedTuple):
    """Hold a sentence, or what was said between two breaths."""

    start_s: float
    end_s: float
    text: str


class SpeechReader:
    """Write recordings down, one window at a time; safe between threads."""

    def __init__(self, model: Any, processor: Any, device: str) -> None:
        self._model = model
        self._processor = processor
        self._device = device
        self._turn = threading.Lock()
        self._no_speech = self._token("<|nospeech|>", "<|nocaptions|>")
        self._num_words = int(self._model.config.eos_token_id)  # all that is special comes after

    def read(self, parts: Iterable[Samples]) -> Iterator[Said]:
        """Yield what is said, in order of time.

        A window ends where its last whole sentence does: that one which the window may have cut is
        heard again in the next.

        Args:
            parts: a recording in pieces of any length, (n,) float32 mono at ``RATE_HZ``, -1 to 1.
        """
        import numpy as np

        held, start_s, length = np.zeros(0, np.float32), 0.0, round(WINDOW_S * RATE_HZ)
        for part in parts:
            held = np.concatenate([held, part])
            while len(held) > length:
                said, advance_s = _settled(self._heard(held[:length]))
                yield from _moved(said, start_s)
                held, start_s = held[round(advance_s * RATE_HZ) :], start_s + advance_s
        yield from _moved(self._heard(held), start_s)

    def _heard(self, samples: Samples) -> list[Said]:
        """Return what is said in one window, by its own time."""
        import torch

        if not _is_audible(samples):
            return []
        features = self._processor.feature_extractor(
            samples, sampling_rate=RATE_HZ, return_tensors="pt"
        ).input_features.to(self._device, self._model.dtype)
        with self._turn, torch.inference_mode():
            heard = self._model.get_encoder()(features)
            tokens = self._written(features)
            if self._is_doubtful(heard, tokens):
                return []
        return self._sentences(tokens, len(samples) / RATE_HZ)

    def _written(self, features: Any) -> Any:
        """Return the tokens of a window with their times, (n,) int64, the start token first.

        Whisper's own loop hears the end of a window again where a sentence was left open, so it
        needs the features and not what was heard of them.
        """
        import torch

        with quiet_transformers():
            [tokens] = self._model.generate(
                features, return_timestamps=True, max_new_tokens=self._max_tokens
            )
        start = tokens.new_tensor([self._model.config.decoder_start_token_id])
        return tokens if tokens[:1].equal(start) else torch.cat([start, tokens])

    @property
    def _max_tokens(self) -> int:
        """Return how much may be written: what the model has positions for, at most."""
        return min(MAX_TOKENS, int(self._model.config.max_target_positions) - 8)

    def _is_doubtful(self, heard: Any, tokens: Any) -> bool:
        """Return whether the model itself takes the window for one without speech."""
        tokens = tokens[: self._model.config.max_target_positions]
        logits = self._model(encoder_outputs=heard, decoder_input_ids=tokens[None, :-1]).logits[0]
        told = logits.float().log_softmax(-1)
        if self._no_speech is not None and float(told[0, self._no_speech].exp()) > MAX_NO_SPEECH:
            return True
        written = tokens[1:]
        words = written < self._num_words
        chosen = told.gather(1, written[:, None])[:, 0][words]
        return not len(chosen) or float(chosen.mean()) < MIN_LOG_PROB

    def _sentences(self, tokens: Any, length_s: float) -> list[Said]:
        decoded = self._processor.tokenizer.decode(
            tokens.tolist(), skip_special_tokens=True, output_offsets=True
        )
        found = []
        for each in decoded["offsets"]:
            begin, end = each["timestamp"]
            begin, end = begin or 0.0, length_s if end is None else end
            text = " ".join(each["text"].split())
            # A short end is filled with silence up to 30 s, and words may be heard in that.
            if begin < length_s and any(character.isalnum() for character in text):
                found.append(Said(begin, max(begin, min(end, length_s)), text))
        return found

    def _token(self, *names: str) -> int | None:
        tokenizer = self._processor.tokenizer
        known = [tokenizer.convert_tokens_to_ids(name) for name in names]
        unknown = tokenizer.unk_token_id
        return next((number for number in known if number not in (None, unknown)), None)


def speech_files(name: str) -> ModelFiles:
    """Find a recogniser's files; raises as ``models.files.of_architecture`` does."""
    refusal = "does not recognise speech here"
    return model_files.of_architecture(name, ARCHITECTURE, refusal, "such as openai/whisper-base")


def identity(files: ModelFiles, weights_hash: str) -> str:
    """Return what decides the words: weights and small files, in hex."""
    settings = {
        path.name: path.read_text("utf-8") for path in sorted(files.directory.glob("*.json"))
    }
    return digest({"weights": weights_hash, **settings})


_LOADED: LRUCache[tuple[Any, ...], SpeechReader] = LRUCache(1)
_LOADING = threading.Lock()


def speech_reader(name: str, device: str = "auto") -> SpeechReader:
    """Return this process's reader of a directory or hub id; loaded by the first recording.

    Raises:
        ModelUnavailable, ModelUnsupported: as ``speech_files``; also where a file is damaged.
    """
    files = speech_files(name)
    with _LOADING:
        key = (device, stat_key_of(files.weights), small_files_key(files.directory))
        if key not in _LOADED:
            _LOADED[key] = _load(files, choose_device(device))
        return _LOADED[key]


def _load(files: ModelFiles, device: str) -> SpeechReader:
    import torch

    # Half precision is stored, but slow on a processor.
    dtype = torch.float32 if device == "cpu" else torch.float16
    try:
        with quiet_transformers() as transformers:
            model = transformers.WhisperForConditionalGeneration.from_pretrained(
                files.directory, dtype=dtype
            )
            processor = transformers.WhisperProcessor.from_pretrained(files.directory)
    except Exception as error:  # safetensors and pickle raise types of their own
        raise ModelUnavailable(f"{files.name} cannot be loaded: {error}") from error
    return SpeechReader(model.eval().to(device), processor, device)


def _settled(said: list[Said]) -> tuple[list[Said], float]:
    """Return the sentences that the end of a full window has not cut, and where to go on."""
    whole = said[:-1] if len(said) > 1 else said
    if not whole or len(said) == 1:
        return said, WINDOW_S
    end_s = whole[-1].end_s
    return (whole, end_s) if end_s >= MIN_ADVANCE_S else (said, WINDOW_S)


def _moved(said: Iterable[Said], by_s: float) -> Iterator[Said]:
    return (Said(each.start_s + by_s, each.end_s + by_s, each.text) for each in said)


def _is_audible(samples: Samples) -> bool:
    import numpy as np

    return len(samples) > 0 and float(np.sqrt(np.mean(np.square(samples)))) >= MIN_LOUDNESS
