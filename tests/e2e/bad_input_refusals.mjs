import { kZeroAddress, newAccount, signVoucher } from "./chain.mjs";

/**
 * Well-formed calls that have to be refused: by whom (`payer` unless `as` says otherwise), the call,
 * and the error.
 */

const x402 = (name) => `invalid_batch_settlement_evm_${name}`;
const refused = (reason, field, limit) => ({ code: -32000, reason, field, limit });
const invalid = (field) => ({ code: -32602, field });
const badSignature = refused(x402("voucher_signature"), "voucher.signature");

const kOrder = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
let next = 1;

/** A payment of 10 that would be accepted, but for what `change` does to it. */
const pay = (change) => async (world) => {
  const { payer, channel, used } = world;
  const params = {
    channelId: channel.id,
    inference: { id: `bad-${next++}`, model: "m" },
    amount: "10",
    voucher: await payer.voucher(channel.id, used + 10n),
  };
  return ["payment.pay", (await change(params, world)) ?? params];
};
const withMax = (max) =>
  pay(async (params, world) => {
    params.voucher = await world.payer.voucher(world.channel.id, max(world));
  });
const withVoucher = (change) =>
  pay(async (params, world) => {
    params.voucher = { ...params.voucher, ...(await change(params.voucher, world)) };
  });
const withSignature = (change) =>
  withVoucher(({ signature }) => ({ signature: change(signature) }));
const withMember = (name, value) => pay((params) => ({ ...params, [name]: value }));
const withInference = (id) => pay((params) => ({ ...params, inference: { id, model: "m" } }));
const lastByte = (signature) => Number.parseInt(signature.slice(-2), 16);
const withLastByte = (signature, value) =>
  signature.slice(0, -2) + value.toString(16).padStart(2, "0");

/** The same curve point, with the s that the upper half of the order has for it. */
function highS(signature) {
  const s = kOrder - BigInt(`0x${signature.slice(66, 130)}`);
  const flipped = withLastByte(signature, lastByte(signature) === 27 ? 28 : 27);
  return flipped.slice(0, 66) + s.toString(16).padStart(64, "0") + flipped.slice(130);
}

/** EIP-2098. */
function compact(signature) {
  const high = lastByte(signature) === 28 ? 1n << 255n : 0n;
  const s = BigInt(`0x${signature.slice(66, 130)}`) | high;
  return signature.slice(0, 66) + s.toString(16).padStart(64, "0");
}

const vouchers = [
  [
    "forged: signed by another key",
    async ({ channel, used, other }) => other.voucher(channel.id, used + 10n),
  ],
  ["signed for another chain", signedUnder({ network: "eip155:1" })],
  [
    "signed for another contract",
    signedUnder({ contract: "0x4020806089470a89826cb9fb1f4059150b550004" }),
  ],
  ["signed for another channel", ({ payer, others, used }) => payer.voucher(others.id, used + 10n)],
  [
    "signed for less than it says",
    async ({ payer, channel, used }) => ({
      ...(await payer.voucher(channel.id, used)),
      maxClaimableAmount: String(used + 10n),
    }),
  ],
  [
    "signed for more than it says",
    async ({ payer, channel, used }) => ({
      ...(await payer.voucher(channel.id, used + 11n)),
      maxClaimableAmount: String(used + 10n),
    }),
  ],
].map(([name, make]) => ({
  name: `voucher ${name}`,
  call: pay(async (params, world) => {
    params.voucher = await make(world);
  }),
  expect: badSignature,
}));

function signedUnder(domain) {
  return async ({ payer, channel, used }) => {
    const { network, contract } = payer.network;
    const maxClaimableAmount = String(used + 10n);
    const signature = await signVoucher(payer.account, {
      network,
      contract,
      channelId: channel.id,
      maxClaimableAmount,
      ...domain,
    });
    return { maxClaimableAmount, signature };
  };
}

const signatures = [
  ["with high s", highS],
  ["of 64 bytes (EIP-2098)", compact],
  ["of 64 bytes (no v)", (signature) => signature.slice(0, -2)],
  ["of 66 bytes", (signature) => `${signature}00`],
  ["of no bytes", () => "0x"],
  ["with v 0 or 1", (signature) => withLastByte(signature, lastByte(signature) - 27)],
  ["with v 29", (signature) => withLastByte(signature, 29)],
  ["with the other v", (signature) => withLastByte(signature, 55 - lastByte(signature))],
  ["of zeros", () => `0x${"00".repeat(64)}1b`],
  ["with r at the order", (signature) => `0x${kOrder.toString(16)}${signature.slice(66)}`],
].map(([name, change]) => ({
  name: `signature ${name}`,
  call: withSignature(change),
  expect: badSignature,
}));

