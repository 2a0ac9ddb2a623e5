import { randomInt } from "node:crypto";

/** Numbers that MILLRACE_SEED repeats; the seed is printed, so that a failure can be. */
export function seededRandom(what) {
  const seed = Number(process.env.MILLRACE_SEED ?? randomInt(2 ** 31));
  console.log(`${what}: MILLRACE_SEED=${seed}`);
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    /** A whole number from `low` up to, not including, `high`. */
    between: (low, high) => low + Math.floor(next() * (high - low)),
    chance: (probability) => next() < probability,
  };
}
