import type { WebSocketClass } from "./connection.js";

/** The runtime's own, or the package `ws` where there is none. */
export async function findWebSocket(): Promise<WebSocketClass> {
  if (globalThis.WebSocket) return globalThis.WebSocket as unknown as WebSocketClass;
  try {
    return (await import("ws")).WebSocket as unknown as WebSocketClass;
  } catch (error) {
    throw new Error(
      "This runtime has no WebSocket: npm install ws, or give the option WebSocket to Millrace.connect",
      { cause: error },
    );
  }
}