const signatureTexts = [
  ["without 0x", (signature) => signature.slice(2)],
  ["with an odd digit", (signature) => signature.slice(0, -1)],
  ["with a letter that is no digit", (signature) => `${signature.slice(0, -1)}g`],
].map(([name, change]) => ({
  name: `signature ${name}`,
  call: withSignature(change),
  expect: invalid("voucher.signature"),
}));

const sums = [
  {
    name: "voucher below what is used",
    call: withMax(({ used }) => used + 9n),
    expect: refused("insufficient_voucher", "voucher.maxClaimableAmount", "1710"),
  },
  {
    name: "voucher at what is used",
    call: withMax(({ used }) => used),
    expect: refused("insufficient_voucher", "voucher.maxClaimableAmount", "1710"),
  },
  {
    name: "voucher one above the balance",
    call: withMax(({ balance }) => balance + 1n),
    expect: refused(x402("cumulative_exceeds_balance"), "voucher.maxClaimableAmount", "1000000"),
  },
  {
    name: "voucher of all that uint128 holds",
    call: withMax(() => 2n ** 128n - 1n),
    expect: refused(x402("cumulative_exceeds_balance"), "voucher.maxClaimableAmount", "1000000"),
  },
  {
    name: "voucher beyond uint128",
    call: withVoucher(() => ({ maxClaimableAmount: String(2n ** 128n) })),
    expect: invalid("voucher.maxClaimableAmount"),
  },
  {
    name: "voucher beyond uint256",
    call: withVoucher(() => ({ maxClaimableAmount: "9".repeat(100) })),
    expect: invalid("voucher.maxClaimableAmount"),
  },
  {
    name: "amount that overflows with what is used",
    call: withMember("amount", String(2n ** 128n - 1n)),
    expect: refused("insufficient_voucher", "voucher.maxClaimableAmount"),
  },
];

const amounts = [
  ["0x10"],
  ["-1"],
  ["+1"],
  ["1.5"],
  ["1e3"],
  ["010"],
  [" 10"],
  ["10 "],
  [""],
  ["١٠"],
  ["1_000"],
  [null],
  [true],
  [["10"]],
  [undefined],
  [String(2n ** 128n)],
].map(([amount]) => ({
  name: `amount ${JSON.stringify(amount) ?? "missing"}`,
  call: withMember("amount", amount),
  expect: invalid("amount"),
}));

const inferences = [
  ["empty", ""],
  ["65 characters long", "a".repeat(65)],
  ["with a space", "a b"],
  ["with a slash", "a/b"],
  ["with an umlaut", "ä"],
  ["with a zero byte", "a\u0000"],
  ["as a number", 7],
  ["missing", undefined],
].map(([name, id]) => ({
  name: `inference id ${name}`,
  call: withInference(id),
  expect: invalid("inference.id"),
}));

const members = [
  {
    name: "zero payment",
    call: withMember("amount", "0"),
    expect: { reason: "invalid_params", field: "amount" },
  },
  { name: "no inference", call: withMember("inference", undefined), expect: invalid("inference") },
  {
    name: "inference as an array",
    call: withMember("inference", []),
    expect: invalid("inference"),
  },
  { name: "no voucher", call: withMember("voucher", undefined), expect: invalid("voucher") },
  { name: "voucher as text", call: withMember("voucher", "0x00"), expect: invalid("voucher") },
  {
    name: "channel id one byte short",
    call: pay((p) => ({ ...p, channelId: p.channelId.slice(0, -2) })),
    expect: invalid("channelId"),
  },
  {
    name: "channel id that is no hex",
    call: withMember("channelId", "channel-1"),
    expect: invalid("channelId"),
  },
  {
    name: "unknown channel",
    call: withMember("channelId", `0x${"ab".repeat(32)}`),
    expect: refused("channel_unknown", "channelId"),
  },
  {
    name: "inference details of 10 kB",
    call: pay((p) => ({ ...p, inference: { ...p.inference, app: "x".repeat(10_000) } })),
    expect: { code: -32602, limit: 4096 },
  },
].map((one) => ({ ...one, expect: { code: -32602, ...one.expect } }));

