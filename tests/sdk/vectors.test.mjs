// The SDK's arithmetic against check values that were made by others.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  channelIdOf,
  erc3009Nonce,
  hashOf,
  isConsistent,
  isIncluded,
  isVoucherOf,
  leafHash,
  openHead,
  openNote,
  parseKey,
  signDeposit,
  signVoucher,
  voucherData,
} from "@millrace/client";
import { hexToBytes, pad, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const read = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));
const { x402_batch_settlement: x402, keys } = read("payment-protocols");
const log = read("transparency-log");
const contract = x402.contracts.x402BatchSettlement;
const escrow = { network: `eip155:${x402.chainId}`, contract };
const accountOf = (address) => privateKeyToAccount(keys[address]);

test("vectors: ids of channels, on two chains", () => {
  assert.equal(x402.channels.length, 2);
  for (const { config, channelId, channelIdOnBaseMainnet } of x402.channels) {
    assert.equal(channelIdOf(escrow, config), channelId);
    if (channelIdOnBaseMainnet)
      assert.equal(channelIdOf({ network: "eip155:8453", contract }, config), channelIdOnBaseMainnet);
  }
});

test("vectors: digests and signatures of vouchers", async () => {
  assert.equal(x402.vouchers.length, 5);
  for (const { message, digest, signer, signature } of x402.vouchers) {
    const amount = BigInt(message.maxClaimableAmount);
    assert.equal(hashOf(voucherData(escrow, message.channelId, amount)), digest);
    const voucher = await signVoucher(accountOf(signer), escrow, message.channelId, amount);
    assert.equal(voucher.signature, signature);
    assert.equal(await isVoucherOf(signer, escrow, message.channelId, voucher), true);
    assert.equal(
      await isVoucherOf(signer, escrow, message.channelId, { ...voucher, maxClaimableAmount: amount ^ 1n }),
      false,
    );
    assert.equal(await isVoucherOf(contract, escrow, message.channelId, voucher), false);
    assert.equal(
      await isVoucherOf(signer, escrow, message.channelId, { ...voucher, signature: "0x12" }),
      false,
    );
  }
});

test("vectors: deposits by ERC-3009 and by Permit2", async () => {
  const { erc3009Deposit: erc3009, permit2Deposit: permit2 } = x402;
  const { channelId } = x402.channels[0];
  assert.equal(erc3009Nonce(channelId, BigInt(erc3009.salt)), erc3009.nonce);
  const token = {
    address: erc3009.domain.verifyingContract,
    name: erc3009.domain.name,
    version: erc3009.domain.version,
  };
  const terms = {
    network: escrow.network,
    token,
    channelId,
    amount: BigInt(erc3009.message.value),
    validBefore: Number(erc3009.message.validBefore),
  };
  const salt = pad(toHex(BigInt(erc3009.salt)));
  const byToken = await signDeposit(accountOf(erc3009.signer), { ...terms, method: "eip3009" }, salt);
  assert.deepEqual(byToken, {
    amount: erc3009.message.value,
    authorization: {
      erc3009Authorization: {
        validAfter: "0",
        validBefore: erc3009.message.validBefore,
        salt,
        signature: erc3009.signature,
      },
    },
  });
  const nonce = pad(toHex(BigInt(permit2.message.nonce)));
  const byPermit = await signDeposit(
    accountOf(permit2.signer),
    {
      ...terms,
      amount: BigInt(permit2.message.permitted.amount),
      validBefore: Number(permit2.message.deadline),
      method: "permit2",
    },
    nonce,
  );
  assert.equal(byPermit.authorization.permit2Authorization.signature, permit2.signature);
  assert.equal(byPermit.authorization.permit2Authorization.nonce, permit2.message.nonce);
});

const bytes = (hex) => hexToBytes(hex);

test("vectors: trees, and their proofs", () => {
  const { leaves, roots, inclusion, consistency } = log.tree;
  const hashes = leaves.map((leaf) => leafHash(bytes(leaf)));
  const rootOf = (size) => bytes(roots[Number(size) - 1]);
  assert.ok(inclusion.length >= 5 && consistency.length >= 4);
  for (const { index, size, path } of inclusion) {
    const holds = (at, of, steps) =>
      isIncluded(BigInt(at), BigInt(of), hashes[index], steps.map(bytes), rootOf(size));
    assert.equal(holds(index, size, path), true);
    assert.equal(holds(BigInt(index) + 1n, size, path), false);
    assert.equal(holds(index, size, [...path, roots[0]]), false);
    if (path.length > 0) assert.equal(holds(index, size, path.slice(1)), false);
  }
  for (const { from, to, path } of consistency) {
    const holds = (one, other, steps) => isConsistent(BigInt(from), BigInt(to), one, other, steps.map(bytes));
    assert.equal(holds(rootOf(from), rootOf(to), path), true);
    assert.equal(holds(rootOf(from), rootOf(to), [...path, roots[0]]), false);
    if (from !== to) assert.equal(holds(rootOf(to), rootOf(to), path), false);
  }
  const large = log.inclusionInLargeTree;
  assert.equal(
    isIncluded(
      BigInt(large.index),
      BigInt(large.size),
      bytes(large.leafHash),
      large.path.map(bytes),
      bytes(large.root),
    ),
    true,
  );
  assert.equal(
    isIncluded(
      BigInt(large.index) + 1n,
      BigInt(large.size),
      bytes(large.leafHash),
      large.path.map(bytes),
      bytes(large.root),
    ),
    false,
  );
});

test("vectors: notes, their keys, and tree heads", () => {
  for (const { key, otherKey, text, signature, otherSignature } of log.notes) {
    const note = `${text}\n${signature}${otherSignature ?? ""}`;
    assert.equal(openNote(note, parseKey(key)), text);
    assert.equal(openNote(`${text}\n${signature}`, parseKey(key)), text);
    assert.equal(openNote(`${text}\n${otherSignature}`, parseKey(key)), undefined);
    assert.equal(openNote(note, parseKey(otherKey)), text);
    assert.equal(openNote(note.replace("answer", "problem"), parseKey(key)), undefined);
    assert.equal(openNote(note.slice(0, -1), parseKey(key)), undefined);
    assert.equal(openNote(note.replace(/.=\n/, "x=\n"), parseKey(key)), undefined);
  }
  for (const key of log.badKeys.keys) assert.equal(parseKey(key), undefined);
  for (const key of ["", "x", "a+b", "a b+00000000+AAAA"]) assert.equal(parseKey(key), undefined);
  // Heads of another log, whose origin is not its key's name: their signatures are good, and they are no heads of ours.
  const key = parseKey(log.heads.key);
  for (const { size, root, signature } of log.heads.notes) {
    const note = `${log.heads.origin}\n${size}\n${root}\n\n${signature}`;
    assert.equal(openNote(note, key), `${log.heads.origin}\n${size}\n${root}\n`);
    assert.equal(openHead(note, key), undefined);
    assert.equal(openNote(note.replace(`${size}`, `${size + 1}`), key), undefined);
  }
});
