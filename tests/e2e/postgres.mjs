import pg from "pg";

/** A session on the stack's database, to be ended. */
export async function connect(postgres) {
  const client = new pg.Client({ connectionString: postgres });
  await client.connect();
  return client;
}

/** One statement on the stack's database: for what only an operator may look at. */
export async function query(postgres, sql, parameters = []) {
  const client = await connect(postgres);
  try {
    return (await client.query(sql, parameters)).rows;
  } finally {
    await client.end();
  }
}