const used = [
  {
    name: "replay with another amount",
    call: pay((p) => ({ ...p, inference: { id: "paid", model: "model-a" } })),
    expect: refused("idempotency_conflict", "inference.id"),
  },
  {
    name: "replay with another model",
    call: async ({ payer, channel }) => [
      "payment.pay",
      {
        channelId: channel.id,
        amount: "1000",
        inference: { id: "paid", model: "model-b" },
        voucher: await payer.voucher(channel.id, 1000n),
      },
    ],
    expect: refused("idempotency_conflict", "inference.id"),
  },
  {
    name: "pay for an inference that is reserved",
    call: pay((p) => ({ ...p, inference: { id: "job", model: "model-a" } })),
    expect: refused("idempotency_conflict", "inference.id"),
  },
  {
    name: "authorize an inference that is paid",
    call: async ({ channel }) => [
      "payment.authorize",
      { channelId: channel.id, maxAmount: "10", inference: { id: "paid", model: "model-a" } },
    ],
    expect: refused("idempotency_conflict", "inference.id"),
  },
  {
    name: "authorize without cover",
    call: async ({ channel }) => [
      "payment.authorize",
      { channelId: channel.id, maxAmount: "101", inference: { id: "uncovered", model: "m" } },
    ],
    expect: refused("insufficient_voucher", "voucher.maxClaimableAmount", "1801"),
  },
  {
    name: "authorize nothing",
    call: async ({ channel }) => [
      "payment.authorize",
      { channelId: channel.id, maxAmount: "0", inference: { id: "nothing", model: "m" } },
    ],
    expect: { code: -32602, reason: "invalid_params", field: "maxAmount" },
  },
];

const charge =
  (inferenceId, amount, more = {}) =>
  async ({ channel }) => [
    "payment.charge",
    { channelId: channel.id, inferenceId, amount, ...more },
  ];
const charges = [
  {
    name: "charge above the reservation",
    as: "provider",
    call: charge("job", "501"),
    expect: refused("amount_exceeds_reservation", "amount", "500"),
  },
  {
    name: "charge of an unknown inference",
    as: "provider",
    call: charge("nobody", "1"),
    expect: refused("reservation_unknown", "inferenceId"),
  },
  {
    name: "charge again with another amount",
    as: "provider",
    call: charge("done", "201"),
    expect: refused("idempotency_conflict"),
  },
  {
    name: "release what is charged",
    as: "provider",
    call: async ({ channel }) => [
      "payment.release",
      { channelId: channel.id, inferenceId: "done" },
    ],
    expect: refused("idempotency_conflict"),
  },
  {
    name: "charge with final as text",
    as: "provider",
    call: charge("job", "1", { final: "no" }),
    expect: invalid("final"),
  },
  {
    name: "charge with a usage that is no object",
    as: "provider",
    call: charge("job", "1", { usage: [] }),
    expect: invalid("usage"),
  },
  {
    name: "charge with a receipt of 10 kB",
    as: "provider",
    call: charge("job", "1", { receipt: { note: "x".repeat(10_000) } }),
    expect: { code: -32602, limit: 4096 },
  },
];

const get = async ({ channel }) => ["channel.get", { channelId: channel.id }];
const release = async ({ channel }) => [
  "payment.release",
  { channelId: channel.id, inferenceId: "job" },
];
const topUp = async ({ payer, channel }) => [
  "channel.topUp",
  { channelId: channel.id, deposit: await payer.deposit(channel.id, 10n) },
];
const refund = async ({ payer, channel }) => [
  "channel.refund",
  { channelId: channel.id, voucher: await payer.voucher(channel.id, 0n) },
];
/** A refund of all that is unspent (1200 of it are charged, 500 reserved), but for `change`. */
const askBack = (change) => async (world) => {
  const { payer, channel } = world;
  const params = { channelId: channel.id, voucher: await payer.voucher(channel.id, 1200n) };
  return ["channel.refund", (await change(params, world)) ?? params];
};
const signedFor = (max) =>
  askBack(async (params, { payer, channel }) => {
    params.voucher = await payer.voucher(channel.id, max);
  });
