"""The command line `cad-pipeline`. Exit codes are part of the interface.

    0    every part was accepted
    1    finished, but some part is below the threshold (or failed for a reason of our own)
    2    an input or the usage is wrong
    3    the environment lacks something; the message holds the line that cures it
    130  interrupted; nothing half-written is left

`--json` puts one JSON object a part on stdout; what is written for people goes to stderr.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line on this process's arguments and end the process with its exit code."""
    from cad_pipeline.cli.app import app

    app(prog_name="cad-pipeline")
