// A paid stream of tokens, whose price is known at its end. Needs no login: any x402 server will do.
//
//     node examples/stream.mjs ready.json http://127.0.0.1:8404/v1/chat/completions llama3.2
import { ResourcePayer } from "@millrace/client";
import { readyLine, richAccount, usdc } from "./development.mjs";

const ready = readyLine();
const url = process.argv[3] ?? "http://127.0.0.1:8404/v1/chat/completions";
const model = process.argv[4] ?? "llama3.2";

const payer = new ResourcePayer({
  account: richAccount(4),
  tokens: [{ network: ready.network, address: ready.token }],
  spendingCap: { total: 1_000_000n },
});

const stream = await payer.stream(
  url,
  {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      model,
      stream: true,
      max_tokens: 30,
      messages: [{ role: "user", content: "Count to ten." }],
    }),
  },
  { maxAmount: 50_000n },
);

process.stdout.write("answer    ");
for await (const { data } of stream) {
  if (data === "[DONE]") continue;
  process.stdout.write(JSON.parse(data).choices[0]?.delta?.content ?? "");
}
const settlement = await stream.settled;
console.log(`\ncost      ${settlement ? usdc(settlement.charged) : "nothing was paid"}`);