const mismatch = refused(x402("cumulative_amount_mismatch"), "voucher.maxClaimableAmount", "1200");
const badAmount = refused(x402("refund_amount_invalid"), "amount", "998300");
const refunds = [
  ["refund signed for less than is charged", signedFor(1199n), mismatch],
  ["refund signed for more than is charged", signedFor(1201n), mismatch],
  ["refund signed for the reservations too", signedFor(1700n), mismatch],
  ["refund of nothing", askBack((params) => ({ ...params, amount: "0" })), badAmount],
  ["refund of what is reserved", askBack((params) => ({ ...params, amount: "998301" })), badAmount],
  [
    "refund signed by another payer",
    askBack(async (params, { other, channel }) => {
      params.voucher = await other.voucher(channel.id, 1200n);
    }),
    badSignature,
  ],
  ["refund without a voucher", askBack(({ channelId }) => ({ channelId })), invalid("voucher")],
  ["refund of a number", askBack((params) => ({ ...params, amount: 5 })), invalid("amount")],
  [
    "refund of a channel that nobody knows",
    askBack((params) => ({ ...params, channelId: `0x${"9".repeat(64)}` })),
    refused("channel_unknown", "channelId"),
  ],
].map(([name, call, expect]) => ({ name, call, expect }));

/** What a provider would hand in, if nothing were reserved in the channel. */
const accept = async ({ payer, channel, used }) => [
  "payment.accept",
  {
    channelConfig: channel.config,
    inference: { id: `bad-${next++}`, model: "m" },
    maxAmount: "10",
    voucher: await payer.voucher(channel.id, used + 10n),
  },
];
const handIn = (change) => async (world) => {
  const [method, params] = await accept(world);
  return [method, { ...params, ...(await change(params, world)) }];
};
const accepts = [
  ["accept beside a reservation", accept, refused(x402("channel_busy"), "channelId")],
  [
    "accept with an id that was used",
    handIn(({ inference }) => ({ inference: { ...inference, id: "done" } })),
    refused("idempotency_conflict", "inference.id"),
  ],
  [
    "accept for another configuration than the voucher's",
    handIn(({ channelConfig, voucher }, { channel }) => ({
      channelConfig: { ...channelConfig, withdrawDelay: 901 },
      voucher: { channelId: channel.id, ...voucher },
    })),
    refused(x402("channel_id_mismatch"), "voucher.channelId"),
  ],
  [
    "accept on another network",
    handIn(() => ({ network: "eip155:5" })),
    refused(x402("network_mismatch"), "network"),
  ],
  ["accept of nothing", handIn(() => ({ maxAmount: "0" })), invalid("maxAmount")],
  ["accept without a voucher", handIn(() => ({ voucher: undefined })), invalid("voucher")],
  [
    "accept without a configuration",
    handIn(() => ({ channelConfig: undefined })),
    invalid("channelConfig"),
  ],
].map(([name, call, expect]) => ({ name, as: "provider", call, expect }));

const parties = [
  ["channel.get by a stranger", "stranger", get],
  ["channel.get by another payer of the provider", "other", get],
  ["charge by the payer", "payer", charge("job", "1")],
  ["charge by a stranger", "stranger", charge("job", "1")],
  ["release by the payer", "payer", release],
  ["release by a stranger", "stranger", release],
  ["pay by the provider", "provider", pay(() => {})],
  ["pay by a stranger with the payer's voucher", "stranger", pay(() => {})],
  ["top up by the provider", "provider", topUp],
  ["top up by a stranger", "stranger", topUp],
  ["accept by the payer", "payer", accept],
  ["accept by a stranger", "stranger", accept],
  ["refund asked for by a stranger with the payer's voucher", "stranger", refund],
  [
    "events of another party's channel",
    "stranger",
    async ({ channel }) => ["events.subscribe", { topics: ["payment"], channelId: channel.id }],
  ],
].map(([name, as, call]) => ({ name, as, call, expect: refused("forbidden") }));

const anonymous = [
  ["channel.get", get],
  ["payment.pay", pay(() => {})],
  ["payment.charge", charge("job", "1")],
  ["settlement.claim", async () => ["settlement.claim", {}]],
  ["channel.list", async () => ["channel.list", {}]],
  ["channel.refund", refund],
  ["payment.accept", accept],
  ["events.subscribe", async () => ["events.subscribe", { topics: ["payment"] }]],
].map(([name, call]) => ({
  name: `${name} without login`,
  as: "anonymous",
  call,
  expect: refused("unauthenticated"),
}));

