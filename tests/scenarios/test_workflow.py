""".github/workflows/tests.yml: valid, pinned, bounded, and for each Python that the kit supports.

Whether it works there is not looked at: that takes the machines it is for.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"
TEXT = WORKFLOW.read_text("utf-8")
JOBS: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["jobs"]


def test_the_file_follows_the_schema_of_workflows() -> None:
    schema = ["--builtin-schema", "vendor.github-workflows"]
    command = [sys.executable, "-m", "check_jsonschema", *schema, str(WORKFLOW)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_it_says_where_it_is_untried() -> None:
    comment = TEXT.split("name:")[0]
    assert "Untried" in comment and "macOS or Windows" in comment


def test_it_may_only_read_and_runs_only_fixed_versions_of_actions() -> None:
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in JOBS.values())
    actions = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", action) for action in actions)


@pytest.mark.parametrize("name", JOBS)
def test_a_job_ends_in_time_and_stops_no_other(name: str) -> None:
    assert JOBS[name]["strategy"]["fail-fast"] is False
    assert 0 < JOBS[name]["timeout-minutes"] <= 60


@pytest.mark.parametrize("name", JOBS)
def test_each_supported_python_is_tried(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    supported = SpecifierSet(project["requires-python"])
    minors = [f"3.{minor}" for minor in range(15) if supported.contains(f"3.{minor}")]
    assert JOBS[name]["strategy"]["matrix"]["python"] == minors


def test_linux_runs_all_tests_and_the_other_systems_the_lessons() -> None:
    commands = {name: [step.get("run") for step in job["steps"]] for name, job in JOBS.items()}
    assert ".ci/run" in commands["tests"] and (ROOT / ".ci" / "run").is_file()
    assert "./kit test" in (ROOT / ".ci" / "run").read_text("utf-8")
    assert "python kit run" in commands["lessons"]
    assert JOBS["lessons"]["strategy"]["matrix"]["system"] == ["macos-latest", "windows-latest"]
