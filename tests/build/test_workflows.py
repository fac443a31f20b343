"""The commands in the workflows exist, and those that need nothing of GitHub's do their work."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Of the images that GitHub's jobs run in, and of what an earlier step of the job installed.
FROM_THE_IMAGE = {"pipx", "rustup", "python", "pip", "uncodec", "/tmp/clean/bin/uncodec"}
FROM_THE_IMAGE |= {"/tmp/clean/bin/pip"}
BUILTINS = {"cd", "echo", "exit", "[", "if", "then", "fi", "else"}


def steps() -> dict[str, str]:
    """The shell commands of each step, by workflow, job and number."""
    found = {}
    for file in WORKFLOWS:
        for job, described in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].items():
            for number, step in enumerate(described.get("steps", [])):
                before = step.get("with", {}).get("before-script-linux")
                if script := step.get("run", before):
                    found[f"{file.stem}, {job}, step {number}"] = script
    return found


STEPS = steps()


def step(workflow: str, words: str) -> str:
    """The only step of a workflow with these words in it."""
    (script,) = (
        script
        for name, script in STEPS.items()
        if name.startswith(f"{workflow},") and words in script
    )
    return script


def commands(script: str) -> list[list[str]]:
    """The words of each simple command, in the order in which they stand."""
    script = re.sub(r"\$\{\{.*?\}\}", "value", script)
    script = re.sub(r"\s\d?>(&\d|\s*\S+)", "", script)
    inner = re.findall(r"\$\(([^()]*)\)", script)
    lines = re.sub(r"\$\([^()]*\)", "value", script).replace("\\\n", " ").splitlines() + inner
    found = []
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();&|")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("();&|"):
                found.append(words)
                words = []
            elif words or (not re.match(r"\w+=", word) and word not in {"if", "then", "else"}):
                words.append(word)
    return [words for words in found if words]


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """As GitHub runs a step."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )


def test_there_are_steps_in_each_workflow():
    assert {name.partition(",")[0] for name in STEPS} == {file.stem for file in WORKFLOWS}


@pytest.mark.parametrize("name", STEPS)
def test_the_commands_of_a_step_exist(name: str):
    script = STEPS[name]
    parsed = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert parsed.returncode == 0, parsed.stderr
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for program, *words in commands(script):
        known = program in BUILTINS | FROM_THE_IMAGE or shutil.which(program) is not None
        assert known, f"{program}: no command"
        if program == "make":
            for word in words:
                what, given, _ = word.partition("=")
                line = rf"^{what} \?=" if given else rf"^{what}:"
                assert re.search(line, makefile, re.M), f"make {word}: not in the Makefile"
        for word in words:
            if word.endswith(".py"):
                assert (ROOT / word).is_file(), f"{word}: no file"


def test_a_tag_that_is_not_the_version_stops_a_release():
    script = step("release", "pyproject.toml")
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)[1]
    assert run(script, ROOT, GITHUB_REF_NAME=f"v{version}").returncode == 0
    done = run(script, ROOT, GITHUB_REF_NAME="v0.0.1")
    assert done.returncode == 1
    assert done.stderr == f"tag v0.0.1: must be v{version}, which pyproject.toml states\n"


def test_figures_of_speed_gather_on_their_branch(tmp_path: Path):
    """Twice, for the branch is there only from the second time on."""
    script = step("nightly", "bench-history")
    server = tmp_path / "server" / "nobody" / "uncodec.git"
    server.mkdir(parents=True)
    identity = {"GIT_CONFIG_GLOBAL": os.devnull}
    for name in ("AUTHOR", "COMMITTER"):
        identity |= {f"GIT_{name}_NAME": "nobody", f"GIT_{name}_EMAIL": "nobody@localhost"}
    assert run("git init --quiet --bare", server, **identity).returncode == 0
    # The address of the step leads to the folder.
    redirected = identity | {
        "TOKEN": "secret",
        "GITHUB_REPOSITORY": "nobody/uncodec",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{tmp_path}/server/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://x-access-token:secret@github.com/",
    }
    for time in range(2):
        folder = tmp_path / f"checkout {time}"
        folder.mkdir()
        made = "git init --quiet && git commit --quiet --allow-empty -m "
        assert run(f"{made} {time}", folder, **identity).returncode == 0
        (folder / "bench.txt").write_text(f"figures {time}\n")
        done = run(script, folder, **redirected)
        assert done.returncode == 0, done.stderr
        kept = run("git show --stat --oneline bench-history", server, **identity).stdout
        assert "bench.txt" not in kept
        assert re.search(r"\d{4}-\d\d-\d\d-[0-9a-f]{12}\.txt", kept), kept
    listed = run("git ls-tree --name-only bench-history", server, **identity).stdout.split()
    assert len(listed) == 2
