"""The built-in model is expanded once, whole, wherever there is room."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossmodal.errors import ModelUnavailable
from crossmodal.files.cache_folder import cache_root
from crossmodal.models import starter
from crossmodal.models.starter import cache, shipped, unpack

TWO_DIRECTORIES = (
    "import sys\n"
    "from crossmodal.models import starter\n"
    "print(starter.image_text_directory(), starter.sentence_directory())\n"
    "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
)


def started(root):
    return subprocess.Popen(
        [sys.executable, "-c", TWO_DIRECTORIES],
        env=os.environ | {"CROSSMODAL_CACHE": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    """A cache into which two processes expanded the model at once, and what they said."""
    root = tmp_path_factory.mktemp("cache")
    processes = [started(root) for _ in range(2)]
    return root, [(*process.communicate(timeout=300), process.returncode) for process in processes]


@pytest.fixture
def expanded(race, monkeypatch):
    """The folder of both models, whole, in this process's cache."""
    monkeypatch.setenv("CROSSMODAL_CACHE", str(race[0]))
    return starter.image_text_directory().parent


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Shipped files that expand at once, and an empty cache: for what goes wrong."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "weights").write_bytes(b"w" * 1000)
    (data / shipped.CHECKSUMS).write_text(shipped.list_of(data))
    monkeypatch.setattr(shipped, "DATA", data)
    monkeypatch.setattr(unpack, "write_models", written)
    monkeypatch.setattr(cache, "_temporary", {})
    monkeypatch.setenv("CROSSMODAL_CACHE", str(tmp_path / "cache"))
    return data


def written(source, into):
    for name in (unpack.IMAGE_TEXT, unpack.SENTENCE):
        (into / name).mkdir()
        (into / name / "model.safetensors").write_bytes((source / "weights").read_bytes())


def test_two_processes_at_once_expand_once_and_load_no_torch(race):
    root, answers = race
    assert [code for _, _, code in answers] == [0, 0], answers
    assert len({out for out, _, _ in answers}) == 1
    assert sum(said.count("expanding the built-in model") for _, said, _ in answers) == 1
    assert cache.is_whole(next(iter(root.glob("starter/*/"))))


def test_nothing_is_left_beside_the_expanded_folder(expanded):
    assert sorted(path.name for path in expanded.parent.iterdir()) == [expanded.name, "lock"]
    assert expanded.name == starter.digest()[:16]


def test_the_second_call_writes_nothing_and_says_nothing(expanded, capsys):
    before = {path: path.stat().st_mtime_ns for path in expanded.rglob("*")}
    assert starter.image_text_directory() == expanded / "image-text"
    assert starter.sentence_directory() == expanded / "sentence"
    assert {path: path.stat().st_mtime_ns for path in expanded.rglob("*")} == before
    assert capsys.readouterr().err == ""


def test_the_digest_is_that_of_the_files_and_does_not_move():
    assert (shipped.DATA / shipped.CHECKSUMS).read_text() == shipped.list_of(shipped.DATA)
    assert starter.digest() == shipped.sha256_of(shipped.DATA / shipped.CHECKSUMS)
    assert len(starter.digest()) == 64


def test_a_truncated_file_is_found_and_made_anew(small, capsys):
    weights = starter.sentence_directory() / "model.safetensors"
    os.truncate(weights, 10)
    assert starter.sentence_directory() / "model.safetensors" == weights
    assert weights.read_bytes() == b"w" * 1000
    assert capsys.readouterr().err.count("expanding") == 2


def test_a_file_changed_in_place_is_found_and_made_anew(small):
    weights = starter.sentence_directory() / "model.safetensors"
    weights.write_bytes(b"x" * 1000)
    os.utime(weights, (1, 1))
    starter.sentence_directory()
    assert weights.read_bytes() == b"w" * 1000


def test_a_copied_cache_is_taken_as_it_is(small, capsys):
    weights = starter.sentence_directory() / "model.safetensors"
    os.utime(weights, (1, 1))
    starter.sentence_directory()
    assert weights.stat().st_mtime == 1
    assert capsys.readouterr().err.count("expanding") == 1


@pytest.mark.parametrize("record", ["", "{}", "[]", "null", '{"a": 1}', '{"../x": [1, 2, "3"]}'])
def test_a_damaged_record_is_made_anew(small, record):
    folder = starter.sentence_directory().parent
    (folder / cache.RECORD).write_text(record)
    starter.sentence_directory()
    assert len(json.loads((folder / cache.RECORD).read_text())) == 2


def test_what_a_killed_process_left_is_removed(small, tmp_path):
    left = tmp_path / "cache/starter/.partial-killed"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    assert cache.is_whole(starter.sentence_directory().parent)
    assert not left.exists()


def test_a_cache_that_cannot_be_written_falls_to_one_temporary_folder(small, tmp_path, capsys):
    (tmp_path / "cache").write_text("no folder can be made below a file")
    folder = starter.image_text_directory()
    assert tmp_path not in folder.parents
    assert starter.sentence_directory().parent == folder.parent
    assert capsys.readouterr().err.count("expanding") == 1


def test_the_temporary_folder_goes_with_its_process(race, tmp_path):
    (tmp_path / "file").write_text("")
    out, said = started(tmp_path / "file").communicate(timeout=300)
    folder = Path(out.split()[0])
    assert folder.name == "image-text", said
    assert not folder.parent.exists()


def test_a_read_only_cache_that_is_whole_is_used(small, tmp_path, monkeypatch):
    folder = starter.sentence_directory()
    monkeypatch.setattr(cache, "_expanded_to", refused)
    assert starter.sentence_directory() == folder


def refused(*_):
    raise PermissionError(errno.EACCES, "read-only")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_what_is_needed_and_leaves_nothing(small, tmp_path, monkeypatch, code):
    def full(source, into):
        written(source, into)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(unpack, "write_models", full)
    with pytest.raises(ModelUnavailable, match="270 MB: make room, or name a folder"):
        starter.sentence_directory()
    assert [path.name for path in (tmp_path / "cache/starter").iterdir()] == ["lock"]


def test_a_damaged_installation_says_to_install_again(small):
    (small / "weights").write_bytes(b"v" * 1000)
    with pytest.raises(ModelUnavailable, match=r"weights.*checksum is wrong.*Install crossmodal"):
        starter.sentence_directory()
    (small / "weights").unlink()
    with pytest.raises(ModelUnavailable, match="not whole"):
        starter.sentence_directory()


def test_an_installation_without_the_files_says_so(small):
    (small / shipped.CHECKSUMS).unlink()
    shipped.digest.cache_clear()
    with pytest.raises(ModelUnavailable, match="not whole"):
        starter.digest(small)


def test_the_cache_lies_where_the_variables_say(monkeypatch, tmp_path):
    monkeypatch.delenv("CROSSMODAL_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_root() == tmp_path / ".cache/crossmodal"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg/crossmodal"
    monkeypatch.setenv("CROSSMODAL_CACHE", "~/mine")
    assert cache_root() == tmp_path / "mine"
