/** From the errors of core's services to what the command says about them. */
import { codeOf, type Side } from "@headrace/core/domain/Failure"
import type { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import type { Ingestion } from "@headrace/core/lifecycle/Ingestion"
import type { PythonWorkerError } from "@headrace/core/services/PythonWorker"
import type * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import { messageFor } from "./Catalogue.ts"
import { Exit } from "./Exit.ts"
import { hintAt } from "./Hint.ts"
import { refuse, Refused } from "./Message.ts"
import type { Reference } from "./Reference.ts"
import { inCommandWords } from "./Wording.ts"

/** What the worker could not do; `side` says what was asked of it, for failures that do not say it themselves. */
export const refusedByWorker = ({ reason }: PythonWorkerError, side: Side, where: string | null): Refused => {
  switch (reason._tag) {
    case "RequestRejected": {
      const { tag, role, message } = reason.problem
      return new Refused(messageFor(`${codeOf(tag, role ?? side)}: ${message}`, where))
    }
    case "WorkerContractViolation":
      return new Refused(
        messageFor(`${codeOf(reason._tag)}: The worker's answer cannot be read: ${reason.issue}`, where)
      )
    default:
      return new Refused(messageFor(`${codeOf(reason._tag)}: ${reason.detail}`, null))
  }
}

/** What to add where somebody was not let in who may have forgotten to say a password. */
export const noPassword = ({ parameters }: Pick<Reference, "parameters">): ReadonlyArray<string> =>
  parameters["password"] === ""
    ? ["No password was given: it is taken from PGPASSWORD, or from '${env:NAME}' in its place."]
    : []

type RegistrationError = Effect.Error<ReturnType<Endpoints["Service"]["ensure"]>>

/** Why a system cannot be used at all; nothing was started. */
export const refusedBySystem = (
  error: RegistrationError,
  side: "source" | "sink",
  reference: Reference
): Refused => {
  if (error._tag !== "ConnectionTestFailed") return refusedByStore(error)
  if (error.noWorker !== undefined)
    return new Refused(messageFor(`${codeOf("WorkerUnavailable")}: ${error.noWorker}`, null))
  const { title, number, exit } =
    error.kind === undefined
      ? { title: `Cannot use the ${side}`, number: side === "source" ? "HR3001" : "HR3002", exit: Exit[side] }
      : messageFor(`${codeOf(error.kind, side)}: ${error.detail}`, null)
  return refuse({
    title,
    number,
    exit,
    where: reference.shown,
    why: [
      inCommandWords(error.detail),
      ...(error.kind === "AuthenticationFailed" ? noPassword(reference) : [])
    ],
    advice: [`Try:  ${hintAt("check", reference)}`]
  })
}

/** A unit that its source does not have; `why`: what the source said of it, if it was asked. */
export const refusedUnit = (
  unitId: string,
  why: string | null,
  from: Pick<Reference, "templateId" | "shown" | "again" | "isPasswordTyped">
): Refused =>
  refuse({
    title: `No unit "${unitId}" in ${from.shown}`,
    number: "HR2003",
    exit: Exit.source,
    why: why === null ? [] : [why],
    advice: [
      isSeveral(unitId, from) ? "A command carries one unit: say a command for each." : "",
      `All: ${hintAt("discover", from)}`
    ]
  })

/** `public.*`, `a,b`: of files a `*` makes a unit, of tables it makes none. */
const isSeveral = (unitId: string, { templateId }: Pick<Reference, "templateId">): boolean =>
  unitId.includes(",") || (templateId === "jdbc.postgres" && unitId.includes("*"))

type ActionError = Effect.Error<ReturnType<Ingestion["Service"]["start"]>>

/** Why a run was not accepted; nothing was started. */
export const refusedAction = (error: ActionError, from: Reference, to: Reference): Refused =>
  Match.value(error).pipe(
    Match.tag("UnitNotFound", ({ unitId, near, why }) =>
      refusedUnit(unitId, why ?? (near.length > 0 ? `Did you mean ${near.join(", ")}?` : null), from)
    ),
    Match.tag("UnitsUnavailable", ({ detail, kind }) =>
      kind !== undefined
        ? new Refused(messageFor(`${codeOf(kind, "source")}: ${detail}`, from.shown))
        : refuse({
            title: "The source cannot be asked for its units",
            number: "HR3004",
            exit: Exit.source,
            where: from.shown,
            why: [inCommandWords(detail)]
          })
    ),
    Match.tag("CapabilityMissing", ({ capability, templateId }) =>
      refuse({
        title: `A source of type ${templateId} cannot do ${capability}`,
        number: "HR2201",
        exit: Exit.configuration,
        where: from.shown,
        advice: ["Leave out --mode, or say --mode full."]
      })
    ),
    Match.tag("SinkMissing", () =>
      refuse({
        title: "Nothing can be written there",
        number: "HR2202",
        exit: Exit.sink,
        where: to.shown,
        advice: ["A sink is a folder, postgres://…, or iceberg+ before a catalog's address."]
      })
    ),
    Match.orElse((rest) => refusedByStore(rest))
  )

/** A store of ours that cannot be reached, or one that holds what we never wrote. */
export const refusedByStore = (error: { readonly _tag: string; readonly cause?: unknown }): Refused =>
  new Refused(
    messageFor(
      `${codeOf("StoreUnavailable")}: ${error._tag}${error.cause instanceof Error ? `: ${error.cause.message}` : ""}`,
      null
    )
  )
