"""The pipeline as a service: a mesh is posted, a job id comes back, and then a bundle of program, STEP, STL and report.

    from cad_pipeline.serve import Service, serving

    with serving(Service(token="…")) as address:    # http://127.0.0.1:8000
        ...

What is covered: one token, limits on size, time and number of jobs, uploads that crash or hang their worker, a model on
a GPU that writes for several parts at once. It listens on the loopback unless told otherwise.
What is not covered: TLS and more than one user, which are a reverse proxy's; jobs are lost when the front ends.
"""

from cad_pipeline.serve.jobs import Desk, State
from cad_pipeline.serve.service import Service
from cad_pipeline.serve.starting import serving

__all__ = ["Desk", "Service", "State", "serving"]
