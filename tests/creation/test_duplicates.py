"""Find duplicates among real pictures that were really indexed; the vectors are of a tiny model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossmodal.cli.create import duplicates as command
from crossmodal.creation.duplicates import duplicates
from crossmodal.creation.groups import Item, grouped
from crossmodal.creation.likeness import hash_new_pictures
from crossmodal.creation.near_hashes import near_pairs
from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, runs, shard_writer
from crossmodal.pictures.perceptual_hash import hash_of
from tests.ledger import build


def photo(seed: int, side: int = 256) -> Image.Image:
    """Return a smooth picture with shapes of its own."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
    return small.resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a collection of five pictures: one copied, one made smaller, one of like meaning."""
    folder = tmp_path_factory.mktemp("album")
    for seed in range(4):
        photo(seed).save(folder / f"{seed}.png")
    (folder / "0 copy.png").write_bytes((folder / "0.png").read_bytes())
    photo(1).resize((100, 100)).save(folder / "1 small.jpg", quality=70)
    directions = {"0": 0, "0 copy": 0, "1": 1, "1 small": 2, "2": 3, "3": 3}
    planned, rows = [], []
    for file in sorted(folder.iterdir()):
        with Image.open(file) as opened:
            side = opened.width
        row = build.planned(str(file), file.read_bytes().hex(), size_bytes=file.stat().st_size)
        vector = build.unit(*np.eye(4)[directions[file.stem]] + 0.01 * (file.stem == "3"))
        planned.append(row)
        rows.append(build.vector_row(row, vector, meta=f'{{"width": {side}, "height": {side}}}'))
    path = folder.parent / "album.duckdb"
    with Collection(path).write() as con:
        version = model_versions.register(con, build.version())
        model_versions.register_lineup(con, build.Lineup.of(version))
        started = {"flow": "index", "params": {}, "code_version": "0"}
        runs.start_run(con, runs.RunStart(run_id="run", model_version_id=version.id, **started))
        unique = {row["content_hash"]: row for row in rows}
        plan = build.plan(*planned)
        shard_writer.commit_shard(con, build.shard(version, plan, unique.values()))
    return path


def names(found: Sequence[str]) -> list[str]:
    return [Path(uri).stem for uri in found]


def test_each_way_finds_what_the_stricter_one_left(album: Path) -> None:
    found = duplicates(str(album))
    groups = [(g.how, Path(g.keeper).stem, names([o.uri for o in g.others])) for g in found.groups]
    assert groups == [
        ("content", "0", ["0 copy"]),
        ("looks", "1", ["1 small"]),
        ("meaning", "2", ["3"]),
    ]
    assert found.num_looked_at == 6
    assert found.spare_bytes == sum(o.size_bytes for g in found.groups for o in g.others)


def test_sheet_is_written_where_there_are_groups(
    album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for where, is_written in (("path=*", True), ("path=*/nobody/*", False)):
        sheet = tmp_path / f"{is_written}.png"
        command(str(album), where=[where], contact_sheet=sheet)
        assert sheet.exists() == is_written
        assert ("was not written" in capsys.readouterr().err) != is_written


def test_empty_files_are_nobodys_duplicates(tmp_path: Path) -> None:
    path = tmp_path / "package.duckdb"
    empty = [build.planned(f"/p/{n}/__init__.py", "", size_bytes=0) for n in range(3)]
    with Collection(path).write() as con:
        version = model_versions.register(con, build.version())
        started = {"flow": "index", "params": {}, "code_version": "0"}
        runs.start_run(con, runs.RunStart(run_id="run", model_version_id=version.id, **started))
        shard_writer.commit_shard(con, build.shard(version, build.plan(*empty), []))
        assert build.count(con, "source") == 3
    found = duplicates(str(path), ["content"])
    assert (found.groups, found.num_looked_at) == ([], 0)


def test_a_picture_is_decoded_once_only(album: Path) -> None:
    duplicates(str(album), ["looks"])
    assert hash_new_pictures(Collection(album)) == 0


def test_only_the_ways_that_are_asked_for_count(album: Path) -> None:
    assert [g.how for g in duplicates(str(album), ["looks"]).groups] == ["looks"]
    assert duplicates(str(album), where=["path=*/2.png"]).groups == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ways": ["smell"]}, "content, looks, meaning"),
        ({"max_bits": 20}, "0 to 7 of 64"),
        ({"min_cosine": 0.1}, "0.5 to 1"),
    ],
)
def test_wrong_bounds_are_refused(album: Path, changes: dict, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        duplicates(str(album), **changes)


def test_a_group_is_no_chain() -> None:
    items = [Item(f"/{n}", str(n), 1, n) for n in range(3)]
    groups, left = grouped("meaning", items, [(0, 1, 0.98), (1, 2, 0.98)])
    assert [(g.keeper, [o.uri for o in g.others]) for g in groups] == [("/0", ["/1"])]
    assert [item.uri for item in left] == ["/0", "/2"]


def test_the_hash_outlives_scaling_compression_and_brightness() -> None:
    for seed in range(8):
        first = hash_of(photo(seed))
        for changed in (
            photo(seed).resize((90, 90)),
            photo(seed).point(lambda value: value * 0.8),
            photo(seed).convert("L"),
        ):
            other = hash_of(changed)
            assert first is not None
            assert other is not None
            assert (first ^ other).bit_count() <= 6
    assert hash_of(Image.new("RGB", (9, 9), "red")) is None


def test_near_pairs_are_those_that_comparing_all_finds() -> None:
    rng = np.random.default_rng(7)
    hashes = rng.integers(0, 2**63, 400, np.uint64)
    flips = np.array([sum(1 << int(b) for b in rng.choice(64, 5)) for _ in range(100)], np.uint64)
    hashes[300:] = hashes[:100] ^ flips
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    wanted = {(i, j) for i, j in np.argwhere(bits <= 6).tolist() if i < j}
    assert len(wanted) >= 100
    assert set(near_pairs(hashes, 6)) == wanted
