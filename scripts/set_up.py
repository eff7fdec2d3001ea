"""Makes `.venv` and installs the project into it; does nothing when all is up to date.

    python3 scripts/set_up.py core    what the pipeline needs
    python3 scripts/set_up.py dev     and what its tests and checks need

Runs on any Python 3, with nothing but the standard library, so that an old one gets a sentence and no traceback.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NEWEST_FIRST = ("python3.13", "python3.12", "python3.11")
EXTRAS = {"core": "", "dev": "[dev,qwen,ray,rows]"}


def main():
    """Bring the environment to the state that `core` or `dev` asks for."""
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    if wanted not in EXTRAS:
        fail("expected `core` or `dev`, got {!r}".format(wanted or "nothing"))
    if up_to_date(wanted):
        return
    if not PYTHON.exists():
        make_environment(find_python())
    pip = find_pip()
    tell("installing the {} packages into .venv (a minute or two the first time)".format(wanted))
    target = "{}{}".format(ROOT, EXTRAS[wanted])
    install = [*pip, "install", "--quiet", "-c", str(ROOT / "constraints.txt"), "-e", target]
    if subprocess.call(install, cwd=str(ROOT)) != 0:
        fail("pip could not install the packages; its own words stand above")
    libraries = subprocess.call([str(PYTHON), str(ROOT / "scripts" / "system_libraries.py")])
    if libraries != 0:
        sys.exit(libraries)
    stamp(wanted).write_text(fingerprint(wanted))


def stamp(wanted):
    """Say where the mark of a finished installation lies."""
    return VENV / ".stamp-{}".format(wanted)


def fingerprint(wanted):
    """Give a digest of all that decides what is installed."""
    parts = [str(ROOT), wanted, *((ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def up_to_date(wanted):
    """Say whether an earlier run installed just this; the larger set serves for the smaller."""
    for each in {wanted, "dev"}:
        if PYTHON.exists() and stamp(each).exists() and stamp(each).read_text() == fingerprint(each):
            return True
    return False


def find_python():
    """Find an interpreter that is new enough: this one, or another on the path."""
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return sys.executable
    for name in NEWEST_FIRST:
        path = shutil.which(name)
        # a shim may be on the path without an interpreter behind it
        if path and subprocess.call([path, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return path
    return fail(
        "expected Python 3.11, 3.12 or 3.13, got {}.{}; install one and say `make PYTHON=/path/to/python3.12 …`".format(
            *sys.version_info[:2]
        )
    )


def make_environment(python):
    """Create `.venv`; where `ensurepip` is missing, the interpreter's own pip will serve it from outside."""
    tell("making .venv with {}".format(python))
    if has(python, "ensurepip") and subprocess.call([python, "-m", "venv", str(VENV)]) == 0:
        return
    shutil.rmtree(str(VENV), ignore_errors=True)
    if not has(python, "venv"):
        fail("expected the venv module beside {}, found none; apt-get install -y python3-venv".format(python))
    if subprocess.call([python, "-m", "venv", "--without-pip", str(VENV)]) != 0:
        fail("{} could not make a virtual environment; apt-get install -y python3-venv".format(python))


def find_pip():
    """Give the command that installs into `.venv`: its own pip, or the one that came with python3."""
    if has(str(PYTHON), "pip"):
        return [str(PYTHON), "-m", "pip"]
    outside = find_python()
    if has(outside, "pip"):
        return [outside, "-m", "pip", "--python", str(PYTHON)]
    return fail("expected pip, found none in .venv nor beside {}; apt-get install -y python3-venv".format(outside))


def has(python, module):
    """Say whether an interpreter has a module."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.call([python, "-c", "import {}".format(module)], **quiet) == 0


def tell(words):
    """Write a line for a person."""
    sys.stderr.write("set-up: {}\n".format(words))
    sys.stderr.flush()


def fail(words):
    """Write the one line that says what to do, and leave."""
    tell(words)
    sys.exit(3)


if __name__ == "__main__":
    os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    main()
