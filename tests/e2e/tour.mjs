// An app and a provider on a running development stack, from deposit to payout:
//
//     ./dev up > ready.json &
//     node tests/e2e/tour.mjs ready.json
//
// Prints the tokens with which both can look at their side over REST and the command line, and leaves
// the app's key in .dev/app.key.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { toHex } from "viem";
import { Chain, devAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";

const kReadyMilliseconds = 900_000;

const file = process.argv[2];
if (!file) {
  console.error("usage: node tests/e2e/tour.mjs READY_LINE_FILE");
  process.exit(2);
}
// The line is there when the stack is: the first time it is compiled before.
const lineOf = () => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").at(-1) : "");
if (!lineOf()) console.error(`waiting for the ready line in ${file}; ./dev up > ${file} writes it`);
const ready = JSON.parse(
  await until(lineOf, (line) => line.endsWith("}"), { what: "the ready line", milliseconds: kReadyMilliseconds }),
);
const chain = new Chain(ready);

const app = await Client.login(ready.stream, devAccount(1));
const provider = await Client.login(ready.stream, devAccount(2));
console.log(`app      ${app.account.address}\nprovider ${provider.account.address}`);

const channel = await app.open(provider.account.address, { deposit: 1_000_000n, app: "tour" });
console.log(`channel  ${channel.id}, 1.00 USDC deposited without gas`);

// The price is known: pay at once.
const paid = await app.pay(channel, { id: `tour-${Date.now()}`, units: "512" }, 1_200n);
console.log(`paid     ${paid.amount}, committed as seq ${paid.seq}`);

// The price is not known yet: authorise a ceiling, the provider charges what it was.
const id = `tour-${Date.now()}-stream`;
await app.authorize(channel, { id }, 5_000n);
const charged = await provider.charge(channel.id, id, 3_300n, {
  usage: { inputTokens: 40, outputTokens: 700 },
});
console.log(`charged  ${charged.amount} of 5000 authorised, seq ${charged.seq}`);

const before = await chain.tokenBalance(provider.account.address);
const claim = await provider.claim();
const after = await chain.tokenBalance(provider.account.address);
console.log(`claimed  ${claim.amount} in ${claim.transactions}; on chain: +${after - before}`);

// Something is left to claim by the command line.
await app.pay(channel, { id: `tour-${Date.now()}-rest` }, 2_000n);

const folder = fileURLToPath(new URL("../../.dev/", import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}app.key`, `${toHex(app.account.getHdKey().privateKey)}\n`, { mode: 0o600 });

console.log(`\nexport APP_TOKEN=${app.session.token}`);
console.log(`export PROVIDER_TOKEN=${provider.session.token}`);
console.log(`export CHANNEL=${channel.id}`);
await Promise.all([app.close(), provider.close()]);
