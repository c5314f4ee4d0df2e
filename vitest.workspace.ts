/** One project per package. Vitest does not look for this file name, so every script passes it as `--config`. */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const project = (name: string, globalSetup: Array<string> = []) => ({
  extends: true as const,
  test: { name, root: `packages/${name}`, include: ["test/**/*.test.ts"], globalSetup }
})

export default defineConfig({
  // Without the alias vite and Node pick two builds of graphql, and every query fails across realms.
  resolve: { alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve("graphql")) }] },
  ssr: { resolve: { conditions: ["@headrace/source", "node", "import", "module", "default"] } },
  test: {
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      project("core"),
      project("adapters", ["test/postgres.ts"]),
      project("server", ["../adapters/test/postgres.ts"])
    ]
  }
})
