import pg from "pg";

/** A session on the stack's database, to be ended. */
export async function connect(postgres) {
  const client = new pg.Client({ connectionString: postgres });
  await client.connect();
  return client;
}

const kPostedWithin = 10_000;
const kPause = 10;

/** Waits until what is acknowledged by now is posted: the service's own readers do that by themselves. */
async function posted(client) {
  const { rows } = await client.query("select max(base) as newest from acknowledged_batch");
  const { newest } = rows[0];
  if (newest === null) return;
  for (const deadline = Date.now() + kPostedWithin; Date.now() < deadline; ) {
    const left = await client.query("select from acknowledged_batch where base <= $1 limit 1", [newest]);
    if (left.rowCount === 0) return;
    await new Promise((resolve) => setTimeout(resolve, kPause));
  }
  throw new Error("what is acknowledged is not posted");
}

const kDeadlock = "40P01";

/**
 * One statement on the stack's database: for what only an operator may look at. What changes the
 * schema may meet the service in a deadlock, which Postgres ends by taking back one of the two.
 */
export async function query(postgres, sql, parameters = [], attempts = 5) {
  const client = await connect(postgres);
  try {
    await posted(client);
    return (await client.query(sql, parameters)).rows;
  } catch (error) {
    if (error.code !== kDeadlock || attempts === 1) throw error;
    return await query(postgres, sql, parameters, attempts - 1);
  } finally {
    await client.end();
  }
}
