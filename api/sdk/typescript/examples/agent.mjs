// An agent that pays for each step of its work, and stops when its budget is used up.
//
//     node examples/agent.mjs ready.json
import { Millrace, SpendingCapExceeded } from "@millrace/client";
import { newAccount, readyLine, richAccount, usdc } from "./development.mjs";

const ready = readyLine();
const kBudget = 10_000n;

// A model to work with: what a step costs is known when it is done.
const receiver = newAccount();
const model = await Millrace.connect({ url: ready.stream, account: receiver });
let steps = 0;
const listening = await model.provider().onAuthorized(async () => 1_000n + BigInt(steps++) * 300n);

const agent = await Millrace.connect({
  url: ready.stream,
  account: richAccount(2),
  // Whatever the agent is talked into: no more than this can ever be claimed.
  spendingCap: { total: kBudget, perPayment: 3_000n, deposits: 2n * kBudget },
});
const channel = await agent.openChannel({ receiver: receiver.address, deposit: 2n * kBudget });

let spent = 0n;
for (let step = 1; ; step += 1) {
  try {
    const { settled } = await channel.authorize({ model: "planner", maxAmount: 3_000n });
    const cost = await settled;
    spent += cost;
    console.log(`step ${step}    ${usdc(cost)}, ${usdc(spent)} so far`);
  } catch (error) {
    if (!(error instanceof SpendingCapExceeded)) throw error;
    console.log(`stopped   the budget of ${usdc(kBudget)} has no room for another step: ${error.message}`);
    break;
  }
}

const rest = await channel.close();
console.log(`refunded  ${usdc(rest.amount)} of ${usdc(channel.charged + rest.amount)}`);
await listening.close();
agent.close();
model.close();
