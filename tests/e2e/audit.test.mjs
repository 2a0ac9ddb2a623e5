import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { devAccount, newAccount } from "./chain.mjs";
import { Client, until } from "./client.mjs";
import { audit, kBinary, Stack } from "./stack.mjs";

const kPayments = 30;

let stack;
let directory;
let account;
let provider;

/** Runs `millrace`; never throws. @returns {Promise<{code: number, out: string, err: string}>} */
const millrace = (args, env = {}) =>
  new Promise((resolve) => {
    const environment = { ...process.env, MILLRACE_URL: stack.ready.url, MILLRACE_TOKEN: "", ...env };
    execFile(kBinary, args, { env: environment, maxBuffer: 64 * 1024 * 1024 }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err }),
    );
  });

const asAuditor = (args) => millrace(args, { MILLRACE_TOKEN: stack.ready.auditorToken });
/** The commands of the operator, who has the configuration. */
const asOperator = (args) => millrace([...args, "--config", join(stack.data, "millrace.toml")]);
const statement = (...args) => asAuditor(["audit", "statement", "--account", account, ...args]);

/** RFC 4180, strictly: every record with the fields of the first. */
function parseCsv(text) {
  assert.ok(text.endsWith("\r\n"));
  const rows = [];
  let row = [];
  for (let at = 0; at < text.length; ) {
    const field = /"((?:[^"]|"")*)"|([^",\r\n]*)/y;
    field.lastIndex = at;
    const [all, quoted, plain] = field.exec(text);
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    at += all.length;
    if (text[at] === ",") {
      at += 1;
    } else {
      assert.equal(text.slice(at, at + 2), "\r\n", `at ${at}`);
      rows.push(row);
      row = [];
      at += 2;
    }
  }
  const [names, ...records] = rows;
  for (const record of records) assert.equal(record.length, names.length);
  return records.map((record) => Object.fromEntries(names.map((name, at) => [name, record[at]])));
}

const units = (text) => BigInt(text.replace(".", "") || "0");
/** A balance as it counts for a liability: what is owed is positive. */
const owed = ({ balance, side }) => (side === "credit" ? units(balance) : -units(balance));

before(async () => {
  stack = await Stack.start();
  directory = mkdtempSync(join(tmpdir(), "millrace-audit-"));
  provider = newAccount();
  const payer = await Client.login(stack.ready.stream, devAccount(1));
  const channel = await payer.open(provider.address, { deposit: 1_000_000n });
  for (let n = 0; n < kPayments; ++n) await payer.pay(channel, { id: `job-${n}` }, 1_000n + BigInt(n));
  await payer.close();
  const { accounts } = await audit(stack.ready, "/v1/ledger/accounts?limit=1000");
  account = accounts.find(({ kind, owner }) => kind === "channel" && owner === channel.id).id;
});

