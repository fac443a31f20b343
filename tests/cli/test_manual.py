"""The manual page, and completion in a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
from typer.main import get_command

from uncodec.cli import app
from uncodec.cli.manual import command_pages, manual_page


def options_of(command) -> set[str]:
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


def test_every_command_has_its_help_on_the_page():
    pages = dict(command_pages())
    commands = get_command(app).commands
    assert {"uncodec restore", "uncodec core start", "uncodec man"} <= set(pages)
    assert set(commands) == {name.split()[1] for name in pages}
    assert "--overwrite" in pages["uncodec restore"]
    assert "Usage: uncodec core start" in pages["uncodec core start"]


def test_every_option_of_a_command_is_in_the_manual(run):
    outcome = run("man")
    assert (outcome.code, outcome.stdout) == (0, manual_page())
    page = outcome.stdout.replace("\\-", "-")
    for name, command in get_command(app).commands.items():
        for option in options_of(command):
            if option.startswith("--"):
                assert option in page, (name, option)


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_the_manual_is_valid_roff():
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z"],
        input=manual_page(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_text_is_taken_for_a_macro():
    macros = re.findall(r"^[.'](\S*)", manual_page(), re.MULTILINE)
    assert set(macros) <= {"TH", "SH", "SS", "TP", "PP", "B", "I"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell):
    environment = {
        **os.environ,
        "_UNCODEC_COMPLETE": f"complete_{shell}",
        # Each shell tells in its own way what has been typed.
        "COMP_WORDS": "uncodec rest",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "uncodec rest",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    code = "import sys; sys.argv[0] = 'uncodec'; from uncodec.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert "restore" in done.stdout
    assert "render" not in done.stdout
