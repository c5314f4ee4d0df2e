import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parseReference, type Surroundings } from "../../src/cli/Reference.ts"

const surroundings: Surroundings = {
  folder: "/home/ada/work",
  user: "ada",
  exists: () => false,
  environment: (name) =>
    ({ SHOP_PW: "p@ss:w/rd", SHOP: "postgres://app:hunter2@db/shop", LAKE: "./lake" })[name] ?? null,
  file: (path) => (path === "/run/secrets/pw" ? "from-file" : null)
}
const parse = (text: string) => Result.getOrThrow(parseReference(text, surroundings))
const refusal = (text: string) => Result.getOrThrow(Result.flip(parseReference(text, surroundings)))

describe("a postgres reference", () => {
  it("fills the template's form", () => {
    const reference = parse("postgres://app:s%40fe@db.example:5433/shop?sslmode=require&schemas=public,audit")

    assert.strictEqual(reference.templateId, "jdbc.postgres")
    assert.deepStrictEqual(reference.parameters, {
      host: "db.example",
      port: "5433",
      database: "shop",
      username: "app",
      password: "s@fe",
      ssl_mode: "require",
      schemas: "public,audit"
    })
  })

  it("keeps its identity whoever signs in, with whatever password", () => {
    const ids = ["postgres://app:one@db/shop", "postgresql://eve:two@db:5432/shop", "postgres://db/shop"].map(
      (text) => parse(text).sourceId
    )

    assert.deepStrictEqual([...new Set(ids)], ["postgres://db:5432/shop"])
  })

  it("shows a place for the password only where the reference says one", () => {
    const signedIn = { ...surroundings, environment: () => "from-outside" }
    const shown = Result.getOrThrow(parseReference("postgres://app@db/shop", signedIn)).shown

    assert.strictEqual(shown, "postgres://app@db:5432/shop")
    assert.strictEqual(
      parse("postgres://app:${env:SHOP_PW}@db/shop").shown,
      "postgres://app:•••@db:5432/shop"
    )
  })

  it("never shows the password, nor puts it into the identity", () => {
    const { shown, sourceId } = parse("postgres://app:hunter2@db/shop")

    assert.strictEqual(shown, "postgres://app:•••@db:5432/shop")
    assert.notInclude(shown + sourceId, "hunter2")
  })

  it("takes a password with any characters from the environment, or from a file", () => {
    assert.strictEqual(parse("postgres://app:${env:SHOP_PW}@db/shop").parameters["password"], "p@ss:w/rd")
    assert.strictEqual(
      parse("postgres://app:${file:/run/secrets/pw}@db/shop").parameters["password"],
      "from-file"
    )
  })

  it("knows a typed password from one that was looked up", () => {
    assert.isTrue(parse("postgres://app:typed@db/shop").isPasswordTyped)
    assert.isFalse(parse("postgres://app:${env:SHOP_PW}@db/shop").isPasswordTyped)
    assert.isFalse(parse("postgres://app@db/shop").isPasswordTyped)
  })

  it("takes a socket folder as host, percent-encoded or as a setting", () => {
    for (const text of ["postgres://ada@%2Fvar%2Frun/shop", "postgres://ada@/shop?host=/var/run"]) {
      const reference = parse(text)
      assert.strictEqual(reference.parameters["host"], "/var/run")
      assert.strictEqual(reference.sourceId, "postgres://%2Fvar%2Frun:5432/shop")
    }
  })

  it("is proposed again as it was written, unless that holds a password", () => {
    assert.deepStrictEqual(
      ["postgres://app:${env:SHOP_PW}@db/shop", "postgres://db/shop", "postgres://app:typed@db/shop"].map(
        (text) => parse(text).again
      ),
      ["postgres://app:${env:SHOP_PW}@db/shop", "postgres://db/shop", "postgres://app@db/shop"]
    )
  })

  it.each([
    ["postgres://app:x@db/shop?sslmode=require", "postgres://app@db/shop?sslmode=require"],
    ["postgres://app@db/shop?password=x&schemas=s1", "postgres://app@db/shop?schemas=s1"],
    ["postgres://app@db/shop?schemas=s1&password=x", "postgres://app@db/shop?schemas=s1"],
    ["postgres://app@db/shop?password=x", "postgres://app@db/shop"]
  ])("is proposed again without the password, and with all else: %s", (text, again) => {
    assert.strictEqual(parse(text).again, again)
  })

  it("shows the schemas, which are no part of its identity", () => {
    const { shown, sourceId } = parse("postgres://app@db/shop?schemas=s1")

    assert.strictEqual(shown, "postgres://app@db:5432/shop?schemas=s1")
    assert.strictEqual(sourceId, "postgres://db:5432/shop")
  })

  it("names the variable that is not set", () => {
    const message = refusal("postgres://app:${env:NOPE}@db/shop")

    assert.strictEqual(message.exit, 3)
    assert.include(message.title, "NOPE")
  })

  it("refuses a port that is none, and a setting nobody knows, naming the nearest", () => {
    assert.include(refusal("postgres://db:54x2/shop").why.join(), "54x2")
    assert.include(refusal("postgres://db/shop?sslmod=require").advice.join(), "sslmode")
  })

  it("does not repeat a reference it cannot read, since it may hold a password", () => {
    for (const text of ["postgers://app:hunter2@db/shop", "postgres://a/b/c:hunter2@db?%zz=hunter2"]) {
      assert.notInclude(JSON.stringify(refusal(text)), "hunter2")
    }
  })
})

