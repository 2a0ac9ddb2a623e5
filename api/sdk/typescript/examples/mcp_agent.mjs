// An agent that uses a paid tool of an MCP server: it looks at the price, authorizes each call, and sees what it came to.
//
//     node examples/mcp_agent.mjs ready.json
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Millrace, SpendingCapExceeded } from "@millrace/client";
import { readyLine, richAccount, usdc } from "./development.mjs";

const ready = readyLine();
const server = spawn(
  process.execPath,
  [fileURLToPath(new URL("mcp_server.mjs", import.meta.url)), process.argv[2]],
  {
    stdio: ["pipe", "pipe", "inherit"],
  },
);
const answers = new Map();
createInterface({ input: server.stdout }).on("line", (line) => {
  const { id, result, error } = JSON.parse(line);
  answers.get(id)?.(error ? Promise.reject(new Error(error.message)) : result);
});
let next = 1;
const call = (method, params = {}) =>
  new Promise((resolve) => {
    answers.set(next, resolve);
    server.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: next++, method, params })}\n`);
  });

await call("initialize", {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "agent", version: "0.1.0" },
});
const { tools } = await call("tools/list");
const [{ name, _meta: price }] = tools;
const maxAmount = BigInt(price["millrace/maxAmount"]);
console.log(`tool      ${name}, at most ${usdc(maxAmount)} a call`);

const agent = await Millrace.connect({
  url: ready.stream,
  account: richAccount(5),
  spendingCap: { total: 6_000n },
});
const channel = await agent.openChannel({ receiver: price["millrace/receiver"], deposit: 20_000n });

for (const text of ["to be or not to be", "all the world is a stage", "brevity is the soul of wit"]) {
  try {
    const authorization = await channel.authorize({ model: name, maxAmount });
    const { content, _meta: paid } = await call("tools/call", {
      name,
      arguments: { text },
      _meta: { "millrace/inferenceId": authorization.inferenceId },
    });
    const charged = await authorization.settled;
    if (charged !== BigInt(paid["millrace/charged"]))
      throw new Error("the tool says another price than it charged");
    console.log(`call      ${content[0].text} words in ${JSON.stringify(text)}: ${usdc(charged)}`);
  } catch (error) {
    if (!(error instanceof SpendingCapExceeded)) throw error;
    console.log(`stopped   ${error.message}`);
    break;
  }
}

const rest = await channel.close();
console.log(`refunded  ${usdc(rest.amount)}`);
server.stdin.end();
await once(server, "close");
agent.close();
