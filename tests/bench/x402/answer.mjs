import { once } from "node:events";
import express from "express";

export const kPath = "/answer";

/** The handler that everybody is paid for: as little as there can be. */
export function answering(...middleware) {
  const app = express().disable("x-powered-by").disable("etag");
  for (const one of middleware) app.use(one);
  app.get(kPath, (request, response) => response.json({ answer: 42 }));
  return app;
}

/** Serves on a free port and tells the parent which. */
export async function serve(app) {
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A pause between two runs must not cost a connection.
  server.keepAliveTimeout = 300_000;
  process.once("disconnect", () => process.exit());
  process.send({ url: `http://127.0.0.1:${server.address().port}` });
}