describe("any other reference", () => {
  it("may come from the environment as a whole, password and all", () => {
    const shop = parse("${env:SHOP}")

    assert.deepStrictEqual(shop, {
      ...parse("postgres://app:hunter2@db/shop"),
      again: "${env:SHOP}",
      isPasswordTyped: false
    })
    assert.strictEqual(parse("${env:LAKE}").sourceId, "file:///home/ada/work/lake")
    assert.include(refusal("${env:NOPE}").title, "NOPE")
  })

  it.each([
    "postgres//app:hunter2@h/t",
    "postgres:/app:hunter2@h/t",
    "//app:hunter2@h/t",
    "./postgres//app:hunter2@h/t",
    "app:hunter2@h/t",
    "postgres//app:hun/ter2@h/t",
    "app:hun/hunter2@h/t",
    "jdbc:postgresql:app:hunter2@h"
  ])("is refused, and not repeated, when it has the look of an address: %s", (text) => {
    const { exit, title, ...rest } = refusal(text)

    assert.strictEqual(exit, 2)
    assert.include(title, "looks like an address")
    assert.notInclude(JSON.stringify(rest) + title, "hun")
  })

  it.each(["./orders:eu@2024.csv", "/data/a:b@c", "~x/a:b@c", "me@home", "a:b"])(
    "is a path when it only has signs of one: %s",
    (text) => {
      assert.strictEqual(parse(text).templateId, "file.local")
    }
  )

  it("is a path below the folder the command was called in", () => {
    assert.deepStrictEqual(parse("./lake").parameters, { base_path: "/home/ada/work/lake" })
    assert.strictEqual(parse("lake/").sourceId, parse("file:///home/ada/work/lake").sourceId)
  })

  it("is refused with the nearest scheme when it has an unknown one", () => {
    const message = refusal("postgress://db/shop")

    assert.strictEqual(message.exit, 2)
    assert.include(message.advice.join(), "postgres://")
  })

  it.each(["s3://bucket/key", "S3A://key:s3cret@bucket"])(
    "says of %s where a bucket is registered",
    (text) => {
      const message = refusal(text)

      assert.deepStrictEqual([message.number, message.exit], ["HR2001", 2])
      assert.include(message.advice.join(), "object.s3: docs/ENDPOINTS.md#objects3")
      assert.notInclude(JSON.stringify(message), "s3cret")
    }
  )
})

