"""Runs docs/EXTENDING.md as somebody does who follows it: one after the other its files are written, and its lines typed."""

import os
import pathlib
import re
import shutil
import subprocess

from harness import ROOT, check, check_equal, run_cases
from terminal import person
from typed import World, sections

DOCUMENT = ROOT / "docs/EXTENDING.md"
KINDS = ("console", "rust", "toml")
# Everything that the shell is made of, without the cargo of before.
BUILD_SECONDS = 600
CHECKOUT = "../session-buddy/"


def target():
    """Where the package is built: where the checkout is, so that what comes from elsewhere is not built once more."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def toolchain():
    """Where cargo and what it has downloaded are, for somebody with another home."""
    home = pathlib.Path.home()
    found = {"CARGO_HOME": str(home / ".cargo"), "RUSTUP_HOME": str(home / ".rustup")}
    return found | {name: os.environ[name] for name in (*found, "RUSTUP_TOOLCHAIN") if name in os.environ}


def build(it):
    """Builds what has been written so far, in versions that are known here."""
    home = it.server.home
    if not (home / "Cargo.lock").exists():
        shutil.copy(ROOT / "Cargo.lock", home)
    done = subprocess.run(
        ["cargo", "build", "--offline"], env=it.environment, cwd=home, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=BUILD_SECONDS,
    )
    check_equal(done.returncode, 0, f"exit code of cargo build\n{done.stderr}")
    check("warning" not in done.stderr, done.stderr)


def the_document_is_true():
    with person() as it:
        it.run("mcp", "start")
        world = World(it)
        it.environment |= {
            "CARGO_TARGET_DIR": str(target()),
            # As in the checkout, else nothing that was built there is of use.
            "CARGO_PROFILE_DEV_DEBUG": "line-tables-only",
            "PATH": f"{target()}/debug:{it.environment['PATH']}",
        } | toolchain()
        for section in sections(DOCUMENT):
            for block in section.blocks:
                check(block.kind in KINDS, f"{block.where}: a block of kind {block.kind!r} is not run")
                if block.kind == "console":
                    world.type_block(block)
                else:
                    block.text = block.text.replace(CHECKOUT, f"{ROOT}/")
                    world.write_file(block)
                    if block.kind == "rust":
                        build(it)


def its_links_lead_somewhere():
    text = DOCUMENT.read_text()
    links = re.findall(r"\]\(([^)#]+)", text) + re.findall(r"^\[[^]]+\]: (\S+)$", text, re.MULTILINE)
    check(links, "there are no links")
    for link in links:
        check((DOCUMENT.parent / link).exists(), f"{link} is not there")


if __name__ == "__main__":
    run_cases([its_links_lead_somewhere, the_document_is_true])
