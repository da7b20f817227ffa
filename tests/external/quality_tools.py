"""Crackerjack with the real tools of Python, from PyPI, on a project of this repository and on what somebody broke in it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from harness import ROOT, check, check_equal, run_cases

BINARY = pathlib.Path(os.environ.get("CRACKERJACK_BINARY", ROOT / "target/debug/crackerjack")).resolve()
PROJECT = ROOT / "components/crackerjack/tests/projects/python"
TOOLS = ["ruff", "ruff-format", "mypy", "bandit", "pytest"]
UGLY = "import os\n\ndef add(one: int, other: int) -> str:\n  return one + other\n"


class Project:
    """A copy of the project, and crackerjack with the tools of this venv first on the path."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / "project"
        shutil.copytree(PROJECT, self.folder)
        tools = pathlib.Path(sys.executable).parent
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}", "HOME": folder, "CRACKERJACK_SESSION_ENABLED": "false",
        }

    def run(self, *arguments):
        done = subprocess.run(
            [BINARY, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120,
        )
        return done.returncode, done.stdout, done.stderr

    def rows(self, *arguments):
        code, output, errors = self.run(*arguments, "--format", "json")
        check(output, f"{arguments} gives nothing: {errors}")
        return code, {row["tool"]: row for row in json.loads(output)}


def a_good_project_passes(project):
    code, rows = project.rows("crack")
    check_equal({tool: row["verdict"] for tool, row in rows.items()}, dict.fromkeys(TOOLS, "passed"), "verdicts")
    check_equal(code, 0, "exit code")
    check("1 passed" in rows["pytest"]["summary"], rows["pytest"]["summary"])


def every_tool_finds_its_own(project):
    (project.folder / "shelf.py").write_text(UGLY + "\n\nimport subprocess\nsubprocess.call('ls', shell=True)\n")
    code, rows = project.rows("crack")
    # What it does is still right, so its test passes.
    expected = dict.fromkeys(TOOLS, "failed") | {"pytest": "passed"}
    check_equal({tool: row["verdict"] for tool, row in rows.items()}, expected, "verdicts")
    check_equal(code, 1, "exit code")


def files_change_only_when_somebody_says_so(project):
    file = project.folder / "shelf.py"
    file.write_text(UGLY)
    code, _, errors = project.run("format-code")
    check_equal((code, file.read_text()), (1, UGLY), "a run that nobody can be asked in")
    check("-  return one + other" in errors and "+    return one + other" in errors, errors)
    code, _, errors = project.run("format-code", "--yes")
    check_equal(code, 0, errors)
    check("    return one + other" in file.read_text(), file.read_text())


def tools_say_their_versions(project):
    _, rows = project.rows("show-adapters")
    for tool in TOOLS:
        check_equal(rows[tool]["state"], "there", tool)
        check(rows[tool]["version"][0].isdigit(), f"{tool}: {rows[tool]['version']}")


def on_a_copy(case):
    def run():
        with tempfile.TemporaryDirectory() as folder:
            case(Project(folder))
    run.__name__ = case.__name__
    return run


if __name__ == "__main__":
    run_cases([on_a_copy(case) for case in (
        a_good_project_passes,
        every_tool_finds_its_own,
        files_change_only_when_somebody_says_so,
        tools_say_their_versions,
    )])
