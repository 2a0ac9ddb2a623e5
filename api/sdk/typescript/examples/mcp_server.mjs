// A tool whose each call is paid, as a server of the Model Context Protocol over standard input and output. The price stands in
// the tool's `_meta`; a call names the authorization that pays for it. Started by mcp_agent.mjs.
import { createInterface } from "node:readline";
import { Millrace } from "@millrace/client";
import { newAccount, readyLine } from "./development.mjs";

const ready = readyLine();
const receiver = newAccount();
const kPricePerWord = 100n;
const kWordsMax = 50n;

/** Inference id → the job, or who waits for it. */
const jobs = new Map();
const waiting = new Map();

const millrace = await Millrace.connect({ url: ready.stream, account: receiver });
const provider = millrace.provider();
await provider.onAuthorized(
  (job) =>
    new Promise((done) => {
      // The call concludes it: the handler stays with it until then.
      jobs.set(job.inferenceId, { job, done });
      waiting.get(job.inferenceId)?.();
    }),
);

async function paidBy(inferenceId) {
  if (!jobs.has(inferenceId)) await new Promise((resolve) => waiting.set(inferenceId, resolve));
  const found = jobs.get(inferenceId);
  jobs.delete(inferenceId);
  waiting.delete(inferenceId);
  return found;
}

const tool = {
  name: "count_words",
  description: "Counts the words of a text.",
  inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  _meta: { "millrace/receiver": receiver.address, "millrace/maxAmount": String(kPricePerWord * kWordsMax) },
};

const methods = {
  initialize: async () => ({
    protocolVersion: "2025-06-18",
    capabilities: { tools: {} },
    serverInfo: { name: "paid-tools", version: "0.1.0" },
  }),
  "tools/list": async () => ({ tools: [tool] }),
  "tools/call": async ({ arguments: { text }, _meta = {} }) => {
    const inferenceId = _meta["millrace/inferenceId"];
    if (!inferenceId)
      return {
        isError: true,
        content: [{ type: "text", text: "This tool is paid: authorize a call first." }],
      };
    const { job, done } = await paidBy(inferenceId);
    const words = text.split(/\s+/).filter(Boolean).length;
    const { amount } = await job.charge(BigInt(words) * kPricePerWord);
    done();
    return {
      content: [{ type: "text", text: String(words) }],
      _meta: { "millrace/charged": String(amount) },
    };
  },
};

const input = createInterface({ input: process.stdin });
input.on("line", async (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const answer = { jsonrpc: "2.0", id };
  try {
    if (!methods[method]) answer.error = { code: -32601, message: `no method ${method}` };
    else answer.result = await methods[method](params);
  } catch (error) {
    answer.error = { code: -32603, message: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
input.on("close", async () => {
  await provider.claim().catch(() => {});
  millrace.close();
});
