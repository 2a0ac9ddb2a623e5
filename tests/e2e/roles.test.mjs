import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect, query } from "./postgres.mjs";
import { kBinary, Stack } from "./stack.mjs";

let stack;

/** The stack's cluster, with another login or another database. */
const elsewhere = ({ database = "millrace", user = "millrace" }) =>
  stack.ready.postgres.replace("///millrace?", `///${database}?`).replace("user=millrace", `user=${user}`);

/** Never throws. @returns {Promise<{code: number, out: string, err: string}>} */
const millrace = (args, env = {}) =>
  new Promise((resolve) => {
    execFile(kBinary, args, { env: { ...process.env, ...env } }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, out, err }),
    );
  });

before(async () => {
  stack = await Stack.start();
});

after(async () => {
  await stack?.stop();
});

test("the stack's service may do no more than a service", async () => {
  const rows = await query(
    stack.ready.postgres,
    `select distinct usename from pg_stat_activity
     where datname = 'millrace' and pid <> pg_backend_pid() and backend_type = 'client backend'`,
  );
  assert.deepEqual(rows, [{ usename: "millrace_serve" }]);
  const [member] = await query(
    stack.ready.postgres,
    `select rolsuper, array(select roleid::regrole::text from pg_auth_members where member = r.oid) roles
     from pg_roles r where rolname = 'millrace_serve'`,
  );
  assert.deepEqual(member, { rolsuper: false, roles: ["millrace_service"] });
  for (const sql of [
    "delete from payment",
    "update transfer set amount = amount + 1",
    "truncate payment_before",
    "drop table payment",
    "create table mine (x integer)",
  ]) {
    const refused = query(elsewhere({ user: "millrace_serve" }), sql);
    await assert.rejects(refused, { code: "42501" }, sql);
  }
});

test("an empty database: serve says who has to migrate it, and migrate does", async () => {
  await query(stack.ready.postgres, "create database another");
  const config = join(stack.data, "millrace.toml");
  const service = { MILLRACE_LEDGER__POSTGRES: elsewhere({ database: "another", user: "millrace_serve" }) };
  const early = await millrace(["serve", "--config", config], service);
  assert.equal(early.code, 1);
  assert.match(early.err, /migration 0001_ledger is missing, and this login may not apply it/);
  assert.match(early.err, /millrace migrate --postgres/);

  const owner = elsewhere({ database: "another" });
  const migrated = await millrace(["migrate", "--postgres", owner]);
  assert.equal(migrated.code, 0, migrated.err);
  assert.match(migrated.out, /applied 0001_ledger\n/);
  const checked = await millrace(["migrate", "--check", "--config", config], service);
  assert.equal(checked.code, 0, checked.err);
  const again = await millrace(["migrate"], { MILLRACE_MIGRATE_POSTGRES: owner });
  assert.match(again.out, /nothing to do/);
});

test("a login that owns the database, with createrole, can migrate it and go on doing so", async () => {
  const admin = await connect(stack.ready.postgres);
  await admin.query("create role plain login createrole");
  await admin.query("create database plain owner plain");
  // Made by somebody else, so that it may not give itself a part in them.
  const without = await millrace(["migrate", "--postgres", elsewhere({ database: "plain", user: "plain" })]);
  const [{ version }] = (await admin.query("select current_setting('server_version_num')::int as version")).rows;
  if (version >= 160000) {
    assert.equal(without.code, 1);
    assert.match(without.err, /grant millrace_owner to plain/);
    await admin.query("grant millrace_owner to plain");
  }
  await admin.query("alter role plain nocreaterole");
  const migrated = await millrace(["migrate", "--postgres", elsewhere({ database: "plain", user: "plain" })]);
  assert.equal(migrated.code, 0, migrated.err);
  const owners = await query(
    elsewhere({ database: "plain" }),
    `select distinct pg_get_userbyid(relowner) as owner from pg_class
     where relnamespace in ('public'::regnamespace, 'audit'::regnamespace)`,
  );
  assert.deepEqual(owners, [{ owner: "millrace_owner" }]);
  await admin.end();
});
