/**
 * The sample shop, in SQL alone: TPC-H's eight tables, a million rows in all,
 * of which 700,000 are order lines. Every value is arithmetic on the row's
 * number, so each machine gets the same shop.
 *
 * Order `n` has 3, 5, 1, 7, 2, 6 or 4 lines, by `n mod 7`: 28 lines every seven orders.
 */

const orders = 175_000
const customers = 17_500
const parts = 22_000
const suppliers = 1_100

/** What is carried, how it is told what is new, and what identifies a row. */
export const shopUnit = {
  unitId: "public.lineitem",
  cursorField: "updated_at",
  primaryKeys: ["l_orderkey", "l_linenumber"],
  rows: (orders / 7) * 28
} as const

/** A number in `[0, below)` that looks random and is the same for ever. */
const scattered = (seed: string, salt: number, below: number): string =>
  `((((${seed})::bigint * 2654435761 + ${salt} * 40503) & 4294967295) >> 8) % ${below}`

const oneOf = (seed: string, salt: number, words: ReadonlyArray<string>): string =>
  `(array[${words.map((word) => `'${word}'`).join(", ")}])[1 + ${scattered(seed, salt, words.length)}]`

/** `0.00`, `0.01`, … as the money type of the tables. */
const hundredths = (length: number): string =>
  `[${Array.from({ length }, (_, n) => (n / 100).toFixed(2)).join(", ")}]::numeric(15, 2)[]`

const regions = `
create table region as
select n - 1 as r_regionkey, (array['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'])[n] as r_name
from generate_series(1, 5) n;
alter table region add primary key (r_regionkey);

create table nation as
select n - 1 as n_nationkey, (array[
  'ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA',
  'IRAN', 'IRAQ', 'JAPAN', 'JORDAN', 'KENYA', 'MOROCCO', 'MOZAMBIQUE', 'PERU', 'CHINA', 'ROMANIA',
  'SAUDI ARABIA', 'VIETNAM', 'RUSSIA', 'UNITED KINGDOM', 'UNITED STATES'])[n] as n_name,
  (array[0, 1, 1, 1, 4, 0, 3, 3, 2, 2, 4, 4, 2, 4, 0, 0, 0, 1, 2, 3, 4, 2, 3, 3, 1])[n] as n_regionkey
from generate_series(1, 25) n;
alter table nation add primary key (n_nationkey), add foreign key (n_regionkey) references region;`

const people = `
create table supplier as
select n::bigint as s_suppkey, 'Supplier#' || lpad(n::text, 9, '0') as s_name,
  (${scattered("n", 1, 25)})::int as s_nationkey,
  ((${scattered("n", 2, 1_099_999)} - 99999) * 0.01)::numeric(15, 2) as s_acctbal
from generate_series(1, ${suppliers}) n;
alter table supplier add primary key (s_suppkey), add foreign key (s_nationkey) references nation;

create table customer as
select n::bigint as c_custkey, 'Customer#' || lpad(n::text, 9, '0') as c_name,
  (${scattered("n", 3, 25)})::int as c_nationkey,
  ((${scattered("n", 4, 1_099_999)} - 99999) * 0.01)::numeric(15, 2) as c_acctbal,
  ${oneOf("n", 5, ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"])} as c_mktsegment
from generate_series(1, ${customers}) n;
alter table customer add primary key (c_custkey), add foreign key (c_nationkey) references nation;`

const goods = `
create table part as
select n::bigint as p_partkey,
  ${oneOf("n", 6, ["almond", "azure", "beige", "coral", "indigo", "ivory", "lime", "misty", "plum", "rosy"])} || ' ' ||
  ${oneOf("n", 7, ["bolt", "bracket", "gear", "hinge", "lamp", "nut", "spring", "valve"])} as p_name,
  'Brand#' || 11 + ${scattered("n", 8, 45)} as p_brand,
  (1 + ${scattered("n", 9, 50)})::int as p_size,
  ((90000 + n % 200001 / 10 + n % 1000 * 100) * 0.01)::numeric(15, 2) as p_retailprice
from generate_series(1, ${parts}) n;
alter table part add primary key (p_partkey);

create table partsupp as
select n::bigint as ps_partkey, (1 + (n + i * ${suppliers / 4}) % ${suppliers})::bigint as ps_suppkey,
  (1 + ${scattered("n * 4 + i", 10, 9_999)})::int as ps_availqty,
  ((100 + ${scattered("n * 4 + i", 11, 99_901)}) * 0.01)::numeric(15, 2) as ps_supplycost
from generate_series(1, ${parts}) n, generate_series(0, 3) i;
alter table partsupp add primary key (ps_partkey, ps_suppkey), add foreign key (ps_partkey) references part,
  add foreign key (ps_suppkey) references supplier;`

