// The official resource server as its README has it, in the settings that are fastest for it: vouchers
// are verified in this process, and the facilitator is asked for deposits alone. Its only argument is
// JSON: facilitator, network, token, payTo, price, directory (of file storage; else memory), processes.
import cluster from "node:cluster";
import { webcrypto } from "node:crypto";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/server";
import { FileChannelStorage } from "@x402/evm/batch-settlement/server/file-storage";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import { answering, kPath, serve } from "./answer.mjs";

// They ask for it, and Node 18 has it elsewhere.
globalThis.crypto ??= webcrypto;

const options = JSON.parse(process.argv[2]);
// What a deposit said of the chain is trusted for longer than any run takes.
const kChainStateTrustedMilliseconds = 3_600_000;

async function work() {
  const { network, token, payTo, price, directory } = options;
  const scheme = new BatchSettlementEvmScheme(payTo, {
    onchainStateTtlMs: kChainStateTrustedMilliseconds,
    ...(directory ? { storage: new FileChannelStorage({ directory }) } : {}),
  });
  const facilitator = new HTTPFacilitatorClient({ url: options.facilitator });
  const server = new x402ResourceServer(facilitator).register(network, scheme);
  const { name, version } = token;
  const asset = {
    amount: price,
    asset: token.address,
    extra: { name, version, assetTransferMethod: "eip3009" },
  };
  const accepts = { scheme: "batch-settlement", network, payTo, price: asset };
  await serve(answering(paymentMiddleware({ [`GET ${kPath}`]: { accepts } }, server)));
}

/** Workers share the port, and their connections are dealt out in turns. */
function share() {
  let listening = 0;
  cluster.on("message", (worker, message) => {
    if (++listening === options.processes) process.send(message);
  });
  // A server that lost a part of itself is not the one that was to be measured.
  cluster.on("exit", () => process.exit(1));
  for (let n = 0; n < options.processes; ++n) cluster.fork();
}

if (cluster.isPrimary && options.processes > 1) share();
else await work();
