"""The commands of these rooms, on a real collection, without a model."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from crossmodal.cli import create
from crossmodal.cli.drawn import drawn
from crossmodal.cli.recommend import recommend

app = typer.Typer()
for command in (drawn(recommend, ["recommend"]), create.pair, create.duplicates):
    app.command()(command)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_recommendation_is_told_as_json_and_as_a_table(kinds: Path) -> None:
    asked = ("recommend", "--like", "/apples/0.jpg", "--dislike", "/cats/0.jpg", "-c", kinds)
    found = json.loads(run(*asked, "-k", 3, "--json").stdout)
    assert [each["because"] for each in found["found"]] == ["/apples/0.jpg"] * 3
    assert "/apples/" in run(*asked, "--strategy", "average").stdout


def test_a_log_is_judged_instead(kinds: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    rows = [f"ann,apples/{n}.jpg,2024-01-{n + 1:02},like" for n in range(20)]
    log.write_text("\n".join(["who,what,when,how", *rows, "ann,nowhere,2024-01-01,like"]))
    asked = ("recommend", "--events", log, "-c", kinds, "--modality", "image")
    done = run(*asked)
    assert "most liked" in done.stdout
    assert "1 row not used: unknown item" in done.output
    assert json.loads(run(*asked, "--json").stdout)["recommended"]["recall"] == 1.0


def test_pairs_and_duplicates_are_told_as_json(kinds: Path) -> None:
    found = json.loads(run("pair", "/*.jpg", "/*.txt", "-c", kinds, "--json").stdout)
    assert len(found["pairs"]) == 30
    done = run("duplicates", "--by", "meaning", "--min-cosine", 0.999, "-c", kinds, "--json")
    assert json.loads(done.stdout)["num_looked_at"] == 90


def test_an_unknown_example_ends_in_failure(kinds: Path) -> None:
    done = run("recommend", "--like", "/nowhere.jpg", "-c", kinds)
    assert done.exit_code != 0
