import type { Hex } from "./reading.js";

export interface TypedDataToSign {
  domain: Record<string, unknown>;
  types: Record<string, readonly { name: string; type: string }[]>;
  primaryType: string;
  message: Record<string, unknown>;
}

/**
 * Who signs. Accounts of viem (`privateKeyToAccount`, `mnemonicToAccount`) are as they are; for a
 * wallet of a browser use `accountOfWallet`.
 */
export interface Account {
  readonly address: Hex;
  signMessage(parameters: { message: string }): Promise<Hex>;
  signTypedData(typedData: TypedDataToSign): Promise<Hex>;
}

/** What of viem's WalletClient is used; its account has to be set. */
export interface Wallet {
  account?: { address: Hex } | undefined;
  signMessage(parameters: { account: never; message: string }): Promise<Hex>;
  signTypedData(parameters: never): Promise<Hex>;
}

/** An account whose signatures a WalletClient of viem asks its user for. */
export function accountOfWallet(wallet: Wallet): Account {
  const { account } = wallet;
  if (!account) throw new TypeError("the wallet client has no account: createWalletClient({ account, … })");
  const asked = account as never;
  return {
    address: account.address,
    signMessage: ({ message }) => wallet.signMessage({ account: asked, message }),
    signTypedData: (typedData) => wallet.signTypedData({ ...typedData, account: asked } as never),
  };
}
