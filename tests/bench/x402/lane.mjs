import { once } from "node:events";
import { connect } from "node:net";

const kHeadEnd = Buffer.from("\r\n\r\n");
const kLastChunk = "0\r\n\r\n";

/**
 * One connection that is kept, and on it one request after the other. It does no more than find where
 * an answer ends: the load generator must not be what is measured.
 */
export class Lane {
  #socket;
  #requests = [];
  #received = Buffer.alloc(0);
  #sentAt;
  #goesOn;
  #done;

  /** Status line and headers of every answer, to be looked at when the clock has stopped. */
  heads = [];
  milliseconds = [];
  /** When each answer was there. */
  at = [];

  static async open(url) {
    const lane = new Lane();
    const { hostname, port } = new URL(url);
    lane.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(lane.#socket, "connect");
    lane.#socket.on("data", (piece) => lane.#take(piece));
    lane.#socket.on("error", (error) => lane.#done?.reject(error));
    lane.#socket.on("close", () => lane.#done?.reject(new Error("the server closed a connection")));
    return lane;
  }

  /** Sends the requests in turn while `goesOn()`; fulfilled when the last is answered. */
  run(requests, goesOn) {
    this.#requests = requests;
    this.#goesOn = goesOn;
    this.heads = [];
    this.milliseconds = [];
    this.at = [];
    return new Promise((resolve, reject) => {
      this.#done = { resolve, reject };
      this.#next();
    });
  }

  close() {
    this.#done = undefined;
    this.#socket.destroy();
  }

  #next() {
    const sent = this.heads.length;
    if (sent === this.#requests.length || !this.#goesOn(sent)) {
      this.#done.resolve();
      return;
    }
    this.#sentAt = performance.now();
    this.#socket.write(this.#requests[sent]);
  }

  #take(piece) {
    this.#received = this.#received.length === 0 ? piece : Buffer.concat([this.#received, piece]);
    const headLength = this.#received.indexOf(kHeadEnd);
    if (headLength === -1) return;
    const head = this.#received.toString("latin1", 0, headLength);
    if (!this.#isWhole(head, headLength + kHeadEnd.length)) return;
    const now = performance.now();
    this.#received = Buffer.alloc(0);
    this.heads.push(head);
    this.milliseconds.push(now - this.#sentAt);
    this.at.push(now);
    this.#next();
  }

  #isWhole(head, bodyAt) {
    const length = /^content-length: *(\d+)/im.exec(head);
    if (length) return this.#received.length - bodyAt >= Number(length[1]);
    return this.#received.toString("latin1", bodyAt).endsWith(kLastChunk);
  }
}
