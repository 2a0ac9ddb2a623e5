// Pays for a resource that asks for it by x402, such as a model server behind `millrace gate`.
//
//     node examples/fetch.mjs ready.json http://127.0.0.1:8404/v1/chat/completions llama3.2
import { Millrace } from "@millrace/client";
import { readyLine, richAccount, usdc } from "./development.mjs";

const ready = readyLine();
const url = process.argv[3] ?? "http://127.0.0.1:8404/v1/chat/completions";
const model = process.argv[4] ?? "llama3.2";

const app = await Millrace.connect({
  url: ready.stream,
  account: richAccount(3),
  spendingCap: { total: 1_000_000n, perPayment: 50_000n },
});

const response = await app.fetch(url, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({
    model,
    max_tokens: 30,
    messages: [{ role: "user", content: "Say something short." }],
  }),
});
if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
const { choices } = await response.json();
const settlement = await app.settlement(response);
console.log(`answer    ${choices[0].message.content.trim()}`);
console.log(`cost      ${settlement ? usdc(settlement.charged) : "nothing was paid"}`);

console.log(`refunded  ${usdc(await app.resources.refund(url))}`);
app.close();
