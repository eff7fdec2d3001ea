"""The table of verdicts, `verdicts.parquet`: a row a part in the manifest's order, put together from the ledger."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from cad_pipeline.batch.filesystems import Home, pyarrow_here
from cad_pipeline.batch.ledger import Ledger
from cad_pipeline.batch.manifest import Item, read_items
from cad_pipeline.batch.rows import COLUMNS, Status

__all__ = ["TABLE", "read_table_rows", "write_table"]

TABLE = "verdicts.parquet"
_GROUP = 512
_READERS = 16


def read_table_rows(home: Home) -> Iterator[dict[str, Any]]:
    """Give the row of every part in the manifest; one that is not finished has a row that says so."""
    ledger = Ledger(home=home, run="")

    def row(item: Item) -> dict[str, Any]:
        found = ledger.row(item.name) or _unfinished(item)
        return {**found, "number": item.number, "path": item.path}

    items = read_items(home)
    # object stores answer slowly, but many at a time
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        while group := list(islice(items, _GROUP)):
            yield from pool.map(row, group)


def _unfinished(item: Item) -> dict[str, Any]:
    return {
        **dict.fromkeys(COLUMNS),
        "name": item.name,
        "status": str(Status.UNFINISHED),
        "reason": "not finished; --resume goes on",
        "accepted": False,
    }


def write_table(rows: Iterator[dict[str, Any]], home: Home) -> int:
    """Write the rows as one Parquet file and say how many there were."""
    arrow = pyarrow_here()
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in COLUMNS.items()])
    written = 0
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-table-") as folder:
        place = Path(folder) / TABLE
        with arrow.parquet.ParquetWriter(place, schema) as writer:
            while group := list(islice(rows, _GROUP)):
                writer.write_table(arrow.Table.from_pylist(group, schema=schema))
                written += len(group)
        home.write(TABLE, place.read_bytes())
    return written
