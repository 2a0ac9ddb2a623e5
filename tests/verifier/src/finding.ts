/** The rules of the format's table "What holds". */
export type Rule =
  | "format" | "number" | "leaf" | "tree" | "head_signature" | "channel_id" | "content" | "evidence"
  | "authorization" | "payment" | "inference" | "event" | "posting" | "balance" | "channel"
  | "reversal";

export interface Finding {
  rule: Rule;
  /** The number that the row belongs to; absent for what belongs to none, such as the header. */
  seq?: string;
  table: string;
  key: string;
  line: number;
  explanation: string;
}

/** Where a row stands, for what is found out about it now or later. */
export interface Place {
  seq?: number;
  table: string;
  key: string;
  line: number;
}

/** The number and the line that several rows have in common. */
export type At = Pick<Place, "seq" | "line">;

/** Collects findings in the order of the file's lines, up to a limit. */
export class Findings {
  readonly limit: number;
  private readonly found: Finding[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  add(rule: Rule, place: Place, explanation: string): void {
    const { seq, table, key, line } = place;
    const number = seq === undefined ? {} : { seq: String(seq) };
    this.found.push({ rule, ...number, table, key, line, explanation });
  }

  get full(): boolean {
    return this.found.length >= this.limit;
  }

  get any(): boolean {
    return this.found.length > 0;
  }

  /** Signatures are checked in batches, so that what they tell comes later than it stands. */
  inOrder(): Finding[] {
    const sorted = this.found.slice().sort((a, b) => a.line - b.line);
    return sorted.slice(0, this.limit);
  }
}
