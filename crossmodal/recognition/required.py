"""Look early whether what the rules ask to be recognised can be, and by what.

Owns the step from the name of a recogniser to what identifies its words, which a plan compares.
"""

from __future__ import annotations

from dataclasses import replace

from crossmodal.chunking.rules import ChunkRules
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models import files as model_files
from crossmodal.recognition.ocr import require_engine
from crossmodal.recognition.speech import identity, speech_files


def require_recognisers(rules: ChunkRules) -> None:
    """Say early that what is asked for cannot be recognised here; reads no weights.

    Raises:
        ExtraMissing: text in pictures cannot be read here.
        ModelUnavailable, ModelUnsupported: what is named recognises no speech.
    """
    if rules.ocr:
        require_engine()
    if rules.speech_model:
        speech_files(rules.speech_model)


def with_recognisers(collection: Collection, rules: ChunkRules, *, keep: bool) -> ChunkRules:
    """Return the rules with what identifies the recogniser of speech; loads no weights.

    ``keep``: whether the collection may remember the hash of the weights, so that the next run
    need not read them. Raises as ``require_recognisers`` does.
    """
    require_recognisers(rules)
    if not rules.speech_model:
        return rules
    files = speech_files(rules.speech_model)
    key = model_files.stat_key(files)
    weights = _known_hash(collection, key)
    if not weights:
        weights = model_files.weights_hash(files)
        if keep and collection.exists:
            with collection.write() as con:
                model_versions.remember_weights_hash(con, key, weights)
    return replace(rules, speech_identity=identity(files, weights))


def _known_hash(collection: Collection, key: str) -> str | None:
    if not collection.exists:
        return None
    with collection.read() as con:
        return model_versions.cached_weights_hash(con, key)
