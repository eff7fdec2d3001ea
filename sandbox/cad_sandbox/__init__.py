"""Runs one untrusted CadQuery program in a locked-down process and says what it built.

    with ForkServerSandbox() as sandbox:
        execution = sandbox.run(source, folder)
        if execution.built: ...

`Sandbox` is the role, `Execution` what comes back, `Limits` what a program may use, `Isolation` how strong the walls
must be. Importing this package does not import cadquery.

`CachingSandbox` wraps any sandbox and runs the same program once.

What the walls do not stop: a program can see that a file exists and how large it is (bubblewrap closes that), can use
its share of the processors and measure time, may find remains of an earlier program of the same sandbox in memory, and
would profit from a bug in the kernel calls it is left. For programs of people who are after you, put the whole into a
virtual machine.
"""

from cad_sandbox.caching import CachingSandbox
from cad_sandbox.execution import Box, Execution, Export, Outcome, Sandbox, SandboxUnavailable
from cad_sandbox.isolation import probe_isolation
from cad_sandbox.limits import Isolation, Limits
from cad_sandbox.server import ForkServerSandbox

__all__ = [
    "Box",
    "CachingSandbox",
    "Execution",
    "Export",
    "ForkServerSandbox",
    "Isolation",
    "Limits",
    "Outcome",
    "Sandbox",
    "SandboxUnavailable",
    "probe_isolation",
]
