/** The service's stack and the chain, as the end-to-end tests have them. */
export { Chain, devAccount, newAccount } from "../e2e/chain.mjs";
export { until } from "../e2e/client.mjs";
export { query } from "../e2e/postgres.mjs";
export { assertBalanced, Stack } from "../e2e/stack.mjs";
export { Gate, kOutputTokensMax, priceOf } from "../e2e/gate.mjs";
export { OpenAiUpstream } from "../e2e/openai_upstream.mjs";
export { ResourceServer } from "../e2e/x402_server.mjs";
