"""Find the pictures that a student learns from, and the teacher's vectors of them.

Owns which pictures: those of the collection, or of a folder. A vector of the teacher that lies in
the collection is taken as it is; the others are computed once, and kept beside the collection for
the students after this one. All that is wrong with them is said before anything is learned.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np

from crossmodal.encoders.cache import load_version
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import ModelMismatch, PairsError, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write.model_versions import find, table_of
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from crossmodal.previews.preview import Subject
from crossmodal.records import ModelVersion, VectorList
from crossmodal.training.distil.spec import Captions, DistilSpec, Shown
from crossmodal.training.pairs import read_pairs
from crossmodal.training.pixels import PixelStore
from crossmodal.training.prepare import text_keys
from crossmodal.training.split import look_alike_groups, picture_hashes, split
from crossmodal.vectors.affine import Floats

FEWEST_PICTURES = 32
_AT_ONCE = 16
_KEPT_EVERY = 64

_STORED = """
SELECT min(s.uri) AS uri, any_value(v.v) AS v
FROM source s JOIN chunk c USING (content_hash) JOIN {table} v ON v.chunk_id = c.chunk_id
WHERE c.kind = 'image' GROUP BY c.chunk_id ORDER BY uri
"""
_EVERY = """
SELECT s.uri, v.v FROM source s JOIN chunk c USING (content_hash)
JOIN {table} v ON v.chunk_id = c.chunk_id WHERE c.kind = 'image' ORDER BY s.uri
"""
_REFUSED = "SELECT uri FROM quarantine"

Vectors = dict[str, Floats]


def show(
    collection: Collection, spec: DistilSpec, tick: Callable[[int, int], None] = lambda *_: None
) -> Shown:
    """Return the pictures, their vectors and who of them decides; ``tick``: how many are computed.

    Raises:
        PairsError: there are too few pictures, or they look too much alike to hold any out.
        PathError: there is no such folder.
        ModelMismatch, ModelUnavailable, ModelUnsupported: the teacher is no image-text model.
    """
    teacher, stored, refused = _teacher_and_stored(collection, spec)
    problems: Counter[str] = Counter()
    wanted = pictures_in(spec.images) if spec.images else sorted(stored)
    missing = [uri for uri in wanted if uri not in stored]
    broken = [uri for uri in missing if uri in refused]
    problems["broken, see `crossmodal quarantine`"] = len(broken)
    computed = _computed(collection, teacher, [u for u in missing if u not in refused], spec, tick)
    problems["that cannot be read"] = len(missing) - len(broken) - len(computed)
    pictures, vectors, hashes = _readable(wanted, stored | computed, problems)
    _refuse_few(pictures, spec, problems)
    sides = split(look_alike_groups(hashes), spec.dev_share, spec.schedule.seed)
    trained = {pictures[place].uri for place in sides.train}
    return Shown(
        teacher=teacher,
        pictures=pictures,
        vectors=vectors,
        train=sides.train,
        dev=sides.dev,
        hashes=[hashes[place] for place in sides.train],
        data_digest=_digest(pictures, vectors),
        problems={what: num for what, num in problems.items() if num},
        counts={
            "pictures": len(pictures),
            "train": len(sides.train),
            "dev": len(sides.dev),
            "computed": len(computed),
        },
        captions=_captions(collection, teacher, spec, trained) if spec.captions else None,
    )


def _teacher_and_stored(
    collection: Collection, spec: DistilSpec
) -> tuple[ModelVersion, Vectors, set[str]]:
    """Return the teacher, its vectors by uri and what was refused, as the collection knows them."""
    if not collection.exists:
        if not spec.images:
            raise PairsError(
                f"there is no collection at {collection.path}, and no folder of pictures was "
                "named: name one with --images, or index pictures with `crossmodal index` first"
            )
        return _refused_blind(_described(spec)), {}, set()
    with collection.read() as con:
        refused = {uri for (uri,) in con.execute(_REFUSED).fetchall()}
        known = find(con, spec.teacher)
        if not known:
            return _refused_blind(_described(spec)), {}, refused
        teacher = _refused_blind(known[-1])
        # A picture in two places is learned from once; of a folder, its own name counts.
        sql = _EVERY if spec.images else _STORED
        return teacher, _vectors(con, teacher, sql), refused


def _vectors(con: duckdb.DuckDBPyConnection, teacher: ModelVersion, sql: str) -> Vectors:
    table = con.sql(sql.format(table=table_of(VectorList(teacher, "image")))).to_arrow_table()
    flat = table["v"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    matrix = np.asarray(flat, np.float32).reshape(-1, teacher.dim)
    return dict(zip(table["uri"].to_pylist(), matrix, strict=True))


def _described(spec: DistilSpec) -> ModelVersion:
    files = model_files.resolve(ModelSpec(spec.teacher))
    dtype = model_files.choose_dtype("auto", spec.device)
    return model_files.describe(files, dtype, model_files.weights_hash(files))


def _refused_blind(teacher: ModelVersion) -> ModelVersion:
    if teacher.derived:
        raise ModelMismatch(
            f"{teacher.label} is a space and has no towers to learn from: name the model that it "
            f"begins with, {teacher.root.name}"
        )
    if not {"image", "text"} <= set(teacher.encoders):
        raise ModelMismatch(
            f"{teacher.label} cannot be distilled: it is no image-text model, such as a CLIP or a "
            "SigLIP"
        )
    return teacher


def pictures_in(given: str) -> list[str]:
    """Return the pictures in a folder and those below it, in order of name.

    Raises:
        PathError: there is no such folder.
    """
    folder = Path(given).expanduser().absolute()
    if not folder.is_dir():
        raise PathError(f"there is no folder {folder}: --images takes a folder of pictures")
    return sorted(_pictures_under(os.path.abspath(folder)))


def _pictures_under(folder: str) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            kind = mimetypes.guess_type(name)[0] or ""
            if kind.startswith("image/") and not name.startswith("."):
                yield os.path.join(path, name)


def _computed(
    collection: Collection,
    teacher: ModelVersion,
    uris: list[str],
    spec: DistilSpec,
    tick: Callable[[int, int], None],
) -> Vectors:
    """Return the teacher's vectors of further pictures; what cannot be read is left out."""
    if not uris:
        return {}
    kept = _vectors_folder(collection) / f"{teacher.fingerprint[:16]}.npz"
    known = _kept_vectors(kept)
    names = {uri: _state_of(uri) for uri in uris}
    left = [uri for uri in uris if names[uri] not in known]
    encoder = load_version(teacher, spec.device) if left else None
    for start in range(0, len(left), _KEPT_EVERY):
        assert isinstance(encoder, TransformersEncoder)
        some = left[start : start + _KEPT_EVERY]
        known |= {names[uri]: vector for uri, vector in _encoded(encoder, some).items()}
        _keep_vectors(kept, known)
        tick(min(start + _KEPT_EVERY, len(left)), len(left))
    return {uri: known[names[uri]] for uri in uris if names[uri] in known}


