import pg from "pg";

/** One statement on the stack's database: for what only an operator may look at. */
export async function query(postgres, sql, parameters = []) {
  const client = new pg.Client({ connectionString: postgres });
  await client.connect();
  try {
    return (await client.query(sql, parameters)).rows;
  } finally {
    await client.end();
  }
}
