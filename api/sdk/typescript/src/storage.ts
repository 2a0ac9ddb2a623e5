/**
 * Where the client remembers what it has signed, so that caps and checks hold over a restart. A value
 * has to be durable when `set` resolves. One storage serves one process at a time.
 */
export interface Storage {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string): Promise<void>;
  /** All keys that begin so. */
  keys(prefix: string): Promise<string[]>;
}

/** Remembers until the process ends. */
export class MemoryStorage implements Storage {
  readonly #values = new Map<string, string>();

  async get(key: string): Promise<string | undefined> {
    return this.#values.get(key);
  }

  async set(key: string, value: string): Promise<void> {
    this.#values.set(key, value);
  }

  async keys(prefix: string): Promise<string[]> {
    return [...this.#values.keys()].filter((key) => key.startsWith(prefix));
  }
}

/** What of a browser's localStorage is used. */
export interface WebStorage {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** Remembers in a browser: `new BrowserStorage(localStorage)`. */
export class BrowserStorage implements Storage {
  readonly #storage: WebStorage;
  readonly #prefix: string;

  constructor(storage: WebStorage, prefix = "millrace:") {
    this.#storage = storage;
    this.#prefix = prefix;
  }

  async get(key: string): Promise<string | undefined> {
    return this.#storage.getItem(this.#prefix + key) ?? undefined;
  }

  async set(key: string, value: string): Promise<void> {
    this.#storage.setItem(this.#prefix + key, value);
  }

  async keys(prefix: string): Promise<string[]> {
    const whole = this.#prefix + prefix;
    return Array.from({ length: this.#storage.length }, (_, index) => this.#storage.key(index) ?? "")
      .filter((key) => key.startsWith(whole))
      .map((key) => key.slice(this.#prefix.length));
  }
}
