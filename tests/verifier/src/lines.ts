import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";

/** Longer than any number's rows; a file that never ends its line must not fill the memory. */
export const kLineBytesMax = 1 << 28;

/** A line without its newline. `ended` is false for a last line that has none. */
export interface Line {
  bytes: Buffer;
  ended: boolean;
}

export class LineTooLong extends Error {}

/** The lines of a stream of bytes, in groups, because an await for each line costs too much. */
export async function* linesOf(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Line[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    const group: Line[] = [];
    let begin = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, begin)) {
      const piece = chunk.subarray(begin, end);
      group.push({ bytes: rest.length ? Buffer.concat([...rest, piece]) : piece, ended: true });
      rest = [];
      restBytes = 0;
      begin = end + 1;
    }
    if (begin < chunk.length) {
      rest.push(chunk.subarray(begin));
      restBytes += chunk.length - begin;
    }
    if (group.length) yield group;
    if (restBytes > kLineBytesMax) throw new LineTooLong();
  }
  if (restBytes) yield [{ bytes: Buffer.concat(rest), ended: false }];
}

export function chunksOf(path: string): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: 1 << 18 });
}

/**
 * The last line but one, where a complete export has its proof: the roots of the subtrees to the left
 * of a part of the log are needed with its first line, and stand behind its last one.
 */
export async function lastLineButOne(path: string): Promise<Buffer | undefined> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const tail = Buffer.alloc(Math.min(size, 1 << 20));
    await file.read(tail, 0, tail.length, size - tail.length);
    const lines = tail.toString("latin1").split("\n");
    return lines.length > 3 ? Buffer.from(lines[lines.length - 3]!, "latin1") : undefined;
  } finally {
    await file.close();
  }
}
