import type { Account } from "./account.js";
import { ServerMismatch } from "./errors.js";
import { readMembers, readText } from "./reading.js";

const kLongestMs = 3_600_000;

/** The value of a line of an ERC-4361 message. */
const valueOf = (message: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, "m").exec(message)?.[1];

/**
 * Signs only what logs this account in at this very service: a message of another domain would be
 * a login there, for whoever relays it.
 */
export function checkChallenge(message: string, address: string, domain: string): void {
  const [first, second] = message.split("\n");
  if (first !== `${domain} wants you to sign in with your Ethereum account:`)
    throw new ServerMismatch("message", `the login is not for ${domain}: ${JSON.stringify(first)}`);
  if (second?.toLowerCase() !== address.toLowerCase())
    throw new ServerMismatch("message", `the login is for ${second}, not for ${address}`);
  if (valueOf(message, "Version") !== "1" || !valueOf(message, "Nonce"))
    throw new ServerMismatch("message", "the login is no ERC-4361 message of version 1 with a nonce");
  const issued = Date.parse(valueOf(message, "Issued At") ?? "");
  const expires = Date.parse(valueOf(message, "Expiration Time") ?? "");
  if (!(expires - issued <= kLongestMs))
    throw new ServerMismatch("message", "the login does not end within an hour");
}

export type Ask = (method: string, params: object) => Promise<unknown>;

/** Logs a connection in; gives the token for REST. */
export async function login(ask: Ask, account: Account, domain: string): Promise<string> {
  const challenge = readMembers(await ask("auth.challenge", { address: account.address }), "challenge");
  const message = readText(challenge, "message");
  checkChallenge(message, account.address, domain);
  const signature = await account.signMessage({ message });
  return readText(readMembers(await ask("auth.login", { message, signature }), "login"), "token");
}
