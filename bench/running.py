"""Runs a workload: first the search of each rival's settings, then rounds in which everybody runs once.

The order changes from round to round and is the same in every benchmark. Whatever is done stands in the ledger at
once, so that the next start goes on with what is missing or failed; the page says how many were done again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence

from bench import cluster, figures
from bench.contenders import Contender, Options, named
from bench.ledger import Ledger
from bench.meter import Failed, Record, measure
from bench.workload import Bench, Workload

SEARCH_ROUNDS = 1


def run(bench: Bench, workload: Workload, ledger: Ledger, rounds: int, missing: Mapping[str, str]) -> None:
    present = [each for each in workload.contenders if each.tool not in missing]
    for absent in sorted({each.tool for each in workload.contenders} & set(missing)):
        if not ledger.has("missing", tool=absent):
            ledger.add({"kind": "missing", "tool": absent, "why": missing[absent]})
    chosen = {each.label: search(bench, workload, each, ledger) for each in present}
    numbers = range(1, min(workload.rounds or rounds, rounds) + 1)
    order = [(number, each) for number in numbers for each in random.Random(number).sample(present, len(present))]
    due = [(number, each) for number, each in order if not ledger.has("run", label=each.label, round=number, ok=True)]
    for each in present:
        if each.warm and any(one is each for _, one in due):
            once(bench, workload, each, chosen[each.label], "warming", 0)
    for number, each in due:
        ledger.add(once(bench, workload, each, chosen[each.label], "run", number))


def search(bench: Bench, workload: Workload, contender: Contender, ledger: Ledger) -> Options:
    """The fastest settings of a contender, tried on a quarter of the rows; the first when every one fails."""
    if len(contender.options) == 1:
        return contender.options[0]
    table = contender.part if contender.table == "lineitem" else contender.table
    for number in range(1, SEARCH_ROUNDS + 1):
        for options in contender.options:
            if not ledger.has("search", label=contender.label, round=number, options=dict(options)):
                ledger.add(once(bench, workload, contender, options, "search", number, table))
    tried = [record for record in ledger.of("search") if record["label"] == contender.label]
    return figures.fastest(tried) or contender.options[0]


def once(
    bench: Bench,
    workload: Workload,
    contender: Contender,
    options: Options,
    kind: str,
    number: int,
    table: str | None = None,
) -> Record:
    """Prepares, measures and checks one run. A fast wrong result is a failed run."""
    table = table or contender.table
    record: Record = {"kind": kind, "label": contender.label, "round": number, "options": dict(options)}
    record |= {"table": table, "rows": contender.rows or bench.source.rows(table), "ok": False}
    began = time.perf_counter()
    try:
        contender.before(table)
        record |= measure(contender.action(table, options), cluster.postmaster(), workload.timeout)
        verdict = contender.check(table)
        record |= {"ok": not verdict.wrong, "notes": list(verdict.notes)}
        if verdict.wrong:
            record["failure"] = "wrong result: " + "; ".join(verdict.wrong)
    except Failed as failure:
        record["failure"] = str(failure)
    except Exception as failure:  # what cannot be prepared or looked at is a failed run, and the others go on
        record["failure"] = f"{type(failure).__name__}: {failure}"
    tell(workload, record, time.perf_counter() - began)
    return record


def tell(workload: Workload, record: Record, seconds: float) -> None:
    failure = " ".join(record.get("failure", "").split())
    what = f"{record['wall']:8.3f} s" if record["ok"] else f"  FAILED: {failure[-200:]}"
    stage = f"round {record['round']}" if record["kind"] == "run" else f"{record['kind']:7}"
    settings = f" [{named(record['options'])}]" if record["kind"] == "search" else ""
    print(f"{workload.letter} {stage}  {record['label']:32}{what}  (+{seconds:.0f} s in all){settings}", flush=True)


def failures(runs: Mapping[str, Sequence[Record]]) -> list[str]:
    return [f"{label}: {run['failure']}" for label, each in runs.items() for run in each if not run["ok"]]
