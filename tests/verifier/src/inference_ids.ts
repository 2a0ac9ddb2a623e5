/**
 * Which inference ids were opened, of all channels: the one thing to remember for each payment. Twelve
 * bytes of a hash for each, in one table that is at most two thirds full, so 18 to 36 bytes. The hash
 * has a random key, because payers choose the ids: none can be made to collide, and by chance two of a
 * billion do with probability 10^-11.
 */
import { randomBytes } from "node:crypto";
import { sha256 } from "./tree.ts";

const kWords = 3;

export class InferenceIds {
  private slots = new Uint32Array(kWords * 1024);
  private capacity = 1024;
  private used = 0;
  private readonly key = randomBytes(16).toString("hex");

  /** False if it was there already. */
  add(channelId: string, inferenceId: string): boolean {
    if (3 * this.used >= 2 * this.capacity) this.grow();
    const hash = sha256(Buffer.from(`${this.key}${channelId}${inferenceId}`));
    // Zero marks a free slot.
    const isNew = this.put(hash.readUInt32LE(0) || 1, hash.readUInt32LE(4), hash.readUInt32LE(8));
    if (isNew) this.used += 1;
    return isNew;
  }

  private put(a: number, b: number, c: number): boolean {
    const { slots, capacity } = this;
    let at = a % capacity;
    while (slots[kWords * at] !== 0) {
      const i = kWords * at;
      if (slots[i] === a && slots[i + 1] === b && slots[i + 2] === c) return false;
      at = at + 1 === capacity ? 0 : at + 1;
    }
    slots[kWords * at] = a;
    slots[kWords * at + 1] = b;
    slots[kWords * at + 2] = c;
    return true;
  }

  private grow(): void {
    const old = this.slots;
    this.capacity *= 2;
    this.slots = new Uint32Array(kWords * this.capacity);
    for (let i = 0; i < old.length; i += kWords) {
      if (old[i] !== 0) this.put(old[i]!, old[i + 1]!, old[i + 2]!);
    }
  }
}
