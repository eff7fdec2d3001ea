"""Runs one untrusted CadQuery program in a locked-down process and says what it built.

    with ForkServerSandbox() as sandbox:
        execution = sandbox.run(source, folder)
        if execution.built: ...

`Sandbox` is the role, `Execution` what comes back, `Limits` what a program may use, `Isolation` how strong the walls
must be. Importing this package does not import cadquery.
"""

from cad_sandbox.execution import Box, Execution, Export, Outcome, Sandbox, SandboxUnavailable
from cad_sandbox.isolation import probe_isolation
from cad_sandbox.limits import Isolation, Limits
from cad_sandbox.server import ForkServerSandbox

__all__ = [
    "Box",
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
