#!/usr/bin/env node
// The command, in a file that is there before the first build: npm links what it finds when it installs.
// Plain enough for a Node that is too old to be told so.
const [major, minor] = process.versions.node.split(".").map(Number)
if (major > 22 || (major === 22 && minor >= 19)) await import("../dist/main.js")
else {
  console.error(`✗ Node is too old   HR1003
  Found ${process.versions.node}; Headrace needs 22.19 or newer.
  In a clone:  npx headrace  (it brings its own Node on Linux). Else install a newer one.`)
  process.exit(3)
}
