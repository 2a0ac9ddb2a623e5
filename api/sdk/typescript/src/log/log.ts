/**
 * The service's transparency log, as far as a party looks at it: its own payments are proven to be in a tree
 * whose heads are signed, and that tree only grows. The key and the newest head are remembered.
 */
import { hexToBytes } from "viem";
import { MillraceError, ServerMismatch } from "../errors.js";
import {
  type Hex,
  isMembers,
  type Members,
  readAmount,
  readHash,
  readList,
  readMembers,
  readText,
} from "../reading.js";
import type { Storage } from "../storage.js";
import { load, save, storedAmount } from "../stored.js";
import { type Patience, sleep, Turns, within } from "../waiting.js";
import { type LoggedPayment, paymentsOf } from "./leaf.js";
import { type Bytes, isConsistent, isEqual, isIncluded, leafHash } from "./merkle.js";
import { type NoteKey, openHead, parseKey, type TreeHead } from "./note.js";

/** An update of an inference that is proven to be in the log. */
export type ProvenUpdate = LoggedPayment;

export interface LogSource {
  /** Where REST is, such as https://millrace.example. */
  origin: string;
  token(): string;
  storage: Storage;
  fetch: typeof globalThis.fetch;
  /** Its key as the operator publishes it. */
  key?: string | undefined;
}

const kSealedWithinMs = 10_000;
const kAskAgainMs = 200;

const bytesOf = (hash: unknown, field: string): Bytes => hexToBytes(readHash({ [field]: hash }, field));

export class Log {
  readonly #source: LogSource;
  readonly #turns = new Turns();

  constructor(source: LogSource) {
    this.#source = source;
  }

  /**
   * Everything that the log has of an inference, oldest first. Waits a little for what is not sealed yet. `key`: the log's key as
   * its operator publishes it; without it the service's own answer is believed the first time, and held against later.
   */
  async verifyPayment(
    channelId: Hex,
    inferenceId: string,
    { key, timeoutMs = kSealedWithinMs, signal }: { key?: string } & Patience = {},
  ): Promise<ProvenUpdate[]> {
    const ending = new AbortController();
    const work = this.#turns.take(() => this.#verify(channelId, inferenceId, key, ending.signal));
    try {
      return await within(work, "verifyPayment", { timeoutMs, signal });
    } finally {
      ending.abort();
    }
  }

