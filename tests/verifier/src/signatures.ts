/**
 * Vouchers' signatures, checked many at a time. To recover the signer of one takes milliseconds here;
 * a random linear combination of a batch takes a tenth of that for each, and tells as much: for every
 * signature i with R lifted from its r and v, and P the known key of its signer,
 *
 *   Σ aᵢ·Rᵢ = (Σ aᵢ·zᵢ/sᵢ)·G + Σ (aᵢ·rᵢ/sᵢ)·Pᵢ
 *
 * fails but with probability 2^-128 if a single one is false, since the aᵢ are drawn after they were
 * read. A batch that fails is gone through one by one.
 */
import { randomBytes } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1";
import { keccak_256 } from "@noble/hashes/sha3";
import type { Findings, Place } from "./finding.ts";

const Point = secp256k1.ProjectivePoint;
type Point = typeof Point.BASE;
const { Fp, n } = secp256k1.CURVE;
const kBatch = 512;

interface Claim {
  signer: string;
  digest: bigint;
  r: bigint;
  s: bigint;
  isOdd: boolean;
  place: Place;
}

function mod(value: bigint): bigint {
  const rest = value % n;
  return rest < 0n ? rest + n : rest;
}

/** 1/s of all of them, for the price of one. */
function inverses(values: readonly bigint[]): bigint[] {
  const products: bigint[] = [];
  let product = 1n;
  for (const value of values) {
    products.push(product);
    product = mod(product * value);
  }
  let inverse = invert(product);
  const result = new Array<bigint>(values.length);
  for (let i = values.length - 1; i >= 0; i -= 1) {
    result[i] = mod(inverse * products[i]!);
    inverse = mod(inverse * values[i]!);
  }
  return result;
}

function invert(value: bigint): bigint {
  let [a, b, x, y] = [mod(value), n, 1n, 0n];
  while (a !== 0n) {
    const quotient = b / a;
    [a, b] = [b - quotient * a, a];
    [x, y] = [y - quotient * x, x];
  }
  return mod(y);
}

/** The point with this x, or undefined where the curve has none. */
function lift(x: bigint, isOdd: boolean): Point | undefined {
  const square = Fp.add(Fp.mul(Fp.sqr(x), x), 7n);
  let y: bigint;
  try {
    y = Fp.sqrt(square);
  } catch {
    return undefined;
  }
  return Point.fromAffine({ x, y: Fp.isOdd!(y) === isOdd ? y : Fp.neg(y) });
}

/** Σ scalar·point by buckets of their digits; short scalars cost nothing in the upper digits. */
function sumOfProducts(points: readonly Point[], scalars: readonly bigint[]): Point {
  const bits = points.length > 256 ? 8 : points.length > 32 ? 6 : 4;
  const digits = Math.ceil(256 / bits);
  const mask = (1n << BigInt(bits)) - 1n;
  let sum = Point.ZERO;
  for (let digit = digits - 1; digit >= 0; digit -= 1) {
    for (let i = 0; i < bits; i += 1) sum = sum.double();
    const shift = BigInt(digit * bits);
    const buckets = new Array<Point | undefined>(1 << bits);
    for (let i = 0; i < points.length; i += 1) {
      const value = Number((scalars[i]! >> shift) & mask);
      if (value === 0) continue;
      const bucket = buckets[value];
      buckets[value] = bucket ? bucket.add(points[i]!) : points[i]!;
    }
    let running: Point | undefined;
    for (let value = buckets.length - 1; value > 0; value -= 1) {
      const bucket = buckets[value];
      if (bucket) running = running ? running.add(bucket) : bucket;
      if (running) sum = sum.add(running);
    }
  }
  return sum;
}

function addressOf(key: Point): string {
  const hash = keccak_256(key.toRawBytes(false).subarray(1));
  return `0x${Buffer.from(hash.subarray(12)).toString("hex")}`;
}

