/**
 * `EndpointRepo` over the existing table `"MetadataEndpoint"`, whose rows have
 * no tenant: `hr_endpoint` says whose each is, and a row without an entry is the
 * default tenant's, in project `global`.
 */
import { PgClient } from "@effect/sql-pg"
import { Endpoint, type EndpointId, type Scope } from "@headrace/core/domain/Endpoint"
import { DuplicateSourceId, EndpointRepo, EndpointRepoError } from "@headrace/core/services/EndpointRepo"
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import * as Transaction from "../sql/Transaction.ts"

const { scope: _, ...columns } = Endpoint.fields

const Row = Schema.Struct({
  ...columns,
  tenant: Schema.NonEmptyString,
  project: Schema.NonEmptyString,
  createdAt: Schema.DateTimeUtcFromDate,
  updatedAt: Schema.DateTimeUtcFromDate,
  deletedAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

const endpointOf = ({ tenant, project, ...row }: typeof Row.Type): Endpoint =>
  Endpoint.make({ ...row, scope: { tenant, project } })

const dateOf = (at: DateTime.Utc | null) => (at === null ? null : DateTime.toDateUtc(at))

/** The row as the client takes it. */
const recordOf = ({ labels, capabilities, createdAt, updatedAt, deletedAt, ...row }: Endpoint) => ({
  ...row,
  labels: [...labels],
  capabilities: [...capabilities],
  createdAt: dateOf(createdAt),
  updatedAt: dateOf(updatedAt),
  deletedAt: dateOf(deletedAt)
})

const failed = (cause: unknown) => new EndpointRepoError({ cause })

/** The row is another tenant's or project's; the answer must not say more than that. */
const foreign = failed(new Error("the endpoint's id is taken outside of its scope"))

export const make = (options: { readonly defaultTenant: string }) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient

    const scoped = sql`
      select e.*, coalesce(e."labels", '{}') as "labels", coalesce(e."capabilities", '{}') as "capabilities",
        coalesce(s.tenant, ${options.defaultTenant}) as tenant, coalesce(s.project, 'global') as project
      from "MetadataEndpoint" e left join hr_endpoint s on s.endpoint_id = e."id"`

    const inScope = ({ tenant, project }: Scope) =>
      sql`coalesce(s.tenant, ${options.defaultTenant}) = ${tenant} and coalesce(s.project, 'global') = ${project}`

    const select = (where: Fragment) =>
      sql`${scoped} where ${where}`.pipe(
        Effect.flatMap(decodeRows),
        Effect.map((rows) => rows.map(endpointOf)),
        Effect.mapError(failed)
      )

    const first = (where: Fragment) => Effect.map(select(where), (rows) => Option.fromNullishOr(rows[0]))

    const isForeign = Effect.fnUntraced(function* ({ id, scope }: Endpoint) {
      const rows = yield* sql`
        select ${inScope(scope)} as ours from "MetadataEndpoint" e left join hr_endpoint s on s.endpoint_id = e."id"
        where e."id" = ${id} for update of e`
      return rows[0] !== undefined && rows[0]["ours"] !== true
    })

    const write = (endpoint: Endpoint) => {
      const { id, scope, config, ...row } = recordOf(endpoint)
      const record = { id, ...row, config: config === null ? null : sql.json(config) }
      return sql`
        insert into "MetadataEndpoint" ${sql.insert(record)}
        on conflict ("id") do update set ${sql.update(record, ["id"])}`.pipe(
        Effect.andThen(sql`
          insert into hr_endpoint (endpoint_id, tenant, project) values (${id}, ${scope.tenant}, ${scope.project})
          on conflict (endpoint_id) do nothing`)
      )
    }

    return EndpointRepo.of({
      list: Effect.fn("SqlEndpointRepo.list")((scope: Scope) =>
        select(sql`${inScope(scope)} and e."deletedAt" is null order by e."createdAt", e."id" collate "C"`)
      ),
      get: Effect.fn("SqlEndpointRepo.get")((scope: Scope, id: EndpointId) =>
        first(sql`${inScope(scope)} and e."id" = ${id}`)
      ),
      find: Effect.fn("SqlEndpointRepo.find")((scope: Scope, idOrSourceId: string) =>
        first(sql`
          ${inScope(scope)} and e."deletedAt" is null
          and (e."id" = ${idOrSourceId} or e."sourceId" = ${idOrSourceId})
          order by (e."id" = ${idOrSourceId}) desc limit 1`)
      ),
      put: Effect.fn("SqlEndpointRepo.put")((endpoint: Endpoint) =>
        Effect.gen(function* () {
          yield* (yield* isForeign(endpoint)) ? foreign : write(endpoint)
        }).pipe(
          Transaction.within(sql),
          Effect.mapError((error) => {
            if (error._tag === "EndpointRepoError") return error
            return error.reason._tag === "UniqueViolation"
              ? new DuplicateSourceId({ sourceId: endpoint.sourceId })
              : failed(error)
          })
        )
      )
    })
  })

/** `defaultTenant`: whose the rows without an entry are. */
export const layer = (options: {
  readonly defaultTenant: string
}): Layer.Layer<EndpointRepo, never, PgClient.PgClient> => Layer.effect(EndpointRepo, make(options))
