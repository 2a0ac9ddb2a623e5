/** Server-sent events, however the bytes are cut. */

export interface ServerSentEvent {
  event: string;
  data: string;
  id: string | undefined;
}

/** The name of the event in which a stream says what it cost. */
export const kPaymentEvent = "payment-response";

export class EventReader {
  readonly #decoder = new TextDecoder();
  #line = "";
  #event = "";
  #id: string | undefined;
  #data: string[] = [];
  #endedWithReturn = false;

  /** The events that these bytes complete. */
  push(bytes: Uint8Array): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    for (const letter of this.#decoder.decode(bytes, { stream: true })) {
      if (letter === "\n" && this.#endedWithReturn) this.#endedWithReturn = false;
      else if (letter === "\n" || letter === "\r") {
        this.#endedWithReturn = letter === "\r";
        const event = this.#lineEnded();
        if (event) events.push(event);
      } else {
        this.#endedWithReturn = false;
        this.#line += letter;
      }
    }
    return events;
  }

  #lineEnded(): ServerSentEvent | undefined {
    const line = this.#line;
    this.#line = "";
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id") this.#id = value;
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const data = this.#data;
    const event = { event: this.#event || "message", data: data.join("\n"), id: this.#id };
    this.#data = [];
    this.#event = "";
    return data.length > 0 ? event : undefined;
  }
}
