import { webcrypto } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { HTTPFacilitatorClient, x402HTTPResourceServer, x402ResourceServer } from "@x402/core/server";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/server";

// The official packages ask for it, and Node 18 has it elsewhere.
globalThis.crypto ??= webcrypto;

/**
 * A resource server made of the official packages alone: it keeps its own books of its channels and
 * leaves everything about the chain to a facilitator.
 */
export class ResourceServer {
  #http;

  /** Set before a request: what the next one costs; without it the whole price. */
  charge;

  /**
   * @param {{facilitator: string, network: string, token: object, payTo: string, price: string,
   *   receiverAuthorizerSigner?: object, bearer?: () => string | undefined}} options
   */
  static async start({ facilitator, network, token, payTo, price, receiverAuthorizerSigner, bearer }) {
    const server = new ResourceServer();
    const headers = () => (bearer?.() ? { Authorization: `Bearer ${bearer()}` } : {});
    server.facilitator = new HTTPFacilitatorClient({
      url: facilitator,
      createAuthHeaders: async () => ({ verify: headers(), settle: headers(), supported: {} }),
    });
    server.scheme = new BatchSettlementEvmScheme(payTo, { receiverAuthorizerSigner });
    const core = new x402ResourceServer(server.facilitator).register(network, server.scheme);
    const asset = { amount: price, asset: token.address, extra: tokenDomain(token) };
    server.x402 = new x402HTTPResourceServer(core, {
      "GET /answer": { accepts: { scheme: "batch-settlement", network, payTo, price: asset } },
    });
    await server.x402.initialize();
    server.manager = server.scheme.createChannelManager(server.facilitator, network, token.address);
    await server.#listen();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.#http.address().port}/answer`;
  }

  channels() {
    return this.scheme.getStorage().list();
  }

  async stop() {
    this.#http.close();
    this.#http.closeAllConnections();
    await once(this.#http, "close");
  }

  async #listen() {
    this.#http = createServer((request, response) => {
      this.#serve(request, response).catch((error) => {
        response.writeHead(500).end(error.stack);
      });
    });
    this.#http.listen(0, "127.0.0.1");
    await once(this.#http, "listening");
  }

  async #serve(request, response) {
    const context = { adapter: adapterOf(request), path: "/answer", method: request.method };
    const asked = await this.x402.processHTTPRequest(context);
    if (asked.type === "payment-error") return send(response, asked.response);
    const settled = await this.x402.processSettlement(
      asked.paymentPayload,
      asked.paymentRequirements,
      asked.declaredExtensions,
      { request: context },
      this.charge === undefined ? undefined : { amount: this.charge },
      asked.beforeHandlerSettlement,
    );
    if (!settled.success) return send(response, settled.response);
    return send(response, { status: 200, headers: settled.headers, body: { answer: 42 } });
  }
}

function tokenDomain({ name, version }) {
  return { name, version, assetTransferMethod: "eip3009" };
}

function adapterOf(request) {
  return {
    getHeader: (name) => request.headers[name.toLowerCase()],
    getMethod: () => request.method,
    getPath: () => "/answer",
    getUrl: () => `http://${request.headers.host}/answer`,
    getAcceptHeader: () => request.headers.accept ?? "",
    getUserAgent: () => request.headers["user-agent"] ?? "",
  };
}

function send(response, { status, headers, body }) {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body ?? {}));
}
