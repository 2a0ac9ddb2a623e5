/** The rules `tree` and `head_signature`: the log's leaves, and the heads that were signed over them. */
import type { At, Findings, Place } from "./finding.ts";
import { type NoteKey, openHead, parseHead, parseNote } from "./note.ts";
import { CompactTree, subtreeLevels } from "./tree.ts";

/** A head that the auditor has from elsewhere: verified before, or from a transaction on the chain. */
export interface KeptHead {
  size: number;
  root: Buffer;
  source: string;
}

export interface HeadLine {
  size: number;
  root: Buffer;
  note: string;
}

export class Heads {
  private readonly findings: Findings;
  private readonly key: NoteKey | undefined;
  private readonly kept: readonly KeptHead[];
  private readonly from: number;
  private readonly tree = new CompactTree();
  /** False where the tree cannot be known: the subtrees on the left are not there as they should be. */
  private canSee = true;
  private isBroken = false;
  /** Up to here the tree is that of a good head; below an export's first number nothing is in doubt. */
  private lastGood: number;
  private firstWithoutLeaf: At | undefined;
  private lastLeaf = 0;
  newest: HeadLine | undefined;
  /** The head before the next one; 0 for none, undefined where it is below the export. */
  private before: number | undefined;
  /** Numbers whose rows are not those of their leaf: found already, and not to be named again. */
  differing = 0;
  checked = 0;
  warnings: string[] = [];

  constructor(
    findings: Findings, key: NoteKey | undefined, kept: readonly KeptHead[], from: number,
    left: readonly Buffer[] | undefined,
  ) {
    this.findings = findings;
    this.key = key;
    this.kept = kept;
    this.from = from;
    this.lastGood = from - 1;
    this.before = from === 1 ? 0 : undefined;
    const levels = subtreeLevels(0, from - 1);
    if (left && left.length === levels.length) levels.forEach((level, i) => this.tree.append(level, left[i]!));
    else if (levels.length > 0) this.canSee = false;
    this.compareKept(from - 1, 1);
  }

  private compareKept(size: number, line: number): void {
    if (!this.canSee) return;
    for (const { size: keptSize, root, source } of this.kept) {
      if (keptSize !== size || this.tree.root().equals(root)) continue;
      const place = { seq: size, table: "log_checkpoint", key: String(size), line };
      this.break(place, `the tree is not the one of the head that was kept (${source})`);
    }
  }

  /** Once it is broken all later heads are; the first says it. */
  private break(place: Place, explanation: string): void {
    if (this.isBroken) return;
    this.isBroken = true;
    const first = this.lastGood + 1;
    const last = place.seq!;
    const range = first === last ? `number ${first}` : `one of the numbers ${first} to ${last}`;
    const isKnown = this.differing > 0 || first > last;
    const blame = isKnown ? "" : `: ${range} was changed together with its leaf`;
    this.findings.add("tree", place, `${explanation}${blame}`);
  }

  leaf(hash: Buffer | undefined, computed: Buffer, at: At): void {
    if (hash === undefined) this.firstWithoutLeaf ??= at;
    else if (this.firstWithoutLeaf) {
      this.missingLeaf();
      this.firstWithoutLeaf = undefined;
    }
    if (hash !== undefined) this.lastLeaf = at.seq!;
    this.tree.append(0, hash ?? computed);
    this.compareKept(at.seq!, at.line);
  }

  private missingLeaf(): void {
    const { seq, line } = this.firstWithoutLeaf!;
    const place = { seq, table: "log_tile", key: String(seq), line };
    this.findings.add("leaf", place, "the log holds no leaf of this number, and holds later ones");
  }

  /** A stored head, behind the entry of its size. */
  checkpoint(head: HeadLine, place: Place): void {
    this.checked += 1;
    const isSigned = this.signature(head, place);
    this.newest = head;
    if (isSigned) this.follows(head, this.from - 1, place);
    this.before = head.size;
    // A root that the signature does not cover tells nothing of the rows.
    if (!isSigned || !this.canSee) return;
    if (this.tree.root().equals(head.root)) this.lastGood = head.size;
    else this.break(place, `the leaves do not have the root of the head at ${head.size}`);
  }

  /** Each head names the one before it; `belowMax`: up to where that may be if it was not exported. */
  private follows(head: HeadLine, belowMax: number, place: Place): void {
    const previous = parseHead(parseNote(head.note)?.text ?? "")?.previous;
    const { before } = this;
    const isRight = previous !== undefined && previous < head.size &&
      (before === undefined ? previous <= belowMax : previous === before);
    if (isRight) return;
    const says = previous === undefined ? "nothing" : `previous ${previous}`;
    const last = before === undefined ? `at most ${belowMax}` : String(before);
    this.findings.add("tree", place, `of the head before it it says ${says}, and its size is ${last}`);
  }