const sales = `
create table orders as
select n::bigint as o_orderkey, (1 + ${scattered("n", 12, customers)})::bigint as o_custkey,
  case when n <= ${orders / 2} then 'F' else 'O' end as o_orderstatus,
  ((85000 + ${scattered("n", 13, 45_000_000)}) * 0.01)::numeric(15, 2) as o_totalprice,
  date '2023-01-01' + n * 10 / ${orders / 100} as o_orderdate,
  ${oneOf("n", 14, ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"])} as o_orderpriority
from generate_series(1, ${orders}) n;
alter table orders add primary key (o_orderkey), add foreign key (o_custkey) references customer;`

const lines = `
create table lineitem as
select o::bigint as l_orderkey, line as l_linenumber, part::bigint as l_partkey,
  (1 + (part + line * ${suppliers / 4}) % ${suppliers})::bigint as l_suppkey,
  quantity::numeric(15, 2) as l_quantity, (quantity * (900 + part % 1000))::numeric(15, 2) as l_extendedprice,
  (array${hundredths(11)})[1 + seed % 11] as l_discount, (array${hundredths(9)})[1 + seed % 9] as l_tax,
  case when o <= ${orders / 2} then (array['A', 'R'])[1 + seed % 2] else 'N' end as l_returnflag,
  case when o <= ${orders / 2} then 'F' else 'O' end as l_linestatus,
  ordered + shipped as l_shipdate, ordered + 60 as l_commitdate, ordered + shipped + 7 as l_receiptdate,
  (array['COLLECT COD', 'DELIVER IN PERSON', 'NONE', 'TAKE BACK RETURN'])[1 + seed % 4] as l_shipinstruct,
  (array['AIR', 'FOB', 'MAIL', 'RAIL', 'REG AIR', 'SHIP', 'TRUCK'])[1 + seed % 7] as l_shipmode,
  to_timestamp((ordered - date '1970-01-01' + shipped + 7) * 86400 + seed % 86400) as updated_at
from (
  select o, line, date '2023-01-01' + o * 10 / ${orders / 100} as ordered,
    1 + mixed % ${parts} as part, 1 + mixed / 3 % 50 as quantity, 1 + mixed / 7 % 60 as shipped, mixed / 11 as seed
  from (
    select o, line, (${scattered("o * 8 + line", 15, 16_777_213)})::int as mixed
    from generate_series(1, ${orders}) o,
      generate_series(1, (array[3, 5, 1, 7, 2, 6, 4])[1 + (o - 1) % 7]) line
    offset 0
  ) counted
  offset 0
) made;
alter table lineitem alter updated_at set not null, add primary key (l_orderkey, l_linenumber),
  add foreign key (l_orderkey) references orders;
create index lineitem_updated_at on lineitem (updated_at);`

/** One statement each: the driver sends one at a time. */
const statements = (block: string): ReadonlyArray<string> =>
  block
    .split(/;\s*(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "")

/** Who reads the shop: sees its rows, and which transactions are open, so that the newest rows need not wait. */
export const shopReader = "visitor"

const reader = `
do $$ begin create role ${shopReader} login; exception when duplicate_object then null; end $$;
grant select on all tables in schema public to ${shopReader};
grant pg_read_all_stats to ${shopReader};`

/** To be run as one transaction, so that a shop is whole or absent. */
export const fillShop: ReadonlyArray<string> = [
  "set local synchronous_commit = off",
  "set local maintenance_work_mem = '256MB'",
  "set local timezone = 'UTC'",
  // The estimates of a source come from statistics; a small sample is enough for them.
  "set local default_statistics_target = 10",
  ...[regions, people, goods, sales, lines, reader].flatMap(statements),
  "analyze"
]

/** Is there a shop? Answers one row with one column, `found`. */
export const findShop =
  "select exists (select from pg_tables where schemaname = 'public' and tablename = 'lineitem') as found"

/**
 * Corrects the quantity of `rows` order lines spread over the shop, as a clerk
 * would: now. Answers one row with one column, `changed`.
 */
export const touchShop = (rows: number): string => `
with chosen as (
  select o_orderkey from orders where o_orderkey % greatest(1, ${orders} / ${rows}) = 0 order by o_orderkey limit ${rows}
), changed as (
  update lineitem set l_quantity = l_quantity % 50 + 1, updated_at = clock_timestamp()
  from chosen where l_orderkey = o_orderkey and l_linenumber = 1 returning 1
)
select count(*)::int as changed from changed`

/** There is one first line an order, so no more can be changed at once. */
export const mostTouched = orders