def _vectors_folder(collection: Collection) -> Path:
    """Return where vectors of a teacher are kept that are in no collection."""
    return Path(f"{collection.path}.training") / "teachers"


def _encoded(encoder: TransformersEncoder, uris: list[str]) -> Vectors:
    store, found = PixelStore(encoder.preprocess), Vectors()
    for start in range(0, len(uris), _AT_ONCE):
        pixels = {}
        for uri in uris[start : start + _AT_ONCE]:
            try:
                pixels[uri] = store.of([_subject(uri)])[0]
            except PairsError:
                continue  # counted by its absence
        if pixels:
            encoded = encoder.encode_images(np.stack(list(pixels.values())))
            rows = [n for n in range(len(pixels)) if n not in encoded.failed]
            found |= {list(pixels)[row]: encoded.vectors[row] for row in rows}
    return found


def _state_of(uri: str) -> str:
    facts = os.stat(uri)
    return f"{uri}\0{facts.st_size}\0{facts.st_mtime_ns}"


def _kept_vectors(path: Path) -> Vectors:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(zip(stored["names"].tolist(), stored["vectors"], strict=True))
    except (OSError, ValueError, KeyError):  # none yet, or torn: computed anew
        return {}


def _keep_vectors(path: Path, known: Vectors) -> None:
    if not known:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{os.getpid()}.partial.npz")
    np.savez(partial, names=np.array(list(known)), vectors=np.stack(list(known.values())))
    partial.replace(path)


def _readable(
    wanted: list[str], vectors: Vectors, problems: Counter[str]
) -> tuple[tuple[Subject, ...], Floats, list[str]]:
    """Return the pictures that can be read now, with vector and hash."""
    pictures = [_subject(uri) for uri in wanted if uri in vectors]
    hashes = picture_hashes(pictures)
    problems["that can be read no more"] = hashes.count("")
    there = [(p, h) for p, h in zip(pictures, hashes, strict=True) if h]
    matrix = np.array([vectors[picture.uri] for picture, _ in there], np.float32)
    return tuple(p for p, _ in there), matrix, [h for _, h in there]


def _subject(uri: str) -> Subject:
    return Subject(kind="image", media_type="image/", uri=uri)


def _refuse_few(pictures: tuple[Subject, ...], spec: DistilSpec, problems: Counter[str]) -> None:
    if len(pictures) >= FEWEST_PICTURES:
        return
    told = "; ".join(f"{num:,} {what}" for what, num in problems.items() if num)
    where = spec.images or f"the collection, with vectors of {spec.teacher},"
    raise PairsError(
        f"{where} has {len(pictures):,} pictures that can be learned from"
        f"{f' ({told})' if told else ''}, and {FEWEST_PICTURES} are the fewest that teach anything "
        "(some thousand teach a student well): name a folder with more, --images FOLDER, or index "
        "them with that model first"
    )


def _captions(
    collection: Collection, teacher: ModelVersion, spec: DistilSpec, trained: set[str]
) -> Captions:
    """Return captioned pictures that are not trained on."""
    if teacher.id is None:
        raise PairsError(
            f"{collection.path} holds no vectors of {teacher.label}, by which captions are asked: "
            "index their pictures with it first, or leave --captions out"
        )
    with collection.read() as con:
        pairs = read_pairs(con, spec.captions, VectorList(teacher, "image"))
    kept = np.array([n for n, uri in enumerate(pairs.uris) if uri not in trained], np.int64)
    place = np.full(len(pairs.uris), -1, np.int64)
    place[kept] = np.arange(len(kept))
    texts = np.flatnonzero(place[pairs.picture_of] >= 0)
    if not len(texts):
        raise PairsError(
            f"every picture of {spec.captions} is learned from, so they compare nothing: give "
            "captions of other pictures"
        )
    words = [pairs.captions[text] for text in texts]
    return Captions(
        pictures=tuple(pairs.pictures[n] for n in kept),
        vectors=pairs.images[kept],
        words=tuple(words),
        picture_of=place[pairs.picture_of[texts]],
        text_keys=text_keys(words),
    )


def _digest(pictures: tuple[Subject, ...], vectors: Floats) -> str:
    total = hashlib.sha256("\n".join(p.uri for p in pictures).encode("utf-8", "surrogatepass"))
    total.update(np.ascontiguousarray(vectors).tobytes())
    return total.hexdigest()
