/**
 * The `KvStore` that is the table `hr_kv` of our own database. Who has it, rather
 * than any `KvStore`, may move a checkpoint in a statement that moves other rows too.
 */
import type { KvStore } from "@headrace/core/services/KvStore"
import { Context } from "effect"

export class CheckpointTable extends Context.Service<CheckpointTable, KvStore["Service"]>()(
  "@headrace/adapters/sql/CheckpointTable"
) {}
