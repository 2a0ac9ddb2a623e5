import { randomBytes, webcrypto } from "node:crypto";
import { x402Client } from "@x402/core/client";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

// The official packages ask for it, and Node 18 has it elsewhere.
globalThis.crypto ??= webcrypto;

const kAtOnce = 16;
export const kDeposit = 2_000_000n;

const decoded = (text) => JSON.parse(Buffer.from(text, "base64").toString());
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64");

/**
 * Opens channels at a priced resource as the official client does, with the deposit in the first paid
 * request. Each has a voucher signer of its own, so that the server can verify by itself.
 * @returns lanes for the load generator: what is charged so far, and all that a payment consists of
 */
export async function openChannels({ url, payer, network, contract, count }) {
  const lanes = [];
  const open = async () => {
    while (lanes.length < count) {
      const place = lanes.push(undefined) - 1;
      lanes[place] = await openChannel({ url, payer, network, contract });
    }
  };
  await Promise.all(Array.from({ length: kAtOnce }, open));
  return lanes;
}

async function openChannel({ url, payer, network, contract }) {
  const key = generatePrivateKey();
  const scheme = new BatchSettlementEvmScheme(payer, {
    salt: `0x${randomBytes(32).toString("hex")}`,
    voucherSigner: privateKeyToAccount(key),
    depositStrategy: async () => String(kDeposit),
  });
  const client = new x402Client().register(network, scheme);
  // Its list of known tokens lacks that of a development chain.
  client.setSpendControls(false);

  const asked = await fetch(url);
  await asked.text();
  const required = decoded(asked.headers.get("PAYMENT-REQUIRED"));
  const { payload, ...rest } = await client.createPaymentPayload(required);
  const paid = await fetch(url, {
    headers: { "PAYMENT-SIGNATURE": encoded({ payload, ...rest }) },
  });
  const text = await paid.text();
  const receipt = paid.headers.get("PAYMENT-RESPONSE");
  if (paid.status !== 200 || !receipt) {
    const reason = receipt ?? paid.headers.get("PAYMENT-REQUIRED");
    const told = reason ? JSON.stringify(decoded(reason)) : "no reason";
    throw new Error(`a deposit was answered by ${paid.status} ${text}: ${told}`);
  }
  const { channelId, chargedCumulativeAmount } = decoded(receipt).extra.channelState;
  return {
    network,
    contract,
    channelId,
    key,
    charged: chargedCumulativeAmount,
    payment: { channelConfig: payload.channelConfig, rest },
  };
}