  private signature(head: HeadLine, place: Place): boolean {
    if (!this.key) return true;
    const opened = openHead(head.note, this.key);
    if (typeof opened === "string") {
      this.findings.add("head_signature", place, opened);
      return false;
    }
    if (opened.size === head.size && opened.root.equals(head.root)) return true;
    this.findings.add("head_signature", place, `the note is of another head, at ${opened.size}`);
    return false;
  }

  /** The last lines of the log: the newest head, and the subtrees around what was exported. */
  proof(
    head: HeadLine, left: readonly Buffer[], right: readonly Buffer[], to: number, newestSeq: number,
    place: Place,
  ): void {
    const { size } = head;
    if (this.firstWithoutLeaf && this.firstWithoutLeaf.seq! <= size) this.missingLeaf();
    if (this.lastLeaf > size) {
      const first = Math.max(this.from, size + 1);
      const behind = { ...place, seq: first, key: `numbers ${first} to ${this.lastLeaf}` };
      this.findings.add("tree", behind, `they have leaves, and the newest head is of ${size}`);
    }
    if (size > newestSeq) {
      this.findings.add("tree", place, `the head is of ${size} numbers, and there are ${newestSeq}`);
    }
    if (size === 0) {
      if (head.note !== "" || left.length + right.length > 0) {
        this.findings.add("format", place, "a proof without a head has no note and no roots");
      }
    } else this.newestHead(head, left, right, to, place);
    this.keptBehind(size, to, newestSeq, place);
  }

  private newestHead(
    head: HeadLine, left: readonly Buffer[], right: readonly Buffer[], to: number, place: Place,
  ): void {
    const { size } = head;
    if (head.root.length !== 32) return this.findings.add("format", place, "the root has not 32 bytes");
    const isInRange = size >= this.from && size <= to;
    const last = this.newest;
    const isLast = last?.size === size && last.root.equals(head.root) && last.note === head.note;
    if (isInRange ? !isLast : last !== undefined && last.size >= size) {
      const explanation = `the newest head is of ${size}, and the last one in the log of ${last?.size ?? "none"}`;
      this.findings.add("tree", place, explanation);
    }
    const leftLevels = subtreeLevels(0, Math.min(this.from - 1, size));
    const rightLevels = subtreeLevels(Math.min(to, size), size);
    if (left.length !== leftLevels.length || right.length !== rightLevels.length) {
      const should = `${leftLevels.length} and ${rightLevels.length}`;
      const have = `${left.length} and ${right.length}`;
      this.findings.add("tree", place, `left and right are ${have} roots, not ${should}`);
      return;
    }
    this.newest = head;
    if (isInRange) return;
    if (!this.signature(head, place)) return;
    this.newestFollows(head, to, place);
    const tree = size < this.from ? new CompactTree() : this.tree;
    if (size < this.from) leftLevels.forEach((level, i) => tree.append(level, left[i]!));
    else if (!this.canSee) return;
    rightLevels.forEach((level, i) => tree.append(level, right[i]!));
    if (!tree.root().equals(head.root)) {
      const explanation = `left, leaves and right do not have the root of the newest head, ${size}`;
      this.break({ ...place, seq: to }, explanation);
    }
  }

  /** A newest head outside of the export: between it and the last exported one may be others. */
  private newestFollows(head: HeadLine, to: number, place: Place): void {
    const previous = parseHead(parseNote(head.note)?.text ?? "")?.previous;
    if (previous === undefined || previous <= to) {
      this.follows(head, Math.min(head.size, this.from) - 1, place);
    } else if (previous >= head.size) {
      this.findings.add("tree", place, `the head names one of ${previous} as the one before it`);
    }
  }

  /** Of the heads that were kept, those that the leaves did not come by. */
  private keptBehind(size: number, to: number, newestSeq: number, place: Place): void {
    for (const { size: kept, root, source } of this.kept) {
      if (kept > size && kept > newestSeq) {
        this.findings.add("tree", { ...place, seq: kept }, `numbers up to ${kept} were there (${source})`);
      } else if (kept > size) {
        const explanation = `the newest head is of ${size}, and one of ${kept} was kept (${source})`;
        this.findings.add("tree", { ...place, seq: kept }, explanation);
      } else if (kept === size && kept > to) {
        if (!this.newest?.root.equals(root)) this.findings.add("tree", place, `it is not the one of ${source}`);
      } else if (kept > to || kept < this.from - 1) {
        this.warnings.push(`not checked: ${source} is of ${kept}, outside of ${this.from}…${to}`);
      }
    }
  }
}
