/** Frames that are no valid request: what to send, and the error that has to come back. */

const parseError = { code: -32700 };
const invalidRequest = { code: -32600 };
const invalidParams = (field) => ({ code: -32602, field });

const get = (id, more = "") =>
  `{"jsonrpc":"2.0","id":"x","method":"channel.get","params":{"channelId":"${id}"${more}}}`;

async function payText({ payer, channel, used }, replace) {
  const voucher = await payer.voucher(channel.id, used + 10n);
  const text = JSON.stringify({
    jsonrpc: "2.0",
    id: "x",
    method: "payment.pay",
    params: {
      channelId: channel.id,
      inference: { id: "form", model: "m" },
      amount: "10",
      voucher,
    },
  });
  const changed = text.replace(...replace);
  if (changed === text) throw new Error(`nothing replaced: ${replace[0]}`);
  return changed;
}
const pay =
  (...replace) =>
  (world) =>
    payText(world, replace);

const nested =
  (depth) =>
  ({ channel }) =>
    get(channel.id, `,"extra":${"[".repeat(depth)}${"]".repeat(depth)}`);

const invalidUtf8 = ({ channel }) =>
  Buffer.concat([
    Buffer.from(get(channel.id).slice(0, -2)),
    Buffer.from(',"app":"'),
    Buffer.from([0xc3, 0x28]),
    Buffer.from('"}}'),
  ]);

export const kForms = [
  { name: "empty frame", frame: () => "", expect: parseError },
  { name: "text that is no JSON", frame: () => "pay 10 to bob", expect: parseError },
  {
    name: "truncated JSON",
    frame: ({ channel }) => get(channel.id).slice(0, -1),
    expect: parseError,
  },
  { name: "trailing bytes", frame: ({ channel }) => `${get(channel.id)}x`, expect: parseError },
  {
    name: "two requests in one frame without a batch",
    frame: ({ channel }) => get(channel.id).repeat(2),
    expect: parseError,
  },
  { name: "single quotes", frame: () => "{'jsonrpc':'2.0'}", expect: parseError },
  {
    name: "a comment",
    frame: ({ channel }) => `/* hello */${get(channel.id)}`,
    expect: parseError,
  },
  {
    name: "a trailing comma",
    frame: ({ channel }) => get(channel.id, ","),
    expect: parseError,
  },
  {
    name: "NaN",
    frame: ({ channel }) => get(channel.id, ',"extra":NaN'),
    expect: parseError,
  },
  { name: "unknown escape", frame: pay('"form"', '"f\\x6frm"'), expect: parseError },
  { name: "a raw line break in a string", frame: pay('"form"', '"fo\nrm"'), expect: parseError },
  {
    name: "half a surrogate pair",
    frame: pay('"model":"m"', '"model":"\\ud800"'),
    expect: parseError,
  },
  {
    name: "invalid UTF-8",
    frame: invalidUtf8,
    binary: false,
    expect: {
      ...parseError,
      answered: parseError && { code: -32700, message: "closed", data: {} },
    },
    closes: [1007],
  },
  { name: "nesting of 20", frame: nested(20), expect: { code: -32600 } },
  { name: "nesting of 10,000", frame: nested(10_000), expect: { code: -32600 } },
  {
    name: "a frame one byte above the limit",
    frame: ({ channel }) => get(channel.id).padEnd(64 * 1024 + 1),
    expect: { code: -32600, limit: 65536 },
    closes: [1008, 1009],
  },
  {
    name: "a frame of 1 MiB",
    frame: ({ channel }) => get(channel.id).padEnd(1024 * 1024),
    expect: { code: -32600, limit: 65536 },
    closes: [1008, 1009],
  },
  {
    name: "binary frame",
    frame: ({ channel }) => Buffer.from(get(channel.id)),
    binary: true,
    expect: invalidRequest,
  },
  { name: "null", frame: () => "null", expect: invalidRequest },
  { name: "a number", frame: () => "42", expect: invalidRequest },
  { name: "an empty object", frame: () => "{}", expect: invalidRequest },
  { name: "empty batch", frame: () => "[]", expect: invalidRequest },
  { name: "a batch of no requests", frame: () => "[1,null,[]]", expect: invalidRequest },
  {
    name: "oversized batch",
    frame: () => JSON.stringify(Array(257).fill({ jsonrpc: "2.0", id: 1, method: "server.info" })),
    expect: { ...invalidRequest, limit: 256 },
  },
  {
    name: "JSON-RPC 1.0",
    frame: ({ channel }) => get(channel.id).replace('"2.0"', '"1.0"'),
    expect: invalidRequest,
  },
  {
    name: "no jsonrpc member",
    frame: ({ channel }) => get(channel.id).replace('"jsonrpc":"2.0",', ""),
    expect: invalidRequest,
  },
  {
    name: "no method",
    frame: () => '{"jsonrpc":"2.0","id":"x","params":{}}',
    expect: invalidRequest,
  },
  {
    name: "a number as method",
    frame: () => '{"jsonrpc":"2.0","id":"x","method":7,"params":{}}',
    expect: invalidRequest,
  },
  {
    name: "an object as id",
    frame: () => '{"jsonrpc":"2.0","id":{},"method":"server.info"}',
    expect: invalidRequest,
  },
  {
    name: "a boolean as id",
    frame: () => '{"jsonrpc":"2.0","id":true,"method":"server.info"}',
    expect: invalidRequest,
  },
  {
    name: "unknown method",
    frame: () => '{"jsonrpc":"2.0","id":"x","method":"payment.steal","params":{}}',
    expect: { code: -32601 },
  },
  {
    name: "a method named like a member of every object",
    frame: () => '{"jsonrpc":"2.0","id":"x","method":"__proto__","params":{}}',
    expect: { code: -32601 },
  },
  {
    name: "params as text",
    frame: () => '{"jsonrpc":"2.0","id":"x","method":"channel.list","params":"all"}',
    expect: { code: -32602 },
  },
  {
    name: "params as an array",
    frame: ({ channel }) =>
      `{"jsonrpc":"2.0","id":"x","method":"channel.get","params":["${channel.id}"]}`,
    expect: { code: -32602 },
  },
  {
    name: "duplicate key in the request",
    frame: pay('"method":', '"method":"server.info","method":'),
    expect: invalidRequest,
  },
  {
    name: "duplicate key in the parameters",
    frame: pay('"amount":', '"amount":"1","amount":'),
    expect: invalidRequest,
  },
  {
    name: "duplicate key in the inference",
    frame: pay('"id":"form"', '"id":"form","id":"form"'),
    expect: invalidRequest,
  },
  {
    name: "duplicate key in the voucher",
    frame: pay('"maxClaimableAmount":', '"maxClaimableAmount":"1","maxClaimableAmount":'),
    expect: invalidRequest,
  },
  {
    name: "duplicate key, one of them escaped",
    frame: pay('"amount":', '"\\u0061mount":"1","amount":'),
    expect: invalidRequest,
  },
  {
    name: "a number as amount",
    frame: pay('"amount":"10"', '"amount":10'),
    expect: invalidParams("amount"),
  },
  {
    name: "a number beyond 2^64 as amount",
    frame: pay('"amount":"10"', '"amount":18446744073709551617'),
    expect: { code: -32602, field: "amount" },
  },
  {
    name: "a number as maxClaimableAmount",
    frame: pay(/"maxClaimableAmount":"(\d+)"/, '"maxClaimableAmount":$1'),
    expect: invalidParams("voucher.maxClaimableAmount"),
  },
];
