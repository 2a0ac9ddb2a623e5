// The package as npm gives it to somebody: it installs, its types are right, an example runs, and browsers can load it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Stack } from "./support.mjs";

const kSdk = fileURLToPath(new URL("../../api/sdk/typescript", import.meta.url));
const kPackage = "@millrace/client";
const manifest = JSON.parse(readFileSync(join(kSdk, "package.json"), "utf8"));
let folder;
let installed;

const run = (cwd, program, args, timeout = 240_000) =>
  new Promise((resolve, reject) => {
    execFile(program, args, { cwd, timeout, maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error) reject(new Error(`${program} ${args.join(" ")}: ${error.message}\n${out}\n${err}`));
      else resolve(out);
    });
  });

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-package-"));
  const [{ filename }] = JSON.parse(
    await run(kSdk, "npm", [
      "pack",
      "--json",
      "--pack-destination",
      folder,
      "--loglevel=error",
      "--ignore-scripts",
    ]),
  );
  const consumer = {
    name: "consumer",
    private: true,
    type: "module",
    dependencies: { [kPackage]: `file:${join(folder, filename)}`, viem: manifest.devDependencies.viem },
    devDependencies: {
      typescript: manifest.devDependencies.typescript,
      "@types/node": manifest.devDependencies["@types/node"],
    },
  };
  writeFileSync(join(folder, "package.json"), JSON.stringify(consumer));
  await run(folder, "npm", [
    "install",
    "--prefer-offline",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ]);
  installed = join(folder, "node_modules", ...kPackage.split("/"));
});

after(() => rmSync(folder, { recursive: true, force: true }));

test("package: what is built, how it is used, under which licence, and nothing else", () => {
  assert.deepEqual(readdirSync(installed).sort(), ["LICENSE", "README.md", "dist", "package.json"]);
  assert.equal(
    readFileSync(join(installed, "LICENSE"), "utf8"),
    readFileSync(new URL("../../LICENSE", import.meta.url), "utf8"),
  );
  for (const name of ["node.js", "node.d.ts", "index.js", "index.d.ts"])
    assert.ok(existsSync(join(installed, "dist", name)), name);
});

test("package: an example runs with it", async () => {
  const stack = await Stack.start();
  try {
    cpSync(join(kSdk, "examples"), join(folder, "examples"), { recursive: true });
    writeFileSync(join(folder, "ready.json"), JSON.stringify(stack.ready));
    assert.match(await run(folder, process.execPath, ["examples/pay.mjs", "ready.json"]), /refunded/);
  } finally {
    await stack.stop();
  }
});

const kConsumer = `
import { accountOfWallet, FileStorage, Millrace, MillraceError, ResourcePayer, type Payment, type SpendingCap } from "${kPackage}";
import { initiateWithdraw, readEscrow, type Channel, type Job } from "${kPackage}";
import { createPublicClient, createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { base } from "viem/chains";

const account = privateKeyToAccount("0x${"1".repeat(64)}");
const cap: SpendingCap = { total: 1n, perPayment: 1n };
const rpc = createPublicClient({ chain: base, transport: http() });
const wallet = createWalletClient({ account, chain: base, transport: http() });

export async function app(): Promise<bigint> {
  const millrace = await Millrace.connect({ url: "wss://x/v1/stream", account, spendingCap: cap, storage: new FileStorage("x") });
  const channel: Channel = await millrace.openChannel({ receiver: account.address, deposit: 1n, topUp: { amount: 1n } });
  const payment: Payment = await channel.pay({ model: "m", amount: 1n, signal: AbortSignal.timeout(1) });
  const { settled } = await channel.authorize({ model: "m", maxAmount: 1n });
  await initiateWithdraw(wallet, channel, (await readEscrow(rpc, channel)).balance);
  return payment.charged + (await settled);
}
export async function provider(job: Job): Promise<Payment> {
  try {
    return await job.charge(1n, { usage: { outputTokens: 1 } });
  } catch (error) {
    if (error instanceof MillraceError && error.reason === "amount_exceeds_reservation") return job.release(error.limit);
    throw error;
  }
}
export async function resource(): Promise<string> {
  const payer = new ResourcePayer({ account: accountOfWallet(wallet), tokens: [{ network: "eip155:8453", address: account.address }] });
  const response: Response = await payer.fetch("https://x", { method: "POST" }, { maxAmount: 1n });
  for await (const { data } of await payer.stream("https://x", undefined, { maxAmount: 1n })) console.log(data);
  return String((await payer.settlement(response))?.charged);
}
// @ts-expect-error: amounts are bigints.
export const wrong: SpendingCap = { total: 5 };
`;

for (const [name, options] of [
  ["Node", { module: "nodenext", moduleResolution: "nodenext", types: ["node"] }],
  [
    "a bundler for browsers",
    { module: "esnext", moduleResolution: "bundler", customConditions: ["browser"], types: [] },
  ],
]) {
  test(`package: its types are right for ${name}`, async () => {
    const project = mkdtempSync(join(folder, "types-"));
    const isBrowser = name !== "Node";
    const source = isBrowser
      ? kConsumer
          .replace("FileStorage, ", "BrowserStorage, ")
          .replace('new FileStorage("x")', "new BrowserStorage(localStorage)")
      : kConsumer;
    writeFileSync(join(project, "consumer.ts"), source);
    const compilerOptions = {
      target: "es2022",
      lib: ["es2022", "dom", "dom.iterable"],
      strict: true,
      noEmit: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      ...options,
    };
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["consumer.ts"] }),
    );
    await run(project, process.execPath, [join(folder, "node_modules/typescript/bin/tsc"), "-p", "."]);
  });
}

test("package: what a browser loads is there, and asks for nothing of Node", () => {
  const { exports, imports } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  const seen = new Set();
  const outside = new Set();
  const visit = (file) => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, "utf8");
    assert.doesNotMatch(text, /\b(process|Buffer|require|__dirname)\b\s*[.(]/, file);
    for (const [, statement, call] of text.matchAll(
      /^(?:import|export)\b[^;]*?\bfrom "([^"]+)";|\bimport\("([^"]+)"\)/gm,
    )) {
      const from = statement ?? call;
      if (from.startsWith(".")) visit(join(dirname(file), from));
      else if (from.startsWith("#")) visit(join(installed, imports[from].browser));
      else outside.add(from);
    }
  };
  visit(join(installed, exports["."].browser.default));
  assert.ok(seen.size > 20);
  assert.deepEqual([...outside].sort(), ["@noble/curves/ed25519", "@noble/hashes/utils", "viem"]);
  const all = readdirSync(join(installed, "dist"), { recursive: true }).filter((name) =>
    String(name).endsWith(".js"),
  );
  assert.ok(
    all.some((name) => readFileSync(join(installed, "dist", String(name)), "utf8").includes("node:fs")),
    "Node's part is there, too",
  );
});
