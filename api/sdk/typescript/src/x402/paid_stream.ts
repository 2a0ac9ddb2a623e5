import { MillraceError } from "../errors.js";
import type { Settlement } from "./resource_channel.js";
import { EventReader, kPaymentEvent, type ServerSentEvent } from "./sse.js";

/** A response of server-sent events that is paid for: iterate over it, and then look at `settled`. */
export class PaidStream implements AsyncIterable<ServerSentEvent> {
  readonly response: Response;
  /** What it came to: known when the last event was taken. undefined: the server does not say. */
  readonly settled: Promise<Settlement | undefined>;

  constructor(response: Response, settled: Promise<Settlement | undefined>) {
    this.response = response;
    this.settled = settled;
    settled.catch(() => {});
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ServerSentEvent> {
    const { body, ok, status } = this.response;
    if (!ok || !body) throw new MillraceError("request_failed", `HTTP ${status}`, { field: "status" });
    const source = body.getReader();
    const events = new EventReader();
    let isDone = false;
    try {
      for (;;) {
        const { done, value } = await source.read();
        isDone = done;
        if (done) return;
        for (const event of events.push(value)) if (event.event !== kPaymentEvent) yield event;
      }
    } finally {
      if (!isDone) await source.cancel().catch(() => {});
    }
  }
}
