// An app pays a provider: a known price at once, and a price that is known only afterwards.
//
//     node examples/pay.mjs ready.json
import { Millrace } from "@millrace/client";
import { newAccount, readyLine, richAccount, usdc } from "./development.mjs";

const ready = readyLine();

// The provider serves what is authorized, and charges what it came to.
const receiver = newAccount();
const model = await Millrace.connect({ url: ready.stream, account: receiver });
const provider = model.provider();
const listening = await provider.onAuthorized(async (job) => {
  const outputTokens = 120;
  return job.charge(BigInt(outputTokens) * 10n, { usage: { outputTokens } });
});

// The app opens a channel without gas, and pays.
const app = await Millrace.connect({
  url: ready.stream,
  account: richAccount(1),
  spendingCap: { total: 500_000n, perPayment: 10_000n },
});
const channel = await app.openChannel({ receiver: receiver.address, deposit: 1_000_000n });
console.log(`channel   ${channel.id}`);

const paid = await channel.pay({ model: "embedder", amount: 1_200n, units: "512" });
console.log(`paid      ${usdc(paid.amount)} at once, committed as ${paid.seq}`);

const authorization = await channel.authorize({ model: "llama-3", maxAmount: 5_000n });
console.log(`charged   ${usdc(await authorization.settled)} of ${usdc(authorization.amount)} authorized`);

const [proof] = await channel.verifyPayment(paid.inferenceId);
console.log(`proven    ${usdc(proof.amount)} is in the transparency log`);

const claim = await provider.claim();
console.log(`claimed   ${usdc(claim.amount)} in ${claim.transactions.join(", ")}`);

const rest = await channel.close();
console.log(`refunded  ${usdc(rest.amount)}`);

await listening.close();
app.close();
model.close();
