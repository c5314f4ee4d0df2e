"""D: what is new in a table of a million rows, merged by key into PostgreSQL: nothing, or a thousand changed rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from bench import checks, cluster, goals, headrace, meter, places
from bench.commits import Counted, Log
from bench.contenders import Contender, Options, Verdict
from bench.lineitem import KEY
from bench.meter import Action, Call, Command, Record
from bench.rivals import commands
from bench.workload import Bench, Workload

NOTHING, CHANGED = "nothing new", "1,000 changed"
QUIET_RUNS, CHANGED_RUNS = 100, 40

TOUCH = """with picked as (
  select l_orderkey, l_linenumber from li_1m tablesample bernoulli(1) order by random() limit 1000)
update li_1m l set l_quantity = l.l_quantity + 1, updated_at = clock_timestamp()
from picked p where (l.l_orderkey, l.l_linenumber) = (p.l_orderkey, p.l_linenumber)"""
SINCE = """select to_char(max(updated_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') from {table}"""
DLT: tuple[Options, ...] = ({"backend": "pyarrow"}, {"backend": "connectorx"})

ABOUT = f"""`li_1m` holds the first million rows of lineitem and an indexed `updated_at`. A warm Headrace is asked
through GraphQL, and a run counts until the unit is SUCCEEDED: {QUIET_RUNS} runs a round with nothing new, and
{CHANGED_RUNS} with 1,000 scattered rows changed before each. The others are cold processes, one run a round. Everybody
first catches up, untimed, so that rows changed for one are not the work of another. ingestr is handed the cursor by its
caller, for it keeps none. CPU is that of one run; behind the + of *changed* it also has the changes."""


@contextmanager
def workload(bench: Bench) -> Iterator[Workload]:
    target = bench.source.target
    cluster.empty_database(target)
    with headrace.serving(bench.folder("d-server") / "data") as server:
        contenders = [*ours(bench, server), *rivals(bench)]
        yield Workload("D", "Incremental into a million rows", ABOUT, contenders, label(NOTHING), GOALS)
    cluster.run("postgres", f"drop database if exists {target} with (force)")


def touch(bench: Bench) -> None:
    cluster.run(bench.source.database, TOUCH)


def same(bench: Bench, relation: str, _table: str) -> Verdict:
    return checks.same_as_source(bench.source.database, "li_1m", bench.source.target, relation)


def ours(bench: Bench, server: headrace.Server) -> list[Contender]:
    policy = {"mode": "incremental", "cursorField": "updated_at", "primaryKeys": list(KEY), "writeDisposition": "merge"}
    source = server.register("d", headrace.postgres(bench.source.database), policy)
    sink = server.register("d target", headrace.postgres(bench.source.target))
    logs = (
        Log.of(f"host={server.store} user=postgres"),
        Log.of(f"host={places.HOST} port={places.PORT} user={places.USER}"),
    )

    def run() -> float:
        return server.run(source, "public.li_1m", sink, every=0.001)[0] * 1000

    def quiet() -> Record:
        return sampled(logs, run, QUIET_RUNS, lambda: None)

    def changing() -> Record:
        return sampled(logs, run, CHANGED_RUNS, partial(touch, bench))

    def caught_up(_table: str) -> None:
        run()

    look = partial(same, bench, "public.li_1m")
    works: list[tuple[str, Callable[[], Record]]] = [(NOTHING, quiet), (CHANGED, changing)]
    return [
        Contender(
            label(what), "headrace", partial(warm, work, server.pid), look, "li_1m", before=caught_up, base=label(what)
        )
        for what, work in works
    ]


def label(what: str) -> str:
    return f"Headrace (server), {what}"


def warm(work: Callable[[], Record], root: int, _table: str, _options: Options) -> Action:
    return Call(work, root, weigh=False)


def sampled(logs: tuple[Log, ...], run: Callable[[], float], times: int, prepare: Callable[[], None]) -> Record:
    """Milliseconds of each run, the middle one as the time of all, and what a run's commits cost by themselves.

    Commits are counted over one more run, for the rows that are changed before a run are committed as well.
    """
    samples = []
    for _ in range(times):
        prepare()
        samples.append(run())
    prepare()
    counted = Counted.now(logs)
    run()
    middle = sorted(samples)[times // 2]
    return {"samples_ms": samples, "wall": middle / 1000, "times": times + 1, **counted.of_one_run(1)}


def rivals(bench: Bench) -> list[Contender]:
    """Each twice: caught up and asked again, and with rows changed in between."""
    source, target = bench.source.database, bench.source.target
    state = str(bench.folder("d-dlt"))

    def dlt(_table: str, options: Options) -> Command:
        return commands.dlt_incremental(source, target, state, options)

    def sling(_table: str, _options: Options) -> Command:
        keys = ("--primary-key", ",".join(KEY), "--update-key", "updated_at")
        to = ("--tgt-conn", "DST", "--tgt-object", "public.d_sling", "--mode", "incremental", *keys)
        return commands.sling(source, "li_1m", *to, target=target)

    def ingestr(_table: str, _options: Options) -> Command:
        since = cluster.rows(target, SINCE.format(table="d_ingestr"))[0][0]
        keys = tuple(word for name in KEY for word in ("--primary-key", name))
        how = ("--incremental-strategy", "merge", "--incremental-key", "updated_at", "--interval-start", since)
        return commands.ingestr(source, "li_1m", {}, places.url(target) + commands.SSL, "public.d_ingestr", *keys, *how)

    made = {"d_sling": partial(copied, bench, "d_sling"), "d_ingestr": partial(copied, bench, "d_ingestr")}
    return [
        *pair(bench, "dlt, pyarrow", "dlt", dlt, DLT[0], "dlt_inc.li_1m", lambda: None),
        *pair(bench, "dlt, connectorx", "dlt", dlt, DLT[1], "dlt_inc.li_1m", lambda: None),
        *pair(bench, "Sling", "sling", sling, {}, "public.d_sling", made["d_sling"]),
        *pair(bench, "ingestr", "ingestr", ingestr, {}, "public.d_ingestr", made["d_ingestr"]),
    ]


def pair(
    bench: Bench,
    name: str,
    tool: str,
    command: Callable[[str, Options], Command],
    options: Options,
    relation: str,
    make: Callable[[], None],
) -> Iterator[Contender]:
    def caught_up(changes: bool, table: str) -> None:
        make()
        meter.run_command(command(table, options), 600)
        if changes:
            touch(bench)

    look = partial(same, bench, relation)
    for what in (NOTHING, CHANGED):
        before = partial(caught_up, what == CHANGED)
        yield Contender(
            f"{name}, {what}", tool, command, look, "li_1m", options=(options,), before=before, base=label(what)
        )


def copied(bench: Bench, table: str) -> None:
    """A table that already holds the rows, with its key, as an earlier load would have left it."""
    target = bench.source.target
    if cluster.rows(target, f"select where to_regclass('{table}') is not null"):
        return
    shape = cluster.rows(
        bench.source.database,
        "select string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum)"
        " from pg_attribute where attrelid = 'li_1m'::regclass and attnum > 0",
    )[0][0]
    cluster.run(target, f"create table {table} ({shape}, primary key ({', '.join(KEY)}))")
    out, into = commands.copy_out(bench.source.database, "li_1m"), commands.copy_in(target, table)
    commands.done(commands.shell(f"{out} | {into}"))
    cluster.run(target, f"vacuum (analyze) {table}")


GOALS = tuple(
    goals.latency(label(what), part, ms)
    for what, part, ms in ((NOTHING, 0.5, 10), (NOTHING, 0.99, 50), (CHANGED, 0.5, 60), (CHANGED, 0.99, 150))
)
