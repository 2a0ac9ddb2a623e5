/** EIP-712 against published values, signatures in batches, and the table of inference ids. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { signVoucher, wallet } from "./ledger.mjs";
import "./typescript.mjs";

const { Findings } = await import("./src/finding.ts");
const { InferenceIds } = await import("./src/inference_ids.ts");
const { Signatures } = await import("./src/signatures.ts");
const { channelId, domainSeparator, voucherDigest } = await import("./src/typed_data.ts");

const vectors = JSON.parse(readFileSync(new URL("../vectors/payment-protocols.json", import.meta.url)));
const { chainId, channels, contracts, vouchers } = vectors.x402_batch_settlement;
const domain = domainSeparator(BigInt(chainId), contracts.x402BatchSettlement);

test("channel ids and voucher digests are those that two other libraries compute", () => {
  for (const { config, channelId: expected } of channels) assert.equal(channelId(domain, config), expected);
  for (const { message, digest } of vouchers) {
    const computed = voucherDigest(domain, message.channelId, BigInt(message.maxClaimableAmount));
    assert.equal(`0x${computed.toString("hex")}`, digest);
  }
});

/** Lines of the signatures that were found false. `items`: [signer, digest, signature] */
function falseOnes(items) {
  const findings = new Findings(items.length);
  const signatures = new Signatures(findings);
  items.forEach(([signer, digest, signature], i) =>
    signatures.expect(signer, digest, signature, { table: "payment", key: "", line: i }));
  signatures.flush();
  assert.equal(signatures.checked, items.length);
  return findings.inOrder().map(({ line }) => line);
}

test("signatures of other libraries are good, and any change of them is found", () => {
  const items = vouchers.map(({ message, digest, signer, signature }) => {
    assert.ok(message);
    return [signer.toLowerCase(), Buffer.from(digest.slice(2), "hex"), signature];
  });
  assert.deepEqual(falseOnes(items), []);
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const [signer, digest, signature] = items[1];
  const r = signature.slice(2, 66);
  const s = signature.slice(66, 130);
  const v = signature.slice(130);
  const other = v === "1b" ? "1c" : "1b";
  const high = (n - BigInt(`0x${s}`)).toString(16).padStart(64, "0");
  const spoilt = [
    `0x${r}${s}${other}`, `0x${r}${high}${other}`, `0x${r}${s}00`, `0x${s}${r}${v}`, `0x${r}${s}`, "0x",
    `0x${"00".repeat(32)}${s}${v}`, `0x${r}${"00".repeat(32)}${v}`, `0x${n.toString(16)}${s}${v}`,
    `0x${"05".padStart(64, "0")}${s}${v}`,
  ];
  for (const bad of spoilt) {
    assert.deepEqual(falseOnes([...items, [signer, digest, bad]]), [items.length], bad);
    assert.deepEqual(falseOnes([[signer, digest, bad]]), [0], bad);
  }
  assert.deepEqual(falseOnes([...items, [wallet(9).address, digest, signature]]), [items.length]);
});

test("of a thousand signatures of several signers in batches, exactly the false ones are found", () => {
  const signers = [wallet(1), wallet(2), wallet(3)];
  const id = channels[0].channelId;
  const local = domainSeparator(31337n, `0x${"40".repeat(20)}`);
  const items = Array.from({ length: 1000 }, (_, i) => {
    const { address, secret } = signers[i % 3];
    return [address, voucherDigest(local, id, BigInt(i)), signVoucher(secret, id, BigInt(i))];
  });
  assert.deepEqual(falseOnes(items), []);
  items[0] = [items[0][0], items[0][1], items[3][2]];
  items[700] = [items[701][0], items[700][1], items[700][2]];
  assert.deepEqual(falseOnes(items), [0, 700]);
});

test("inference ids: each once, of each channel by itself", () => {
  const ids = new InferenceIds();
  for (let i = 0; i < 5000; i += 1) assert.ok(ids.add(`0x${i % 2}`, `inference-${i >> 1}`));
  for (let i = 0; i < 5000; i += 1) assert.ok(!ids.add(`0x${i % 2}`, `inference-${i >> 1}`));
});
