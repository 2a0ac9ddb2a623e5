/** Standard base64 with padding, in every runtime. */

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Undefined for what is not exactly canonical base64. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return toBase64(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}

export const jsonToBase64 = (value: unknown): string =>
  toBase64(new TextEncoder().encode(JSON.stringify(value)));

/** Undefined for what is no JSON in UTF-8 in base64. */
export function base64ToJson(text: string): unknown {
  const bytes = fromBase64(text.trim());
  if (!bytes) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