describe("an iceberg reference", () => {
  const typed =
    "iceberg+https://catalog/api?warehouse=lake&token=t0ken&namespace=raw&s3.secret-access-key=k3y"

  it("in a PostgreSQL takes the password of its user as the token, as the pages write it", () => {
    const reference = parse(
      "iceberg+postgresql://iceberg@host:5432/catalog?warehouse=./ice&token=${env:SHOP_PW}"
    )

    assert.deepStrictEqual(reference.parameters, {
      catalog_type: "sql",
      catalog_uri: "postgresql://iceberg@host:5432/catalog",
      warehouse: "/home/ada/work/ice",
      token: "p@ss:w/rd"
    })
  })

  it("is the address of the catalog, with the rest of the template after the question mark", () => {
    const reference = parse(
      "iceberg+postgresql://app:${env:SHOP_PW}@db:5433/catalog?sslmode=require&warehouse=s3://b/lake&namespace=raw"
    )

    assert.strictEqual(reference.templateId, "warehouse.iceberg")
    assert.deepStrictEqual(reference.parameters, {
      catalog_type: "sql",
      catalog_uri: "postgresql://app@db:5433/catalog?sslmode=require",
      warehouse: "s3://b/lake",
      namespace: "raw",
      token: "p@ss:w/rd"
    })
  })

  it("takes files and folders from where the command was called", () => {
    const { parameters } = parse("iceberg+sqlite:///catalog.db?warehouse=./lake")

    assert.strictEqual(parameters["catalog_uri"], "sqlite:////home/ada/work/catalog.db")
    assert.strictEqual(parameters["warehouse"], "/home/ada/work/lake")
    assert.strictEqual(
      parse("iceberg+sqlite:////data/c.db").parameters["catalog_uri"],
      "sqlite:////data/c.db"
    )
  })

  it("gives properties with a dot to the catalog's storage", () => {
    const { parameters } = parse(typed)

    assert.strictEqual(parameters["catalog_uri"], "https://catalog/api")
    assert.strictEqual(parameters["additional_properties"], '{"s3.secret-access-key":"k3y"}')
  })

  it("is another place in another namespace, and the same one whoever signs in", () => {
    const raw = "iceberg+postgresql://db/catalog?namespace=raw"

    assert.strictEqual(parse(`${raw}&warehouse=/a&token=x`).sourceId, raw)
    assert.strictEqual(
      parse("iceberg+postgresql://eve:two@db/catalog?namespace=raw&warehouse=/a").sourceId,
      raw
    )
    assert.notStrictEqual(parse("iceberg+postgresql://db/catalog?namespace=other").sourceId, raw)
  })

  it("shows no secret, and is proposed again without those that were typed", () => {
    const { shown, sourceId, again, secrets, isPasswordTyped } = parse(typed)

    assert.strictEqual(again, "iceberg+https://catalog/api?warehouse=lake&namespace=raw")
    assert.deepStrictEqual([...secrets].toSorted(), ["k3y", "t0ken"])
    assert.isTrue(isPasswordTyped)
    assert.notMatch(shown + sourceId, /t0ken|k3y/)
    assert.isFalse(parse("iceberg+https://catalog?token=${env:SHOP_PW}").isPasswordTyped)
    assert.strictEqual(
      parse("iceberg+postgresql://a:typed@db/c?warehouse=/a").again,
      "iceberg+postgresql://a@db/c?warehouse=/a"
    )
  })

  it("is refused with its form when it has none", () => {
    assert.strictEqual(refusal("iceberg+https://a#b").number, "HR2002")
    assert.strictEqual(refusal("iceberg+mysql://db/c").number, "HR2001")
    assert.strictEqual(refusal("iceberg+https://a?token=%zz").number, "HR2002")
  })
})
