/**
 * The words between an endpoint's form and its connection: parameters as the
 * worker takes them, and what people are told when a connection does not work. Pure.
 */
import type { JsonObject, Scope } from "../domain/Endpoint.ts"
import { nearest } from "../domain/Nearest.ts"
import { isSecretParameter, unmaskConfig } from "../domain/Masking.ts"
import type { EndpointTemplate, TemplateField } from "../domain/Template.ts"
import type { FailureKind } from "../domain/Failure.ts"
import type { ConnectionTest, Diagnostic } from "../protocol/Protocol.ts"
import type { PythonWorkerError } from "../services/PythonWorker.ts"
import { ConnectionTestFailed } from "./EndpointFailure.ts"

/** Parameters as the worker takes them: text; a list is comma-separated, null is empty, other JSON its own text. */
export const parametersOf = (value: unknown): Readonly<Record<string, string>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, textOf(each)]))
    : {}

/** The same without those that say nothing. */
export const saidOf = (value: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(parametersOf(value)).filter(([, text]) => text !== ""))

/** Every parameter the template asks for: what was not said is empty, so that an empty password is one. */
export const completed = (
  { fields }: Pick<EndpointTemplate, "fields">,
  parameters: Readonly<Record<string, string>>
): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(fields.map(({ key }) => [key, ""])),
  ...parameters
})

/** What may change without a connection going elsewhere; everything else says to whom a secret is told. */
const saysNotToWhom = ({ key, semantic }: TemplateField): boolean =>
  key === "version_hint" || semantic === "SCHEMA" || semantic === "TABLE" || semantic === "ROLE"

/**
 * The first parameter by which `sent` would tell a stored secret to somebody
 * else than it was entered for: another host, user, way to encrypt. Null when
 * it goes where it always went. What a template does not know says so as well.
 */
export const goesElsewhere = (
  template: EndpointTemplate,
  stored: Readonly<Record<string, string>>,
  sent: Readonly<Record<string, string>>
): string | null => {
  const fields = new Map<string, TemplateField>(template.fields.map((field) => [field.key, field]))
  const said = (key: string, parameters: Readonly<Record<string, string>>) =>
    parameters[key] || fields.get(key)?.defaultValue || ""
  const isFree = (key: string) => {
    const field = fields.get(key)
    return isSecretParameter(template, key) || (field !== undefined && saysNotToWhom(field))
  }
  const keys = new Set([...fields.keys(), ...Object.keys(stored), ...Object.keys(sent)])
  return [...keys].find((key) => !isFree(key) && said(key, stored) !== said(key, sent)) ?? null
}

const textOf = (value: unknown): string => {
  if (value === null || value === undefined) return ""
  if (Array.isArray(value)) return value.map(textOf).join(",")
  return typeof value === "string" ? value : JSON.stringify(value)
}

/** Made when the client names none: readable, lower case, and unlike any other. */
export const sourceIdOf = ({ project }: Scope, name: string, uuid: string): string =>
  [project, name.replaceAll(/[^\p{L}\p{N}]+/gu, "-"), uuid.replaceAll("-", "").slice(0, 8)]
    .join("-")
    .toLowerCase()

export const sentence = ({ message, hint }: Diagnostic): string =>
  hint === null ? message : `${message} ${hint}`

export const unknownTemplate = (id: string, known: ReadonlyArray<EndpointTemplate>) =>
  new ConnectionTestFailed({
    detail: `There is no endpoint template "${id}". Known: ${known.map((template) => template.id).join(", ") || "none, since no worker has answered yet"}.`,
    field: "templateId"
  })

export const secretRequired = (path: ReadonlyArray<string>) =>
  new ConnectionTestFailed({
    detail: `"${path.at(-1)}" was sent as ****, and nothing is stored that it could stand for. Enter the value.`,
    field: path.at(-1) ?? null
  })

/** The secret is stored, and was entered for somebody else than it would be told now. */
export const secretNotTold = (path: ReadonlyArray<string>, elsewhere: string) =>
  new ConnectionTestFailed({
    detail: `"${path.at(-1)}" was sent as ****, and "${elsewhere}" is not what it was stored with. A stored secret is told only to whom it was entered for: enter it again.`,
    field: path.at(-1) ?? null
  })

/**
 * A connection as it was sent, with the stored secrets it keeps by `****`; or why
 * one of them cannot be kept. `stored` is the endpoint's configuration, opened.
 */
export const completedFrom = (
  stored: JsonObject | null,
  connection: JsonObject,
  template: EndpointTemplate
) => {
  const sent = { parameters: parametersOf(connection) }
  const { config, missing } = unmaskConfig(sent, stored, template)
  const elsewhere =
    stored === null
      ? null
      : goesElsewhere(template, parametersOf(stored["parameters"]), parametersOf(config["parameters"]))
  const [told] = elsewhere === null ? missing : unmaskConfig(sent, null, template).missing
  if (told === undefined) return { config, refusal: null }
  return { config, refusal: elsewhere === null ? secretRequired(told) : secretNotTold(told, elsewhere) }
}

/** Of what a test told: a system that turns somebody away is known by that, and wrong words by the step they end at. */
const kindOf = ({ step, tag }: ConnectionTest["details"]): FailureKind | undefined => {
  if (tag === "AuthenticationFailed" || tag === "PermissionDenied") return tag
  return step === "parameters" ? "ConfigInvalid" : undefined
}

/** What the first thing that is wrong says of a connection that does not work. */
export const notConnected = ({ message, details, diagnostics }: ConnectionTest) => {
  const blamed = diagnostics.find(({ level }) => level === "ERROR")
  const kind = kindOf(details)
  return new ConnectionTestFailed({
    detail: blamed === undefined ? message : sentence(blamed),
    field: blamed?.field ?? null,
    ...(kind === undefined ? {} : { kind })
  })
}

export const refused = ({ reason }: PythonWorkerError) => {
  switch (reason._tag) {
    case "RequestRejected": {
      const field = reason.problem.details["field"]
      return new ConnectionTestFailed({
        detail: reason.problem.message,
        field: typeof field === "string" ? field : null,
        kind: reason.problem.tag
      })
    }
    case "WorkerContractViolation":
      return new ConnectionTestFailed({
        detail: "The worker's answer made no sense; the log has it.",
        field: null
      })
    case "WorkerLost":
    case "WorkerUnavailable":
      return new ConnectionTestFailed({
        detail: "No worker could test the connection. Try again in a moment; the server's log says why.",
        field: null,
        ...(reason._tag === "WorkerUnavailable" ? { noWorker: reason.detail } : {})
      })
  }
}

/** A parameter that no field of the template has: it is kept, and changes nothing. */
export const unknownParameters = (
  template: EndpointTemplate,
  parameters: Readonly<Record<string, string>>
): ReadonlyArray<Diagnostic> => {
  const known = template.fields.map(({ key }) => key)
  return Object.keys(parameters)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const near = nearest(key, known)
      return {
        level: "WARN",
        code: "UNKNOWN_PARAMETER",
        message: `${template.id} has no parameter "${key}", so it changes nothing.`,
        hint: near.length > 0 ? `Did you mean ${near.join(", ")}?` : `It has ${known.join(", ")}.`,
        field: key
      }
    })
}

export const failed = (error: ConnectionTestFailed): Diagnostic => ({
  level: "ERROR",
  code: "E_CONN_TEST_FAILED",
  message: error.detail,
  hint: null,
  field: error.field
})

export const worked = (message: string): Diagnostic => ({
  level: "INFO",
  code: "CONNECTION_OK",
  message,
  hint: null,
  field: null
})