/** A login with a fresh challenge that `change` spoils. */
const login =
  (change) =>
  async ({ stranger }) => {
    const { message } = await stranger.call("auth.challenge", {
      address: stranger.account.address,
    });
    const signature = await stranger.account.signMessage({ message });
    return ["auth.login", await change({ message, signature }, stranger)];
  };
const someone = newAccount();
const logins = [
  [
    "signed by another key",
    refused("unauthenticated"),
    async ({ message }) => ({
      message,
      signature: await someone.signMessage({ message }),
    }),
  ],
  [
    "with a nonce that was used",
    refused("unauthenticated"),
    async (params, { call, connection }) => {
      await connection.call("auth.login", params);
      return params;
    },
  ],
  [
    "with a message for another address",
    refused("unauthenticated"),
    async ({ message }, { account }) => {
      const changed = message.replace(account.address, someone.address);
      return { message: changed, signature: await someone.signMessage({ message: changed }) };
    },
  ],
  [
    "with a nonce of its own",
    refused("unauthenticated"),
    async ({ message }, { account }) => {
      const changed = message.replace(/Nonce: .*/, "Nonce: 0123456789abcdef01234567");
      return { message: changed, signature: await account.signMessage({ message: changed }) };
    },
  ],
  [
    "with a message that was never given out",
    refused("unauthenticated"),
    async (_, { account }) => ({
      message: "let me in",
      signature: await account.signMessage({ message: "let me in" }),
    }),
  ],
  [
    "with a 64-byte signature",
    { reason: "unauthenticated" },
    async ({ message, signature }) => ({
      message,
      signature: compact(signature),
    }),
  ],
].map(([name, expect, change]) => ({
  name: `login ${name}`,
  as: "stranger",
  call: login(change),
  expect: { code: -32000, ...expect },
}));

const challenges = [
  {
    name: "challenge for no address",
    as: "anonymous",
    call: async () => ["auth.challenge", { address: "bob" }],
    expect: invalid("address"),
  },
  {
    name: "challenge for a short address",
    as: "anonymous",
    call: async () => ["auth.challenge", { address: "0x1234" }],
    expect: invalid("address"),
  },
];

/** An opening with a deposit that would be accepted, but for what `change` does to it. */
const open =
  (change, { as = "payer", deposit = 100n } = {}) =>
  async (world) => {
    const party = world[as];
    const config = party.configFor(world.provider.account.address);
    const params = { network: party.network.network, channelConfig: config };
    await change(params, world, async (overrides, amount = deposit) => {
      params.deposit = await party.deposit(party.idOf(params.channelConfig), amount, overrides);
    });
    return ["channel.open", params];
  };
