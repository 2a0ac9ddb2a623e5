import { once } from "node:events";
import WebSocket, { WebSocketServer } from "ws";

const kProtocol = "millrace.v1";

/**
 * Stands between a client of the payment stream and the service, and passes frames on as far as the
 * test lets it: for what a bad network does, and a service that is slow or understands nothing.
 */
export class StreamProxy {
  /**
   * Called with each request, and each answer with its request: true keeps it from being passed on.
   * @type {(request: object, link: Link) => boolean | void}
   */
  onRequest = () => {};
  /** @type {(answer: object, request: object, link: Link) => boolean | void} */
  onAnswer = () => {};
  /** Connections that have been made. */
  connections = 0;

  static async start() {
    const proxy = new StreamProxy();
    proxy.server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    proxy.server.on("connection", (client) => proxy.#connect(client));
    await once(proxy.server, "listening");
    proxy.domain = `127.0.0.1:${proxy.server.address().port}`;
    proxy.url = `ws://${proxy.domain}/v1/stream`;
    return proxy;
  }

  /** Where the service is; known later than the proxy, whose address the service has to know. */
  target;

  /** Nothing is kept from here on. */
  reset() {
    this.onRequest = () => {};
    this.onAnswer = () => {};
  }

  stop() {
    for (const client of this.server.clients) client.terminate();
    return new Promise((done) => this.server.close(done));
  }

  #connect(client) {
    ++this.connections;
    new Link(this, client, new WebSocket(this.target, [kProtocol], { perMessageDeflate: false }));
  }
}

class Link {
  #client;
  #service;
  #opened;
  #requests = new Map();

  constructor(proxy, client, service) {
    this.#client = client;
    this.#service = service;
    this.#opened = new Promise((done) => service.once("open", done));
    for (const [from, to] of [
      [client, service],
      [service, client],
    ]) {
      from.on("error", () => {});
      from.on("close", () => to.terminate());
    }
    client.on("message", (data) => {
      const request = JSON.parse(data.toString("utf8"));
      this.#requests.set(request.id, request);
      if (!proxy.onRequest(request, this)) this.pass(request);
    });
    service.on("message", (data) => {
      const answer = JSON.parse(data.toString("utf8"));
      if (!proxy.onAnswer(answer, this.#requests.get(answer.id), this)) this.answer(answer);
    });
  }

  /** To the service. */
  async pass(request) {
    await this.#opened;
    this.#service.send(JSON.stringify(request));
  }

  /** To the client. */
  answer(message) {
    this.#client.send(JSON.stringify(message));
  }

  refuse({ id }, reason) {
    const error = { code: -32000, message: "Refused by the test.", data: { reason } };
    this.answer({ jsonrpc: "2.0", id, error });
  }

  close(code) {
    this.#client.close(code);
  }
}
