/** Waits for what may hold after one of many changes. */
export class Changes {
  readonly #end: () => Error | undefined;
  readonly #waiting = new Set<() => void>();

  /** `end`: why nothing more is to be expected. */
  constructor(end: () => Error | undefined) {
    this.#end = end;
  }

  notify(): void {
    for (const resolve of [...this.#waiting]) resolve();
    this.#waiting.clear();
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      const end = this.#end();
      if (end) throw end;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }
}
