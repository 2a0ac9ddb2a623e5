import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { sign } from "viem/accounts";
import { voucherDigest } from "../../e2e/chain.mjs";

async function signed({ lane, count, price }) {
  const { network, contract, channelId, key } = lane;
  const signatures = [];
  for (let n = 1; n <= count; ++n) {
    const maxClaimableAmount = String(BigInt(lane.charged) + BigInt(n) * BigInt(price));
    const hash = voucherDigest({ network, contract, channelId, maxClaimableAmount });
    const signature = await sign({ hash, privateKey: key, to: "hex" });
    signatures.push({ channelId, maxClaimableAmount, signature });
  }
  return signatures;
}

/**
 * The next `count` vouchers of each lane, each for `price` more than the one before; signed on
 * `threads` cores.
 */
export async function signVouchers(lanes, { count, price, threads }) {
  const parts = Array.from({ length: threads }, (_, part) =>
    lanes.filter((_, n) => n % threads === part),
  );
  const answers = await Promise.all(parts.map((part) => signApart(part, { count, price })));
  return lanes.map((_, n) => answers[n % threads][Math.floor(n / threads)]);
}

function signApart(lanes, { count, price }) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { lanes, count, price } });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

if (!isMainThread) {
  const { lanes, count, price } = workerData;
  const all = [];
  for (const lane of lanes) all.push(await signed({ lane, count, price }));
  parentPort.postMessage(all);
}
