"""What the image is made of, and what servers of ours are told; no container is started here."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from deployments.server import OUTLIVED

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deployments" / "Dockerfile").read_text("utf-8")


def test_base_is_named_by_digest() -> None:
    (base,) = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert re.findall(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE) == ["${BASE}"]


def test_no_command_asks_two_indexes() -> None:
    assert "--extra-index-url" not in DOCKERFILE
    commands = re.findall(r"pip install .*", DOCKERFILE)
    assert [("torch" in command) for command in commands if "--index-url" in command] == [True] * 2


def test_torch_is_named_once_where_the_image_looks_for_it() -> None:
    for name in ("constraints.txt", "constraints.lock"):
        lines = (ROOT / name).read_text("utf-8").splitlines()
        assert sum(line.startswith("torch==") for line in lines) == 1, name


def test_every_server_is_told_what_a_restart_has_to_leave() -> None:
    compose = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text("utf-8"))
    assert OUTLIVED.items() <= compose["services"]["server"]["environment"].items()
    told = (ROOT / "docs" / "operating.md").read_text("utf-8")
    assert all(f"export {name}={value}" in told for name, value in OUTLIVED.items())
