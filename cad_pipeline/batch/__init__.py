"""Thousands of parts over many machines: resumable, with nothing lost and nothing done twice.

    from cad_pipeline.batch import reconstruct_all

    batch = reconstruct_all("parts/", out="out", existing="resume")
    batch.table      # out/verdicts.parquet: a row a part, also for failures, with the reason
    batch.summary    # out/summary.html

What is covered: one machine or a Ray cluster; results on local disks, NFS or object stores; parts that crash, hang or
eat memory; a driver, a worker or a node that is killed.
What is not covered: two batches at once in one place on an object store, which has no locks.
"""

from cad_pipeline.batch.filesystems import Home
from cad_pipeline.batch.job import Machines
from cad_pipeline.batch.rows import Failure, Status
from cad_pipeline.batch.running import Batch, reconstruct_all
from cad_pipeline.batch.tables import read_table_rows
from cad_pipeline.batch.tally import Tally

__all__ = ["Batch", "Failure", "Home", "Machines", "Status", "Tally", "read_table_rows", "reconstruct_all"]