after(async () => {
  await stack?.stop();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

test("audit key: made, used, recorded, revoked, refused", async () => {
  const made = await asOperator(["audit", "key", "create", "--name", "Jones, \"Sons\" & Co", "--expires", "30d"]);
  assert.equal(made.code, 0, made.err);
  const key = made.out.trim();
  assert.match(key, /^mra_[0-9a-f]{16}_[0-9a-f]{64}$/);
  const id = key.slice(4, 20);
  assert.match(made.err, new RegExp(`^Key ${id} for Jones, "Sons" & Co: scope ledger, good until 20`));

  const env = { MILLRACE_TOKEN: key };
  assert.equal((await millrace(["audit", "trial-balance"], env)).code, 0);
  const refused = await millrace(["channel", "list"], env);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /a key with the scope channels/);
  const wrong = await millrace(["audit", "trial-balance"], { MILLRACE_TOKEN: key.slice(0, -4) + "0000" });
  assert.match(wrong.err, /The key is unknown/);

  const rows = async (...args) =>
    (await asOperator(["audit", "queries", "--json", ...args])).out.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const queries = await rows("--key", id);
  assert.deepEqual(
    queries.map(({ caller, callerKind, method, target, status }) => [caller, callerKind, method, target, status]),
    [
      [id, "key", "GET", "/v1/ledger/trial-balance", 200],
      [id, "key", "GET", "/v1/channels?limit=100", 403],
    ],
  );
  assert.match(queries[0].seq, /^[1-9]\d*$/);
  assert.equal(queries[0].remoteAddress, "127.0.0.1");
  assert.ok(queries[0].durationMicros > 0);
  const all = await rows("--since", "1h");
  assert.ok(all.some(({ callerKind, target }) => callerKind === "token" && target === "/v1/ledger/accounts?limit=1000"));
  assert.deepEqual(await rows("--since", "2100-01-01T00:00:00Z"), []);
  const shown = await asOperator(["audit", "queries", "--key", id]);
  assert.match(shown.out, new RegExp(`key +${id} +200 +\\d+ +\\d+\\.\\d +127\\.0\\.0\\.1 +GET /v1/ledger/trial-balance\\n`));

  const revoked = await asOperator(["audit", "key", "revoke", id]);
  assert.equal(revoked.code, 0, revoked.err);
  const ended = await until(
    () => millrace(["audit", "trial-balance"], env),
    ({ code }) => code !== 0,
    { what: "the key to be refused" },
  );
  assert.match(ended.err, /The key was revoked/);
  assert.match((await asOperator(["audit", "key", "list"])).out, new RegExp(`${id} .* revoked 20`));
  const [listed] = JSON.parse((await asOperator(["audit", "key", "list", "--json"])).out).keys;
  assert.equal(listed.state, "revoked");
  assert.ok(!JSON.stringify(listed).includes(key.slice(21)));
});

test("audit key: what cannot be is refused with its reason", async () => {
  const cases = [
    [["create", "--name", "x", "--scope", "ledger,everything"], 2, /expected ledger, channels or export/],
    [["create", "--name", "x", "--expires", "soon"], 2, /expected days or hours/],
    [["create", "--name", "x", "--expires", "2020-01-01T00:00:00Z"], 1, /not in the future/],
    [["create", "--name", "two\nlines"], 2, /one line/],
    [["create"], 2, /--name/],
    [["revoke", "0123456789abcdef"], 1, /there is no key 0123456789abcdef/],
  ];
  for (const [args, code, message] of cases) {
    const result = await asOperator(["audit", "key", ...args]);
    assert.match(result.err, message, args.join(" "));
    assert.equal(result.code, code, args.join(" "));
  }
});

test("audit statement: as CSV it adds up, whole and in parts", async () => {
  const whole = await statement("--format", "csv");
  assert.equal(whole.code, 0, whole.err);
  const check = (text) => {
    const records = parseCsv(text);
    const of = (name) => records.filter(({ record }) => record === name);
    const [opening] = of("opening");
    const [closing] = of("closing");
    const [total] = of("total");
    let balance = owed(opening);
    let [debits, credits] = [0n, 0n];
    for (const leg of of("leg")) {
      debits += units(leg.debit);
      credits += units(leg.credit);
      balance += units(leg.credit) - units(leg.debit);
      assert.equal(owed(leg), balance, leg.seq);
    }
    assert.equal(owed(closing), balance);
    assert.equal(units(total.debit), debits);
    assert.equal(units(total.credit), credits);
    assert.equal(of("account")[0].text, account);
    return { opening, closing, legs: of("leg") };
  };
  const all = check(whole.out);
  assert.equal(all.opening.balance, "0.000000");
  const charged = Array.from({ length: kPayments }, (_, n) => 1_000n + BigInt(n)).reduce((a, b) => a + b);
  assert.equal(owed(all.closing), 1_000_000n - charged);
  assert.equal(all.legs[0].cause, "deposit");

  const middle = all.legs[Math.floor(all.legs.length / 2)].seq;
  const file = join(directory, "first.csv");
  assert.equal((await statement("--format", "csv", "--to", middle, "--out", file)).code, 0);
  const first = check(readFileSync(file, "utf8"));
  const second = check((await statement("--format", "csv", "--from", middle)).out);
  assert.deepEqual([first.closing.balance, first.closing.side], [second.opening.balance, second.opening.side]);
  assert.equal(first.legs.length + second.legs.length, all.legs.length);
});

test("audit statement: as PDF it has what the HTML has", async () => {
  const html = await statement("--format", "html", "--from", "2020-01-01T00:00:00Z");
  assert.equal(html.code, 0, html.err);
  for (const expected of [account, "Opening balance", "Closing balance", "2020-01-01T00:00:00Z", "0.969565"])
    assert.ok(html.out.includes(expected), expected);
  assert.doesNotMatch(html.out, /<script|<link|<img|src=|url\(|@import/);
  const pdf = join(directory, "statement.pdf");
  const made = await statement("--format", "pdf", "--out", pdf);
  assert.equal(made.code, 0, made.err);
  assert.equal(readFileSync(pdf).subarray(0, 5).toString("latin1"), "%PDF-");
  const text = execFileSync("pdftotext", ["-layout", pdf, "-"], { encoding: "utf8" });
  assert.match(text, /Opening balance +0\.000000 Cr/);
  assert.match(text, /Closing balance +0\.969565 Cr/);
  assert.match(text, /Totals of the period +0\.030435 +1\.000000/);
  assert.match(text, /Page 1 of \d/);
  assert.ok(text.replace(/\s/g, "").includes(account));
});

test("audit statement: nothing is left behind, and errors name what to do", async () => {
  const out = join(directory, "never.pdf");
  const missing = await millrace(["audit", "statement", "--account", account, "--format", "pdf", "--out", out], {
    MILLRACE_TOKEN: stack.ready.auditorToken,
    PATH: "/nowhere",
  });
  assert.equal(missing.code, 1);
  assert.match(missing.err, /Debian package weasyprint/);
  const bad = await statement("--format", "csv", "--to", "999999999", "--out", join(directory, "bad.csv"));
  assert.equal(bad.code, 1);
  assert.match(bad.err, /No such seq has been committed yet/);
  const nowhere = await statement("--format", "csv", "--out", join(directory, "no/such/folder.csv"));
  assert.match(nowhere.err, /cannot be made/);
  assert.ok(!existsSync(out));
  assert.deepEqual(readdirSync(directory).filter((name) => !/^(first\.csv|statement\.pdf)$/.test(name)), []);
});

/** A service that says what it likes. */
async function withService(answers, work) {
  const server = createServer((request, response) => {
    const found = answers(new URL(request.url, "http://x"));
    response.writeHead(found ? 200 : 404, { "Content-Type": "application/json" });
    response.end(found ?? JSON.stringify({ reason: "not_found", detail: "None." }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await work(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.close();
  }
}

/** A page of a statement whose words are meant to break out. */
function hostilePage(words, { balance = "7", next } = {}) {
  const side = { debits: "0", credits: "0", balance: "0", side: "credit" };
  const one = { id: `1:0x00:earned:${words}`, network: words, token: words, symbol: words, decimals: 2, kind: words, owner: words, ...side };
  const leg = { seq: "3", leg: 0, firstSeq: "3", at: words, cause: words, counterAccount: `1:0x00:${words}:${words}`, side: "credit", amount: "7", balance: "7", balanceSide: "credit", reverses: words };
  return JSON.stringify({ seq: "9", from: "0", to: "9", opening: one, closing: { ...one, credits: "7", balance }, debits: "0", credits: "7", legs: [leg], next });
}

test("audit statement: what the service says is text and nothing else", async () => {
  const words = `<script>alert("1")</script>&amp;'\r\n,=1+1`;
  const answers = ({ pathname }) =>
    pathname === "/v1/log/checkpoint" ? `origin\n5\n${words}\n\n— sig` : hostilePage(words);
  await withService(answers, async (url) => {
    const html = await millrace(["audit", "statement", "--account", "x", "--url", url]);
    assert.equal(html.code, 0, html.err);
    assert.doesNotMatch(html.out, /<script|alert\("|&amp;'/);
    assert.ok(html.out.includes("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;&#39;"));
    assert.match(html.out, /covers everything up to seq 5; what is behind it is not sealed yet/);
    const csv = await millrace(["audit", "statement", "--account", "x", "--url", url, "--format", "csv"]);
    const records = parseCsv(csv.out);
    assert.equal(records.find(({ record }) => record === "leg").cause, words);
    assert.equal(records.find(({ record }) => record === "tree_head").text, `origin\n5\n${words}\n\n— sig`);
  });
});

test("audit statement: without a tree head it says so; legs that lead elsewhere are an error", async () => {
  const page = (balance) => ({ pathname }) =>
    pathname === "/v1/log/checkpoint" ? undefined : hostilePage("word", { balance });
  await withService(page("7"), async (url) => {
    const html = await millrace(["audit", "statement", "--account", "x", "--url", url]);
    assert.match(html.out, /There is no tree head yet\./);
    const csv = await millrace(["audit", "statement", "--account", "x", "--url", url, "--format", "csv"]);
    assert.match(csv.out, /\r\ntree_head,,,,,,,,,,,no tree head yet\r\n$/);
  });
  await withService(page("8"), async (url) => {
    const file = join(directory, "broken.html");
    const broken = await millrace(["audit", "statement", "--account", "x", "--url", url, "--out", file]);
    assert.equal(broken.code, 1);
    assert.match(broken.err, /lead to a balance of 0\.07 credit, but the closing balance is 0\.08 credit/);
    assert.ok(!existsSync(file));
  });
});
