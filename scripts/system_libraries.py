"""Finds the shared libraries that the installed packages miss, and installs or names them.

Loads each part in a process of its own, reads the name of a missing library from the loader's message, and goes on
until all load. As root on Debian or Ubuntu the packages are installed; elsewhere the one line that does it is printed.
Exit code 0: all is there; 3: something is missing, and the line above says which.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

# what must load, in an interpreter without a display
PARTS = {
    "CadQuery's kernel": "import OCP.gp",
    "VTK": "import vtkmodules.vtkCommonCore, vtkmodules.vtkRenderingOpenGL2",
    "the sandbox's system-call filter": "import ctypes; ctypes.CDLL('libseccomp.so.2')",
    "numba": "import numba",
}
PACKAGES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXext.so.6": "libxext6",
    "libXcursor.so.1": "libxcursor1",
    "libXt.so.6": "libxt6",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libexpat.so.1": "libexpat1",
    "libgomp.so.1": "libgomp1",
    "libseccomp.so.2": "libseccomp2",
}
MISSING = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")


def main() -> int:
    """Make every part load, or say what stands in the way."""
    tried: set[str] = set()
    for part, code in PARTS.items():
        while True:
            run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            if run.returncode == 0:
                break
            found = MISSING.search(run.stderr)
            library = found.group(1) if found else ""
            package = PACKAGES.get(library, "")
            if not package or package in tried:
                last = (run.stderr.strip().splitlines() or ["no message"])[-1]
                tell(f"{part} does not load: {last}")
                return 3
            tried.add(package)
            tell(f"{part} needs {library}, which is not on this machine")
            if not install(package):
                others = " ".join(sorted({package, "libgl1", "libx11-6", "libxrender1", "libseccomp2"}))
                tell(f"cure: sudo apt-get install -y {others}   (or your system's packages of these libraries)")
                return 3
    return 0


def install(package: str) -> bool:
    """Install one package if this is root on a system with apt, and say whether it is there now."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    tell(f"installing {package}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if subprocess.call(command, env=environment, **quiet) == 0:
        return True
    # a fresh container has no package lists yet
    subprocess.call(["apt-get", "update", "-qq"], env=environment, **quiet)
    return subprocess.call(command, env=environment, stdout=subprocess.DEVNULL) == 0


def tell(words: str) -> None:
    """Write a line for a person."""
    sys.stderr.write(f"set-up: {words}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
