import WebSocket from "ws";

/** A JSON-RPC error of the service. `reason` is what programs branch on. */
export class StreamError extends Error {
  constructor({ code, message, data }) {
    super(`${code} ${data?.reason ?? ""} ${message}`);
    this.name = "StreamError";
    this.code = code;
    this.data = data ?? {};
    this.reason = data?.reason;
  }
}

/** JSON-RPC 2.0 over WebSocket (stream-protocol.md), with a way to send what no client would. */
export class Connection {
  #socket;
  #nextId = 1;
  #waiting = new Map();
  #strays = [];
  #strayReaders = [];
  #closed;

  /** Called with the params of every event. */
  onEvent = () => {};

  /**
   * @param {string} url of the stream
   * @param {{token?: string, protocols?: string[]}} [options] token: logs in with the upgrade
   * @returns {Promise<Connection>}
   */
  static open(url, { token, protocols = ["millrace.v1"] } = {}) {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const socket = new WebSocket(url, protocols, { headers, perMessageDeflate: false });
    return new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("open", () => resolve(new Connection(socket)));
    });
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("message", (data) => this.#receive(JSON.parse(data.toString("utf8"))));
    socket.once("close", (code) => this.#end(code));
  }

  get isClosed() {
    return this.#closed !== undefined;
  }

  /** The result, or a StreamError; a plain Error when the connection goes before the answer. */
  call(method, params = {}) {
    const id = this.#nextId++;
    return this.#expect(id, () =>
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params })),
    );
  }

  /** Several calls in one frame; settles like `Promise.allSettled`. */
  batch(calls) {
    const requests = calls.map(([method, params]) => ({
      jsonrpc: "2.0",
      id: this.#nextId++,
      method,
      params,
    }));
    const answers = requests.map(({ id }) => this.#expect(id, () => {}));
    this.#socket.send(JSON.stringify(requests));
    return Promise.allSettled(answers);
  }

  /**
   * Sends a frame as it is (text, or binary for a Buffer) and gives the next frame that answers
   * no `call`, or `{closed: code}`.
   */
  exchange(frame, { binary = Buffer.isBuffer(frame) } = {}) {
    const answer = this.#nextStray();
    if (!this.isClosed) this.#socket.send(frame, { binary });
    return answer;
  }

  /** Ends politely. */
  close() {
    return new Promise((resolve) => {
      if (this.isClosed) return resolve();
      this.#socket.once("close", () => resolve());
      this.#socket.close(1000);
    });
  }

  /** Ends as a crash would. */
  cut() {
    this.#socket.terminate();
  }

  #expect(id, send) {
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new Error(`the connection is closed (${this.#closed})`));
      this.#waiting.set(id, { resolve, reject });
      send();
    });
  }

  #nextStray() {
    if (this.#strays.length) return Promise.resolve(this.#strays.shift());
    if (this.isClosed) return Promise.resolve({ closed: this.#closed });
    return new Promise((resolve) => this.#strayReaders.push(resolve));
  }

  #receive(message) {
    if (message.method === "event") return this.onEvent(message.params);
    const answers = Array.isArray(message) ? message : [message];
    if (!answers.length || answers.some(({ id }) => !this.#waiting.has(id))) {
      const reader = this.#strayReaders.shift();
      return reader ? reader(message) : this.#strays.push(message);
    }
    for (const { id, result, error } of answers) {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) reject(new StreamError(error));
      else resolve(result);
    }
  }

  #end(code) {
    this.#closed = code;
    for (const { reject } of this.#waiting.values())
      reject(new Error(`the connection closed (${code}) before the answer`));
    this.#waiting.clear();
    for (const reader of this.#strayReaders) reader({ closed: code });
    this.#strayReaders = [];
  }
}
