"""Prints what an Iceberg table of a SQL catalog holds, as JSON: how its rows appeared, delete files and data files."""

from __future__ import annotations

import argparse
import json

import sqlalchemy
from pyiceberg.catalog.sql import SqlCatalog


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("warehouse")
    parser.add_argument("table", help="found in any namespace")
    arguments = parser.parse_args()
    with sqlalchemy.create_engine(arguments.uri).connect() as session:
        # A catalog sees the tables of its own name alone, and tools name theirs as they like.
        called = session.execute(sqlalchemy.text("select catalog_name from iceberg_tables")).scalars().first()
    catalog = SqlCatalog(called, uri=arguments.uri, warehouse=arguments.warehouse)
    names = [name for space in catalog.list_namespaces() for name in catalog.list_tables(space)]
    name = next(name for name in names if ".".join(name).endswith(arguments.table))
    table = catalog.load_table(name)
    tasks = list(table.scan().plan_files())
    # What readers of the table saw: slices may be snapshots of their own, as long as rows appear in one step.
    sizes = {each.snapshot_id: each.summary.additional_properties.get("total-records") for each in table.snapshots()}
    seen = [each for each in table.history() if sizes.get(each.snapshot_id) != "0"]
    counts = {"snapshots": len(sizes), "shown": len(seen), "deletes": sum(len(task.delete_files) for task in tasks)}
    print(json.dumps({**counts, "files": [task.file.file_path.removeprefix("file://") for task in tasks]}))


if __name__ == "__main__":
    main()
