import { assert, describe, it } from "@effect/vitest"
import { inCommandWords } from "../../src/cli/Wording.ts"

describe("a sentence of the data plane", () => {
  it.each([
    ["There is no directory /x. Create it, or correct base_path; / is there.", "correct the path;"],
    ["Give this sink another base_path, or move the directory away.", "another path,"],
    ["TLS failed. Check ssl_root_cert and ssl_mode.", "Check sslrootcert and sslmode."],
    ["mode is incremental, and no cursorField says which column grows.", "no --cursor says"],
    ["Set the policy's primaryKeys, or choose append.", "Set --key, or"],
    ["Set writeDisposition to merge.", "Set --write to merge."],
    [
      'Or set such rows aside with quarantine {"maxRows": 100}.',
      `aside with --policy quarantine='{"maxRows": 100}'.`
    ],
    [
      "Or set the parameter delimiter, such as delimiter=;.",
      "set '?delimiter=;' at the end of the reference."
    ],
    ["Set the parameter format back, or reset.", "Set ?format=… at the end of the reference back"],
    [
      "Correct it, or say in column_types that 'zip' is string.",
      `or end the reference with '?column_types={"zip":"string"}'.`
    ],
    ["Give another schema with the sink's schemas.", "another schema with --sink '…?schemas=NAME'."]
  ])("is told in the words of the command: %s", (sentence, told) => {
    assert.include(inCommandWords(sentence), told)
  })

  it.each(["No column 'primaryKeys'.", "public.cursorField is gone.", "my_ssl_mode is text."])(
    "keeps the names of columns and tables: %s",
    (sentence) => {
      assert.strictEqual(inCommandWords(sentence), sentence)
    }
  )
})
