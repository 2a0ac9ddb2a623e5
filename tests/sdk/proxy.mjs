/** A service that lies: a WebSocket proxy in front of the real one, which alters what it says. */
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";

/** A request that carries something signed for money. */
const isSigned = ({ params }) => params?.voucher !== undefined || params?.deposit !== undefined;

export class LyingService {
  #server;
  #methods = new Map();
  #connections = new Set();

  /** What was signed and came by, in its order. */
  signed = [];
  /** `(message, method)` → the message to pass on; `method` is that of the request, or "event". */
  lie = (message) => message;

  static async start(stream) {
    const service = new LyingService();
    service.#server = new WebSocketServer({
      port: 0,
      host: "127.0.0.1",
      handleProtocols: () => "millrace.v1",
    });
    service.#server.on("connection", (client) => service.#serve(client, stream));
    await once(service.#server, "listening");
    service.url = `ws://127.0.0.1:${service.#server.address().port}/v1/stream`;
    return service;
  }

  /** Cuts all connections, as a network does. */
  cut() {
    for (const socket of this.#connections) socket.terminate();
  }

  async stop() {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(client, stream) {
    const service = new WebSocket(stream, ["millrace.v1"], { perMessageDeflate: false });
    const waiting = [];
    this.#connections.add(client).add(service);
    client.on("message", (data) => {
      const text = data.toString();
      const request = JSON.parse(text);
      this.#methods.set(request.id, request.method);
      if (isSigned(request)) this.signed.push(request);
      if (service.readyState === WebSocket.OPEN) service.send(text);
      else waiting.push(text);
    });
    service.on("open", () => waiting.splice(0).forEach((text) => service.send(text)));
    service.on("message", (data) => {
      const message = JSON.parse(data.toString());
      const method = message.method ?? this.#methods.get(message.id);
      const told = this.lie(message, method);
      if (told !== undefined) client.send(JSON.stringify(told));
    });
    for (const [one, other] of [
      [client, service],
      [service, client],
    ]) {
      one.on("error", () => {});
      one.on("close", () => {
        this.#connections.delete(one);
        other.terminate();
      });
    }
  }
}
