"""Which collections are named, and which token goes to whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossmodal.errors import PathError
from crossmodal.search.federation.addresses import is_many, read_addresses
from crossmodal.search.federation.tokens import tokens_of
from tests.search.federation.conftest import Keep

HOME, OTHER = "http://127.0.0.1:8400", "https://photos.example:443"


@pytest.mark.parametrize(
    ("given", "many"),
    [
        (["a.duckdb"], False),
        (["a.duckdb", "b.duckdb"], True),
        (["http://host:1"], True),
        (["HTTPS://host"], True),
        (["@list.txt"], True),
    ],
)
def test_one_file_is_opened_as_ever(given: list[str], many: bool) -> None:
    assert is_many(given) is many


def test_names_come_once_and_addresses_in_one_form(tmp_path: Path) -> None:
    (tmp_path / "a.duckdb").touch()
    (tmp_path / "same.duckdb").symlink_to(tmp_path / "a.duckdb")
    given = [
        str(tmp_path / "a.duckdb"),
        str(tmp_path / "same.duckdb"),
        "http://127.0.0.1:8400/",
        "http://127.0.0.1:8400",
        "https://photos.example",
        "http://[::1]:8400",
    ]
    assert read_addresses(given) == [
        str(tmp_path / "same.duckdb"),
        HOME,
        OTHER,
        "http://[::1]:8400",
    ]


def test_list_names_files_beside_it_and_may_have_remarks(tmp_path: Path) -> None:
    file = tmp_path / "all.txt"
    file.write_text(f"# ours\n\nphotos.duckdb\n /else/where.duckdb \n{HOME}/\n")
    assert read_addresses([f"@{file}"]) == [
        str(tmp_path / "photos.duckdb"),
        "/else/where.duckdb",
        HOME,
    ]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://user:secret@host:1", "holds a password"),
        ("http://host:1/?token=secret", "holds a password"),
        ("http://host:1/api/v1", "without a path"),
        ("http://host:99999", "no address"),
        ("http://", "no address"),
        ("http://host\r\nX: y", "no address"),
        ("http://h\u00f6st:1", "no address"),
    ],
)
def test_address_that_cannot_be_used_is_refused_and_shows_no_secret(
    address: str, said: str
) -> None:
    with pytest.raises(PathError, match=said) as refused:
        read_addresses([address])
    assert "secret" not in str(refused.value)


def test_list_that_is_no_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "deep").write_text("@bytes\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "long").write_text("\n".join(f"{n}.duckdb" for n in range(300)))
    for name, said in {
        "none": "cannot be read",
        "bytes": "cannot be read",
        "deep": "names another list",
        "empty": "0 collections",
        "long": "300 collections",
    }.items():
        with pytest.raises(PathError, match=said):
            read_addresses([f"@{tmp_path / name}"])


def test_each_address_gets_its_own_token(keep: Keep, no_tokens: None) -> None:
    keep(f"# ours\n{HOME}/ first-token\n\nhttps://photos.example second-token\n")
    assert tokens_of([HOME, OTHER]) == {HOME: "first-token", OTHER: "second-token"}
    assert tokens_of(["http://elsewhere:80"]) == {}
    assert tokens_of([]) == {}


def test_one_token_of_the_environment_goes_to_one_address_only(
    no_tokens: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSMODAL_UI_TOKEN", "only-token")
    assert tokens_of([HOME]) == {HOME: "only-token"}
    assert tokens_of([HOME, OTHER]) == {}


def test_file_of_tokens_that_others_may_read_is_refused(keep: Keep, no_tokens: None) -> None:
    keep(f"{HOME} first-token\n").chmod(0o644)
    with pytest.raises(PathError, match="chmod 600") as refused:
        tokens_of([HOME])
    assert "first-token" not in str(refused.value)


@pytest.mark.parametrize("line", ["first-token", f"{HOME}", f"{HOME} two words", f"{HOME} t\x07"])
def test_line_without_address_and_token_is_refused_by_its_number(
    keep: Keep, no_tokens: None, line: str
) -> None:
    keep(f"# ours\n{line}\n")
    with pytest.raises(PathError, match="line 2") as refused:
        tokens_of([HOME])
    assert "first-token" not in str(refused.value)
