import type { WebSocketClass } from "./connection.js";

/** Browsers have their own. */
export async function findWebSocket(): Promise<WebSocketClass> {
  return globalThis.WebSocket as unknown as WebSocketClass;
}