const erc3009 = "deposit.authorization.erc3009Authorization";
const past = () => BigInt(Math.floor(Date.now() / 1000) - 10);
const openings = [
  [
    "on another network",
    (p) => {
      p.network = "eip155:1";
    },
    refused(x402("network_mismatch"), "network"),
  ],
  [
    "on no network",
    (p) => {
      p.network = "31337";
    },
    { ...invalid("network") },
  ],
  [
    "with a token that is not taken",
    (p) => {
      p.channelConfig.token = kUnknown;
    },
    refused(x402("token_mismatch"), "channelConfig.token"),
  ],
  [
    "without a receiver",
    (p) => {
      p.channelConfig.receiver = kZeroAddress;
    },
    refused(x402("receiver_mismatch"), "channelConfig.receiver"),
  ],
  [
    "with a withdraw delay too short",
    (p) => {
      p.channelConfig.withdrawDelay = 899;
    },
    refused(x402("withdraw_delay_out_of_range"), "channelConfig.withdrawDelay"),
  ],
  [
    "with a withdraw delay as text",
    (p) => {
      p.channelConfig.withdrawDelay = "900";
    },
    invalid("channelConfig.withdrawDelay"),
  ],
  [
    "with a member missing",
    (p) => {
      delete p.channelConfig.salt;
    },
    invalid("channelConfig.salt"),
  ],
  [
    "with a member that is not signed",
    (p) => {
      p.channelConfig.memo = "hi";
    },
    invalid("channelConfig.memo"),
  ],
  [
    "for another payer",
    (p, { other }) => {
      p.channelConfig.payer = other.account.address;
    },
    refused("forbidden"),
  ],
  ["that is not on chain", () => {}, refused(x402("channel_not_found"))],
  ["with a deposit of nothing", (p, _, deposit) => deposit({}, 0n), invalid("deposit.amount")],
  [
    "with a deposit signed for less",
    (p, _, deposit) => deposit({ signedAmount: 99n }),
    refused(x402("receive_authorization_signature"), `${erc3009}.signature`),
  ],
  [
    "with a deposit to somebody else",
    (p, _, deposit) => deposit({ to: kUnknown }),
    refused(x402("receive_authorization_signature"), `${erc3009}.signature`),
  ],
  [
    "with a deposit that has expired",
    (p, _, deposit) => deposit({ validBefore: past() }),
    refused(x402("payload_authorization_valid_before"), `${erc3009}.validBefore`),
  ],
  [
    "with a deposit that is not valid yet",
    (p, _, deposit) => deposit({ validAfter: past() + 3600n }),
    refused(x402("payload_authorization_valid_after"), `${erc3009}.validAfter`),
  ],
  [
    "with a deposit of a number",
    async (p, _, deposit) => {
      await deposit({});
      p.deposit.amount = 100;
    },
    invalid("deposit.amount"),
  ],
  [
    "with a deposit and no authorization",
    (p) => {
      p.deposit = { amount: "100" };
    },
    invalid("deposit.authorization"),
  ],
].map(([name, change, expect]) => ({
  name: `open ${name}`,
  call: open(change),
  expect,
}));
const kUnknown = "0x00000000000000000000000000000000000000aa";

const poor = [
  {
    name: "open with a deposit of tokens that the payer has not",
    as: "poor",
    call: open((p, _, deposit) => deposit({}), { as: "poor" }),
    expect: refused(x402("insufficient_balance"), "deposit.amount"),
  },
];

const reads = [
  {
    name: "claim when nothing is due",
    as: "stranger",
    call: async () => ["settlement.claim", {}],
    expect: refused(x402("nothing_to_settle")),
  },
  {
    name: "claim on a network that is not served",
    as: "provider",
    call: async () => ["settlement.claim", { network: "eip155:1" }],
    expect: { code: -32000, field: "network" },
  },
  {
    name: "a claim that nobody made",
    as: "provider",
    call: async () => ["settlement.get", { claimId: "nothing" }],
    expect: invalid("claimId"),
  },
  {
    name: "no topics",
    call: async () => ["events.subscribe", { topics: [] }],
    expect: invalid("topics"),
  },
  {
    name: "an unknown topic",
    call: async () => ["events.subscribe", { topics: ["payments"] }],
    expect: { code: -32602 },
  },
  {
    name: "topics as text",
    call: async () => ["events.subscribe", { topics: "payment" }],
    expect: invalid("topics"),
  },
  {
    name: "fromSeq as a number",
    call: async () => ["events.subscribe", { topics: ["payment"], fromSeq: 1 }],
    expect: invalid("fromSeq"),
  },
  {
    name: "fromSeq below zero",
    call: async () => ["events.subscribe", { topics: ["payment"], fromSeq: "-1" }],
    expect: invalid("fromSeq"),
  },
  {
    name: "unsubscribe from nothing",
    call: async () => ["events.unsubscribe", { subscription: "none" }],
    expect: invalid("subscription"),
  },
  {
    name: "a page of no channels",
    call: async () => ["channel.list", { limit: 0 }],
    expect: invalid("limit"),
  },
  {
    name: "a page of too many channels",
    call: async () => ["channel.list", { limit: 1001 }],
    expect: { ...invalid("limit"), limit: 1000 },
  },
  {
    name: "a cursor that is none",
    call: async () => ["channel.list", { cursor: "next" }],
    expect: invalid("cursor"),
  },
];

export const kRefusals = [
  vouchers,
  signatures,
  signatureTexts,
  sums,
  amounts,
  inferences,
  members,
  used,
  charges,
  refunds,
  accepts,
  parties,
  anonymous,
  logins,
  challenges,
  openings,
  poor,
  reads,
].flat();
