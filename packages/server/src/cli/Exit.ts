/** What the command's exit code means. Scripts depend on these numbers: they are never given another meaning. */

export const Exit = {
  done: 0,
  /** The run failed for a reason that none of the others names. */
  failed: 1,
  usage: 2,
  configuration: 3,
  /** Cannot connect to the source, or read it. */
  source: 5,
  /** Cannot connect to the sink, or write it. */
  sink: 6,
  /** Rows were rejected, or the schema changed, beyond what the policy allows. */
  rejected: 7,
  /** The unit is being carried by another run, or the server already runs. */
  running: 8,
  /** A bug in Headrace. */
  bug: 70,
  /** Ctrl-C; the same command goes on where this one ended. */
  interrupted: 130,
  /** SIGTERM; resumable as well. */
  terminated: 143
} as const
export type Exit = (typeof Exit)[keyof typeof Exit]