/** The key that signed, or undefined for a signature that recovers none. */
function recover(claim: Claim): Point | undefined {
  const nonce = lift(claim.r, claim.isOdd);
  if (!nonce) return undefined;
  const inverse = invert(claim.r);
  const key = Point.BASE.multiplyAndAddUnsafe(nonce, mod(-claim.digest * inverse), mod(claim.s * inverse));
  return key && !key.equals(Point.ZERO) ? key : undefined;
}

/** r, s and v of 65 bytes as the contract takes them, or in words what is wrong. */
function parseSignature(hex: string): { r: bigint; s: bigint; isOdd: boolean } | string {
  if (hex.length !== 132) return "the signature has not 65 bytes";
  const r = BigInt(`0x${hex.slice(2, 66)}`);
  const s = BigInt(`0x${hex.slice(66, 130)}`);
  const v = Number.parseInt(hex.slice(130), 16);
  if (v !== 27 && v !== 28) return "the signature's v is neither 27 nor 28";
  if (r === 0n || r >= n || s === 0n || s > n / 2n) return "the signature's r or s is out of range";
  return { r, s, isOdd: v === 28 };
}

export class Signatures {
  private readonly findings: Findings;
  /** Keys of the signers whose address a signature has led to. */
  private readonly keys = new Map<string, Point>();
  private waiting: Claim[] = [];
  checked = 0;

  constructor(findings: Findings) {
    this.findings = findings;
  }

  /** Some time from now an `evidence` finding, if `signer` did not sign the digest. */
  expect(signer: string, digest: Buffer, signature: string, place: Place): void {
    this.checked += 1;
    const parsed = parseSignature(signature);
    if (typeof parsed === "string") {
      this.findings.add("evidence", place, parsed);
      return;
    }
    this.waiting.push({ signer, digest: BigInt(`0x${digest.toString("hex")}`), ...parsed, place });
    if (this.waiting.length >= kBatch) this.flush();
  }

  flush(): void {
    const batch = this.waiting.filter((claim) => this.hasKeyOrIsRecovered(claim));
    this.waiting = [];
    if (batch.length === 0 || this.holds(batch)) return;
    for (const claim of batch) {
      const key = recover(claim);
      if (!key || addressOf(key) !== claim.signer) this.refuse(claim);
    }
  }

  /** The first good signature of a signer tells its key; it is checked by that. */
  private hasKeyOrIsRecovered(claim: Claim): boolean {
    if (this.keys.has(claim.signer)) return true;
    const key = recover(claim);
    if (key && addressOf(key) === claim.signer) this.keys.set(claim.signer, key);
    else this.refuse(claim);
    return false;
  }

  private holds(batch: readonly Claim[]): boolean {
    const inverse = inverses(batch.map(({ s }) => s));
    const random = randomBytes(16 * batch.length);
    const points: Point[] = [];
    const scalars: bigint[] = [];
    const ofKeys = new Map<string, bigint>();
    let ofBase = 0n;
    for (let i = 0; i < batch.length; i += 1) {
      const { signer, digest, r, isOdd } = batch[i]!;
      const nonce = lift(r, isOdd);
      if (!nonce) return false;
      const weight = (random.readBigUInt64LE(16 * i) << 64n) | random.readBigUInt64LE(16 * i + 8);
      const share = mod(weight * inverse[i]!);
      points.push(nonce);
      scalars.push(weight);
      ofBase += share * digest;
      ofKeys.set(signer, (ofKeys.get(signer) ?? 0n) + share * r);
    }
    points.push(Point.BASE, ...[...ofKeys.keys()].map((signer) => this.keys.get(signer)!));
    scalars.push(mod(-ofBase), ...[...ofKeys.values()].map((scalar) => mod(-scalar)));
    return sumOfProducts(points, scalars).equals(Point.ZERO);
  }

  private refuse({ signer, place }: Claim): void {
    this.findings.add("evidence", place, `the signature is not that of ${signer} over this voucher`);
  }
}
