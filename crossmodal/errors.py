"""Hold every exception that crossmodal raises on purpose, and say which failures are worth a retry.

A bad file is not an exception: it is a ``Rejected`` row (see ``records``). These are for the
caller's mistakes and for lost resources. Each message says what happened, the value, what is
allowed and what to do next.

    CrossmodalError
    ├── PathError              a path or URL given to a command cannot be used
    ├── FilterError            a --where condition cannot be understood
    ├── ParametersError        a parameter of a flow cannot be used
    ├── CollectionError        the DuckDB file
    │   ├── CollectionMissing      there is none at that path
    │   ├── CollectionEmpty        it holds no vector yet
    │   ├── NoSuchChunk            it holds no such chunk, or no vector of it
    │   ├── UndoRefused            a run cannot be undone, or not yet
    │   ├── SqlError               a query in SQL cannot be answered, or would write
    │   ├── PublicationBusy        another run publishes to the same store
    │   ├── CollectionBusy         its lock was not free in time (transient)
    │   ├── CollectionUnreadable   not DuckDB, damaged, or no permission
    │   └── CollectionTooNew       written by a later crossmodal
    ├── ModelError             the encoder
    │   ├── ModelUnavailable       neither a directory, nor cached, nor reachable
    │   ├── ModelUnsupported       loads, but is no image-text model of a known shape
    │   ├── RerankFailed           a reranker gave no scores for some pairs
    │   └── ModelMismatch          its space is not the one that was asked for
    │       └── BlindModels            a picture asks, and no model sees pictures


    ├── EvaluationError        an evaluation cannot be made, or not be compared
    │   ├── SetUnreadable          the set is damaged, empty or of no known kind
    │   ├── SetOverlaps            the model was trained on what it would be judged by
    │   └── NotComparable          two evaluations differ in queries or gallery
    ├── TrainingError          nothing can be learned, or was
    │   ├── PairsError             the pairs are damaged, too few, or tell nothing apart
    │   ├── TrainingFailed         the loss is no number, or nothing got better
    │   └── ConsentNeeded          it would take long, and nobody has said yes
    ├── StoreError             a store that is published to cannot be used
    │   ├── StoreAway              it does not answer (transient)
    │   └── StoreTaken             it holds rows that are not this collection's
    ├── ExtraMissing           a library that this use needs is not installed
    ├── DeploymentError        the Prefect server does not take the deployments
    └── RunError               a run ended short of its promise
        ├── GateMissed             a model version is worse than allowed, or not shown to be as good
        ├── CoverageTooLow         too many planned sources were quarantined
        └── DeletionWithheld       a root is missing or suspiciously empty
"""

from __future__ import annotations

import errno
from typing import Any


class CrossmodalError(Exception):
    """Base of every error that a user can act on."""


class PathError(CrossmodalError):
    """A path or URL given to a command cannot be used."""


class FilterError(CrossmodalError):
    """A --where condition cannot be understood."""


class ParametersError(CrossmodalError):
    """A parameter of a flow cannot be used."""


class CollectionError(CrossmodalError):
    """The DuckDB file cannot serve the request."""


class CollectionMissing(CollectionError):
    """There is no collection at the given path."""


class CollectionEmpty(CollectionError):
    """The collection holds no vector to answer with."""


class NoSuchChunk(CollectionError):
    """The collection holds no chunk of that number, or no vector of it."""


class UndoRefused(CollectionError):
    """A run cannot be undone: it is at work, not kept, or a later one touched the same."""


class SqlError(CollectionError):
    """A query in SQL cannot be answered, or would write."""


class PublicationBusy(CollectionError):
    """Another run publishes to the same store."""


class CollectionBusy(CollectionError):
    """The collection's lock was not free in time."""


class CollectionUnreadable(CollectionError):
    """The file is not DuckDB, is damaged, or may not be opened."""


class CollectionTooNew(CollectionError):
    """The collection was written by a later version of crossmodal."""


class ModelError(CrossmodalError):
    """The encoder cannot serve the request."""


class ModelUnavailable(ModelError):
    """The model is neither a directory, nor cached, nor reachable."""


class ModelUnsupported(ModelError):
    """The model loads, but is no image-text model of a known shape."""


class RerankFailed(ModelError):
    """A reranker gave no scores for some pairs."""


class ModelMismatch(ModelError):
    """The model's space is not the one that was asked for."""


class BlindModels(ModelMismatch):
    """A picture asks, and none of the models sees pictures."""


class EvaluationError(CrossmodalError):
    """An evaluation cannot be made, or not be compared."""


class SetUnreadable(EvaluationError):
    """The evaluation set is damaged, empty or of no known kind."""


class SetOverlaps(EvaluationError):
    """The model version was trained on what it would be judged by."""


class NotComparable(EvaluationError):
    """Two evaluations differ in their queries or in their gallery."""


class TrainingError(CrossmodalError):
    """Nothing can be learned, or nothing was."""


class PairsError(TrainingError):
    """The pairs are damaged, too few, or tell nothing apart."""


class TrainingFailed(TrainingError):
    """The loss is no number any more, or nothing got better."""


class ConsentNeeded(TrainingError):
    """It would take long; nobody has said yes to that."""


class StoreError(CrossmodalError):
    """A store that is published to cannot be used."""


class StoreAway(StoreError):
    """The store does not answer, or broke off."""


class StoreTaken(StoreError):
    """The store holds rows of another collection, or of somebody else."""


class ExtraMissing(CrossmodalError):
    """A library that this use needs is not installed: it comes with an extra."""


class DeploymentError(CrossmodalError):
    """The Prefect server is not there, or does not take the deployments."""


class RunError(CrossmodalError):
    """A run ended short of its promise; what it did is committed, ``report`` says what."""

    def __init__(self, message: str, report: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.report = report


class GateMissed(RunError):
    """A model version is worse than a gate allows, or is not shown to be as good."""


class CoverageTooLow(RunError):
    """Too many planned sources were quarantined."""


class StageTimedOut(RunError):
    """A stage took longer than the run lets one take."""


class DeletionWithheld(RunError):
    """A root is missing or suspiciously empty, so nothing under it was deleted."""


class Refused(Exception):
    """Say why a source yields no pixels; becomes a ``Rejected`` row."""

    def __init__(self, reason: str, detail: str, *, transient: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.transient = transient


# A full disk, a missing file or a refused permission will be the same a second later.
_TRANSIENT_ERRNOS = {
    errno.EAGAIN,
    errno.EBUSY,
    errno.EINTR,
    errno.EIO,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ESTALE,
    errno.EMFILE,
    errno.ENFILE,
    errno.ETIMEDOUT,
}


def is_transient(error: BaseException) -> bool:
    """Say whether the same call may succeed a moment later (I/O, lock, network)."""
    if isinstance(error, CollectionBusy | StoreAway | ConnectionError | TimeoutError):
        return True
    return isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS
