"""Keep what searches need beside the vectors: derived spaces, codes of large lists, scores, words.

Each part costs a look where nothing is due, and loads no model then; only token vectors take one.
"""

from __future__ import annotations

from crossmodal.errors import CrossmodalError, ModelError
from crossmodal.ledger.words.postings import count_words, name_languages
from crossmodal.ledger.write import model_versions
from crossmodal.records import Lineup, VectorList
from crossmodal.runs.run import Run
from crossmodal.search.tokens.due import FillSpec, put_off, unfilled
from crossmodal.search.word_index import keep_word_index
from crossmodal.spaces.fill import fill_spaces
from crossmodal.vectors.audit import keep_codes
from crossmodal.vectors.calibration.update import calibrate


def fill_derived_spaces(run: Run) -> None:
    """Compute what derived spaces lack from the vectors that are there."""
    with run.recorder.span("fill spaces") as span:
        span.num_items = fill_spaces(run.collection, run.id) if run.collection.exists else 0


def fill_tokens(run: Run, device: str) -> None:
    """Make the token vectors that kept rerankers lack, and forget those of what is gone.

    What keeps one from it is noted: a search makes what it needs, so that no run fails by it.
    """
    from crossmodal.search.tokens import fill

    with run.recorder.span("fill tokens") as span:
        for spec in unfilled(run.collection):
            try:
                done = fill.fill_tokens(run.collection, spec, device, run.progress)
            except CrossmodalError as error:
                run.notes.append(
                    f"token vectors are not filled: {error}{_put_off(run, spec, error)}"
                )
                continue
            span.num_items += done.num_made
        try:
            fill.sweep(run.collection)
        except CrossmodalError as error:
            run.notes.append(f"token vectors of what is gone are still there: {error}")


def _put_off(run: Run, spec: FillSpec, error: CrossmodalError) -> str:
    """Return what is said of the next try, which a model that is gone does not mend by itself."""
    if not isinstance(error, ModelError):
        return ""
    try:
        put_off(run.collection, spec)
    except CrossmodalError:
        return ""
    return (
        ". Runs leave it at that until the collection changes; once the model is there, "
        "`crossmodal reranker fill` makes them, and `reranker drop` keeps it no longer"
    )


def update_codes(run: Run, lineup: Lineup) -> None:
    """Bring the codes by which large lists are searched up to date, and measure what they find."""
    with run.recorder.span("update codes") as span:
        known = run.lineup or lineup
        if known.id is not None:
            lists = [*known.all_lists, *_derived_lists(run)]
            span.num_items = sum(keep_codes(run.collection, found) for found in lists)


def calibrate_scores(run: Run, lineup: Lineup) -> None:
    """Make the scores of the lists comparable, and count what words a collection lacks.

    A shard's words are counted with it; here those of a collection that had none yet.
    """
    with run.recorder.span("calibrate") as span:
        known = run.lineup or lineup
        if known.id is not None:
            done = [calibrate(run.collection, found) for found in known.all_lists]
            span.num_items = sum(found.num_hubs for found in done)
        count_words(run.collection)
        name_languages(run.collection)
        keep_word_index(run.collection)


def _derived_lists(run: Run) -> list[VectorList]:
    """Return the lists of the derived spaces that searches use; nothing is embedded into them."""
    with run.collection.read() as con:
        live = model_versions.live(con)
    return [held for held in (live.all_lists if live else ()) if held.version.derived]
