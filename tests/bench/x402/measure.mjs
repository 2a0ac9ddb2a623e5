import { busySeconds, Child, cpuSeconds } from "./child.mjs";
import { kPath } from "./answer.mjs";

// A run ends with the first channel that has no vouchers left, so there are some more than needed.
const kSpare = 1.5;

/** The same load on any server that takes x402 payments over HTTP. */
export class Load {
  #child;

  static async start({ url, lanes, price }) {
    const load = new Load();
    load.lanes = lanes;
    load.#child = await Child.start("load.mjs", { url, path: kPath, price }, { lanes });
    return load;
  }

  stop() {
    return this.#child.stop();
  }

  /** So many requests before the clock starts; tells the rate per second. */
  async warmUp({ channels, requests, pids }) {
    const run = await this.#run({ lanes: channels, count: Math.ceil(requests / channels) }, pids);
    return run.answered / run.wholeSeconds;
  }

  /**
   * Closed loop, one request in flight on each of `channels`, for `seconds`. Signed before is what
   * that takes at `rate`. The CPU of `pids` is told as the server's.
   */
  measure({ channels, seconds, rate, pids }) {
    const count = Math.ceil(((rate * seconds) / channels) * kSpare) + 10;
    return this.#run({ lanes: channels, count, seconds }, pids);
  }

  async #run(run, pids) {
    this.#child.send({ run });
    await this.#child.receive();
    const [before, busyBefore] = [cpuSeconds(pids), busySeconds()];
    this.#child.send({ go: true });
    const { result } = await this.#child.receive();
    const [used, busy] = [cpuSeconds(pids) - before, busySeconds() - busyBefore];
    if (result.refusal) throw new Error(`a payment was not taken: ${result.refusal}`);
    this.charged = result.charged;
    return {
      ...result,
      perSecond: result.inTime / result.seconds,
      serverCores: used / result.wholeSeconds,
      loadCores: result.cpuSeconds / result.wholeSeconds,
      // What else the machine did: much of it, and the figures are worth little.
      otherCores: Math.max(0, busy - used - result.cpuSeconds) / result.wholeSeconds,
    };
  }
}