  /** Whether the service has a log: one whose key was seen before cannot be gone. */
  async isKept(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#key(undefined, signal);
      return true;
    } catch (error) {
      if (error instanceof MillraceError && error.reason === "not_found") return false;
      throw error;
    }
  }

  async #verify(
    channelId: Hex,
    inferenceId: string,
    given: string | undefined,
    signal: AbortSignal,
  ): Promise<ProvenUpdate[]> {
    const key = await this.#key(given, signal);
    const updates: ProvenUpdate[] = [];
    let after: bigint | undefined;
    for (;;) {
      const page = await this.#page(channelId, inferenceId, after, signal);
      const head = await this.#head(page, key, signal);
      const proven = readList(page, "updates").map((update) =>
        this.#proven(update, head, channelId, inferenceId),
      );
      if (proven.length === 0 && updates.length === 0)
        throw new ServerMismatch("updates", "a proof without updates");
      updates.push(...proven);
      if (page.next === undefined) return updates;
      after = readAmount(page, "next");
    }
  }

  async #page(
    channelId: Hex,
    inferenceId: string,
    after: bigint | undefined,
    signal: AbortSignal,
  ): Promise<Members> {
    const query = new URLSearchParams({
      inferenceId,
      ...(after === undefined ? {} : { after: String(after) }),
    });
    const path = `/v1/channels/${channelId}/proof?${query.toString()}`;
    for (;;) {
      const response = await this.#get(path, signal);
      if (response.ok) return readMembers(await response.json(), "proof");
      // Committed, and not sealed yet.
      if (response.status !== 404 || !response.headers.has("retry-after")) throw await problemOf(response);
      await sleep(kAskAgainMs, signal);
    }
  }

  #proven(value: unknown, head: TreeHead, channelId: Hex, inferenceId: string): ProvenUpdate {
    const update = readMembers(value, "updates");
    const leaf = hexToBytes(readText(update, "leaf") as Hex);
    const hash = leafHash(leaf);
    const index = readAmount(update, "leafIndex");
    const path = readList(update, "path").map((step) => bytesOf(step, "path"));
    if (!isEqual(hash, bytesOf(update.leafHash, "leafHash")))
      throw new ServerMismatch("leafHash", "the leaf has another hash");
    if (!isIncluded(index, head.size, hash, path, head.root))
      throw new ServerMismatch("path", "the leaf is not in the tree that is signed");
    let payments: LoggedPayment[];
    try {
      payments = paymentsOf(leaf);
    } catch (error) {
      throw new ServerMismatch("leaf", "the leaf is not as its format says", { cause: error });
    }
    const payment = payments.find((one) => one.channelId === channelId && one.inferenceId === inferenceId);
    if (!payment) throw new ServerMismatch("leaf", `the leaf has no payment ${inferenceId} of this channel`);
    if (payment.seq !== index + 1n || payment.seq !== readAmount(update, "seq"))
      throw new ServerMismatch("seq", "the leaf is of another number");
    return payment;
  }

  /** The head of a proof, signed, of the same tree as the newest one that was seen before, and not behind it. */
  async #head(proof: Members, key: NoteKey, signal: AbortSignal): Promise<TreeHead> {
    const head = openHead(readText(proof, "checkpoint"), key);
    if (!head) throw new ServerMismatch("checkpoint", `the tree head is not signed by ${key.name}`);
    if (head.size !== readAmount(proof, "treeSize") || !isEqual(head.root, bytesOf(proof.root, "root")))
      throw new ServerMismatch("root", "the proof is for another tree than the signed head");
    const place = `log:head:${key.name}`;
    const kept = await load(this.#source.storage, place);
    if (kept)
      await this.#demandGrown(storedAmount(kept, "size", place), bytesOf(kept.root, "root"), head, signal);
    const root = `0x${Array.from(head.root, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    await save(this.#source.storage, place, { size: head.size, root });
    return head;
  }

  async #demandGrown(size: bigint, root: Bytes, head: TreeHead, signal: AbortSignal): Promise<void> {
    const fork = (what: string) => new ServerMismatch("checkpoint", `the log was forked: ${what}`);
    if (head.size < size) throw fork(`it has ${head.size} leaves, and had ${size}`);
    if (head.size === size) {
      if (!isEqual(head.root, root)) throw fork(`two heads of size ${size}`);
      return;
    }
    const response = await this.#get(`/v1/log/proof/consistency?from=${size}&to=${head.size}`, signal);
    if (!response.ok)
      throw new MillraceError("unavailable", `the log does not show how it went on from ${size} leaves`, {
        cause: await problemOf(response),
      });
    const proof = readMembers(await response.json(), "proof");
    const path = readList(proof, "path").map((step) => bytesOf(step, "path"));
    if (!isConsistent(size, head.size, root, head.root, path))
      throw fork(`the head of ${head.size} does not go on from that of ${size}`);
  }

  async #key(given: string | undefined, signal: AbortSignal): Promise<NoteKey> {
    const place = `log:key:${this.#source.origin}`;
    const kept = await load(this.#source.storage, place);
    const expected = given ?? this.#source.key;
    const text = expected ?? (kept ? readText(kept, "key") : await this.#askKey(signal));
    const key = parseKey(text);
    if (!key) throw new ServerMismatch("key", `${text} is no verifier key`);
    if (kept && readText(kept, "key") !== text)
      throw new ServerMismatch("key", `the log's key was ${readText(kept, "key")} before, and is ${text}`);
    if (!kept) await save(this.#source.storage, place, { key: text });
    return key;
  }

  async #askKey(signal: AbortSignal): Promise<string> {
    const response = await this.#get("/v1/log/key", signal);
    if (!response.ok) throw await problemOf(response);
    return readText(readMembers(await response.json(), "key"), "key");
  }

  #get(path: string, signal: AbortSignal): Promise<Response> {
    const { origin, token, fetch } = this.#source;
    return fetch(origin + path, { headers: { Authorization: `Bearer ${token()}` }, signal });
  }
}

/** What an error of REST says (RFC 9457). */
async function problemOf(response: Response): Promise<MillraceError> {
  const body: unknown = await response.json().catch(() => undefined);
  const text = (name: string) =>
    isMembers(body) && typeof body[name] === "string" ? (body[name] as string) : undefined;
  return new MillraceError(text("reason") ?? "unavailable", text("detail") ?? `HTTP ${response.status}`, {
    field: text("field"),
    limit: text("limit"),
  });
}
