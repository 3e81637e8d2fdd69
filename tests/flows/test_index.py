"""The index flow against a real server, a real collection and a random CLIP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import CoverageTooLow, DeletionWithheld, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.runs.undo_run import undo_run
from flows.index import index
from tests.drawn import draw_picture, draw_pictures
from tests.ledger.undo_world import digest

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return tmp_path / "collection.duckdb"


def run_index(collection: Path, *paths: Path, **changes: Any) -> dict[str, Any]:
    return index(collection=str(collection), paths=list(map(str, paths)), **changes)


def scalar(collection: Path, sql: str) -> Any:
    with Collection(collection).read() as con:
        return con.execute(sql).fetchall()[0][0]


def test_first_run_embeds_every_picture(collection: Path, pictures: Path, tiny_clip: Path) -> None:
    report = run_index(collection, pictures, model=str(tiny_clip))
    assert report["counts"] == {"added": 12}
    assert report["num_embedded"] == 12
    assert scalar(collection, "SELECT count(*) FROM vector_1_image") == 12


def test_second_run_uses_the_live_model_and_embeds_nothing(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    report = run_index(collection, pictures)
    assert report["counts"] == {"unchanged": 12}
    assert report["num_embedded"] == 0


def test_renamed_file_is_not_embedded_again(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    old = sorted(pictures.iterdir())[0]
    new = old.rename(old.with_name("renamed" + old.suffix))
    report = run_index(collection, pictures)
    assert report["counts"] == {"renamed": 1, "unchanged": 11}
    assert report["num_embedded"] == 0
    assert scalar(collection, f"SELECT count(*) FROM source WHERE uri = '{new}'") == 1
    assert scalar(collection, f"SELECT count(*) FROM source WHERE uri = '{old}'") == 0


def test_copied_file_is_not_embedded_again(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    original = sorted(pictures.iterdir())[0]
    (pictures / "copy.png").write_bytes(original.read_bytes())
    report = run_index(collection, pictures)
    assert report["counts"] == {"duplicate": 1, "unchanged": 12}
    assert report["num_embedded"] == 0
    assert scalar(collection, "SELECT count(*) FROM source") == 13


def test_deleted_file_loses_its_vector(collection: Path, pictures: Path, tiny_clip: Path) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    sorted(pictures.iterdir())[0].unlink()
    assert run_index(collection, pictures)["counts"] == {"deleted": 1, "unchanged": 11}
    assert scalar(collection, "SELECT count(*) FROM vector_1_image") == 11
    assert scalar(collection, "SELECT count(*) FROM chunk") == 11


def test_missing_root_deletes_nothing_until_told_to(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    pictures.rename(pictures.with_name("unmounted"))
    with pytest.raises(DeletionWithheld, match="--allow-delete"):
        run_index(collection, pictures)
    assert scalar(collection, "SELECT count(*) FROM vector_1_image") == 12
    run_index(collection, pictures, allow_delete=True)
    assert scalar(collection, "SELECT count(*) FROM vector_1_image") == 0


def test_unknown_path_is_an_error(collection: Path, tmp_path: Path, tiny_clip: Path) -> None:
    with pytest.raises(PathError, match="nowhere"):
        run_index(collection, tmp_path / "nowhere", model=str(tiny_clip))


def test_dry_run_prints_the_plan_and_writes_nothing(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    plan = run_index(collection, pictures, model=str(tiny_clip), dry_run=True)
    assert plan["counts"] == {"added": 12}
    assert plan["num_to_embed"] == 12
    assert plan["bytes_to_embed"] == sum(p.stat().st_size for p in pictures.iterdir())
    assert not collection.exists()
    assert not Path(f"{collection}.runs").exists()


def test_broken_file_is_quarantined_once_and_retried_only_on_request(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    whole = sorted(pictures.glob("*.jpg"))[0].read_bytes()
    broken = pictures / "broken.jpg"
    broken.write_bytes(whole[: len(whole) // 2])
    options = {"model": str(tiny_clip), "min_coverage": 0.0}
    first = run_index(collection, pictures, **options)
    assert first["quarantined"] == {"truncated": 1}
    again = run_index(collection, pictures, **options)
    assert again["counts"] == {"unchanged": 13}
    retried = run_index(collection, pictures, retry_failed=True, **options)
    assert retried["counts"] == {"retry": 1, "unchanged": 12}
    assert scalar(collection, "SELECT attempts FROM quarantine") == 2
    broken.write_bytes(whole)
    mended = run_index(collection, pictures, **options)
    assert mended["num_embedded"] == 0, "the whole bytes are a copy of a known picture"
    assert scalar(collection, "SELECT count(*) FROM quarantine") == 0


def test_run_below_the_coverage_gate_fails_but_keeps_its_vectors(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    for number in range(8):
        (pictures / f"broken{number}.jpg").write_bytes(b"\xff\xd8\xff not a photo %d" % number)
    (pictures / "empty.jpg").touch()
    (pictures / "drawing.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n")
    (pictures / ".hidden.png").touch()
    with pytest.raises(CoverageTooLow, match=r"12 of 20"):
        run_index(collection, pictures, model=str(tiny_clip))
    assert scalar(collection, "SELECT count(*) FROM vector_1_image") == 12
    assert scalar(collection, "SELECT state FROM run") == "failed"
    after = run_index(collection, pictures)
    assert after["quarantined"] == {}
    assert after["unfindable"]["by_reason"] == {"decoder_error": 8, "empty": 1}
    assert "cannot be found: 9 of 22 files (decoder_error 8, empty 1)" in after["text"]
    assert "left out: 1 hidden" in after["text"]


def test_second_model_is_built_beside_the_live_one(
    collection: Path, pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    from tests.tiny_model import build_tiny_clip

    run_index(collection, pictures, model=str(tiny_clip))
    other = tmp_path / "other-clip"
    build_tiny_clip(other, seed=8)
    report = run_index(collection, pictures, model=str(other))
    assert report["num_embedded"] == 12
    assert scalar(collection, "SELECT count(*) FROM vector_2_image") == 12
    assert run_index(collection, pictures)["num_embedded"] == 0
    live = "SELECT value FROM collection_setting WHERE key = 'live_model_version'"
    assert scalar(collection, live) == '{"image": 1, "text": 1}'


def test_every_stage_is_timed_in_the_ledger(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    with Collection(collection).read() as con:
        spans = con.execute("SELECT DISTINCT stage, operator FROM span").fetchall()
    stages = {stage for stage, operator in spans if not operator}
    operators = {operator for _, operator in spans if operator}
    assert {"discover", "plan", "embed", "store", "verify"} <= stages
    assert {"read", "decode", "forward"} <= operators


def test_interrupted_run_leaves_no_working_folder(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    assert not Path(f"{collection}.runs").exists()


def test_more_pictures_than_one_shard_are_committed_shard_by_shard(
    collection: Path, tmp_path: Path, tiny_clip: Path
) -> None:
    folder = tmp_path / "many"
    draw_pictures(folder, 30)
    run_index(collection, folder, model=str(tiny_clip), shard_size=4)
    assert scalar(collection, "SELECT count(*) FROM span WHERE stage='embed' AND operator=''") == 8


def test_undone_run_leaves_the_collection_as_before_and_what_is_found(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    with Collection(collection).read() as con:
        before = digest(con)
    first, second = sorted(pictures.iterdir())[:2]
    first.unlink()
    second.write_bytes(b"no picture any more")
    for number in (201, 202, 203):
        draw_picture(number).save(pictures / f"more_{number}.png")
    report = run_index(collection, pictures, min_coverage=0.0)
    undone = undo_run(Collection(collection), report["run_id"])
    assert (undone.num_vectors_gone, undone.num_vectors_back) == (3, 2)
    with Collection(collection).read() as con:
        assert digest(con) == before
    undo_run(Collection(collection), undone.run_id)
    assert run_index(collection, pictures, min_coverage=0.0)["num_embedded"] == 0


def test_what_is_kept_for_undo_is_chosen_in_the_form(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip), keep_undo="0")
    assert scalar(collection, "SELECT count(*) FROM undo_run") == 0
