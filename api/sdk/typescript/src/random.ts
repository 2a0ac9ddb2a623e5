import { bytesToHex, randomBytes } from "@noble/hashes/utils";
import type { Hex } from "./reading.js";

const randomHex = (bytes: number): string => bytesToHex(randomBytes(bytes));

/** 32 random bytes. */
export const randomHash = (): Hex => `0x${randomHex(32)}`;

/** An inference id that nobody has used. */
export const randomInferenceId = (): string => randomHex(16);
