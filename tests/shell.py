"""Run the installed `crossmodal` command as a person would."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CROSSMODAL = str(Path(sys.executable).with_name("crossmodal"))


@dataclass(frozen=True)
class Shell:
    """Run `crossmodal` as a person would, on one collection."""

    collection: Path
    environment: dict[str, str]

    def command(self, *arguments: object) -> list[str]:
        return [CROSSMODAL, *map(str, arguments), "--collection", str(self.collection)]

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: object, expect: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1500,
        )
        assert done.returncode == expect, f"{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: object, expect: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", expect=expect).stdout)
