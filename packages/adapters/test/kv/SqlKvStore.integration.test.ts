import * as SqlKvStore from "@headrace/adapters/kv/SqlKvStore"
import * as KvStoreSuite from "@headrace/core/testing/KvStoreSuite"
import { Layer } from "effect"
import * as Database from "../Database.ts"

KvStoreSuite.suite("sql", SqlKvStore.layer.pipe(Layer.provide(Database.layer)))
