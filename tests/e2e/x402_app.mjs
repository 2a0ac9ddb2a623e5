import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { toClientEvmSigner } from "@x402/evm";
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from "@x402/fetch";
import { randomBytes, webcrypto } from "node:crypto";
import { channelIdOf } from "./chain.mjs";

// The official packages ask for it, and Node 18 has it elsewhere.
globalThis.crypto ??= webcrypto;

const memberOf = (text) => JSON.parse(Buffer.from(text, "base64").toString("utf8"));

/**
 * An app that pays with the official client, as it is: @x402/fetch and @x402/evm. Each has a channel
 * of its own.
 */
export class X402App {
  constructor({
    account,
    chain,
    ready,
    storage,
    payerAuthorizer,
    salt = `0x${randomBytes(32).toString("hex")}`,
  }) {
    this.account = account;
    this.ready = ready;
    this.salt = salt;
    /** Status and headers of every answer, those between included. */
    this.seen = [];
    this.scheme = new BatchSettlementEvmScheme(toClientEvmSigner(account, chain.rpc), {
      salt,
      ...(storage ? { storage } : {}),
      ...(payerAuthorizer ? { payerAuthorizer } : {}),
    });
    this.client = new x402Client();
    // Its own list of tokens does not have that of a development chain.
    this.client.setSpendControls(false);
    this.client.register(ready.network, this.scheme);
    this.fetch = wrapFetchWithPayment(async (...args) => {
      const response = await fetch(...args);
      this.seen.push({ status: response.status, headers: response.headers });
      return response;
    }, this.client);
  }

  /** The channel that this app pays `url` through. */
  async channelId(url) {
    const asked = await paymentRequired(url);
    const config = this.scheme.buildChannelConfig(asked.accepts[0]);
    const { network, contract } = this.ready;
    return channelIdOf({ network, contract, config });
  }

  /**
   * The header that pays for a request, made by the official client and changed by `change`, which
   * may have the payload's voucher signed anew.
   */
  async payment(url, init, change = async () => {}) {
    const payload = await this.client.createPaymentPayload(await paymentRequired(url, init));
    await change(payload);
    return headerOf(payload);
  }

  /** A chat completion: its text, what was charged, and the answer itself. */
  async chat(gate, content, more = {}) {
    const response = await this.fetch(`${gate.url}/v1/chat/completions`, post(content, more));
    const text = await response.text();
    return { response, text, receipt: receiptOf(response) };
  }
}

export function post(content, more = {}, headers = {}) {
  return {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ model: "small", messages: [{ role: "user", content }], ...more }),
  };
}

export function headerOf(payload) {
  return Buffer.from(JSON.stringify(payload)).toString("base64");
}

export function receiptOf(response) {
  const header = response.headers.get("PAYMENT-RESPONSE");
  return header ? decodePaymentResponseHeader(header) : undefined;
}

/** What a 402 of `url` asks for. */
export async function paymentRequired(url, init) {
  const response = await fetch(url, init);
  const text = await response.text();
  if (response.status !== 402) throw new Error(`${url}: ${response.status} ${text}`);
  return memberOf(response.headers.get("PAYMENT-REQUIRED"));
}

/** The events of a stream's text. */
export function eventsOf(text) {
  return text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => {
      const fields = event.split("\n").map((line) => line.split(/: (.*)/s));
      return Object.fromEntries(fields);
    });
}

/** Of a stream's text: how many tokens came, and the receipt behind them. */
export function streamed(text) {
  const events = eventsOf(text);
  const chunks = events.filter(({ event, data }) => !event && data?.startsWith("{"));
  const parsed = chunks.map(({ data }) => JSON.parse(data));
  const receipt = events.find(({ event }) => event === "payment-response");
  return {
    events,
    chunks: parsed,
    tokens: parsed.filter(({ choices }) => choices?.[0]?.delta?.content).length,
    receipt: receipt && JSON.parse(receipt.data),
  };
}
