#!/usr/bin/env node
// Node 22 and later read TypeScript by themselves; what is older needs tsx for it.
import { register } from "tsx/esm/api";

register();
const { main } = await import("./src/main.ts");
process.exitCode = await main(process.argv.slice(2));
