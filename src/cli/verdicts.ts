// Return values of packet programs: their names, and how often each came.
import type { Dialect } from '../spec/object.ts';
import type { ProgramTypeRow } from '../spec/program.ts';

export interface VerdictCount {
  readonly name: string;
  /** Return value; undefined where several share the name. */
  readonly value: number | undefined;
  packets: number;
  bytes: number;
}

/** Counts verdicts; rows come in the order of the program type's table, unknown values after. */
export class VerdictTally {
  readonly #names = new Map<number, string>();
  readonly #other: string | undefined;
  readonly #counts = new Map<string, VerdictCount>();

  constructor(row: ProgramTypeRow, dialect: Dialect) {
    // r0 comes back as 32 bits: TC_ACT_UNSPEC is -1.
    for (const [name, value] of Object.entries(row.verdicts[dialect] ?? {}))
      this.#names.set(Number(BigInt.asUintN(32, value)), name);
    this.#other = row.otherVerdict?.[dialect];
  }

  nameOf(value: number): string {
    return this.#names.get(value) ?? this.#other ?? `${value | 0}`;
  }

  add(value: number, bytes: number): void {
    const name = this.nameOf(value);
    let count = this.#counts.get(name);
    if (count === undefined) {
      const shared = !this.#names.has(value) && this.#other !== undefined;
      count = { name, value: shared ? undefined : value | 0, packets: 0, bytes: 0 };
      this.#counts.set(name, count);
    }
    count.packets++;
    count.bytes += bytes;
  }

  /** Packets counted. */
  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count.packets, 0);
  }

  rows(): readonly VerdictCount[] {
    const order = [...this.#names.values()];
    const rank = ({ name }: VerdictCount): number => (order.includes(name) ? order.indexOf(name) : order.length);
    return [...this.#counts.values()].sort((a, b) => rank(a) - rank(b) || (a.value ?? 0) - (b.value ?? 0));
  }
}
