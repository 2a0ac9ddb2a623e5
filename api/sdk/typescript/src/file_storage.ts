import { mkdir, open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Storage } from "./storage.js";

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";

/** Remembers in a folder, one file for each key, each replaced whole: a crash leaves the old or the new. */
export class FileStorage implements Storage {
  readonly #folder: string;
  #attempt = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(key: string): Promise<string | undefined> {
    try {
      return await readFile(this.#path(key), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async set(key: string, value: string): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const path = this.#path(key);
    const fresh = `${path}.${process.pid}.${this.#attempt++}.new`;
    const file = await open(fresh, "w", 0o600);
    try {
      await file.writeFile(value);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
    const folder = await open(this.#folder, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async keys(prefix: string): Promise<string[]> {
    try {
      const names = await readdir(this.#folder);
      const keys = names
        .filter((name) => name.endsWith(".json"))
        .map((name) => decodeURIComponent(name.slice(0, -5)));
      return keys.filter((key) => key.startsWith(prefix));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  #path(key: string): string {
    return join(this.#folder, `${encodeURIComponent(key)}.json`);
  }
}
