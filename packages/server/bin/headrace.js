#!/usr/bin/env node
// The command, in a file that is there before the first build: npm links what it finds when it installs.
import "../dist/main.js"
