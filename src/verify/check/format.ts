// A certificate as plain data: what a verdict rests on, for whoever wants to check it instead of finding it again.

/**
 * A number: nothing known; `[bounds, id, distance]` with an index into `Certificate.numbers`. Numbers of one state with one id
 * (not 0) differ by the difference of their distances.
 */
export type NumberRecord = 0 | readonly [bounds: number, id: number, distance: number];

/** A pointer: fields that are 0, absent or false are left out. `map`: index in the object, [index] for its inner map. */
export interface PointerRecord {
  readonly region: string;
  readonly offset?: number;
  readonly variable?: NumberRecord;
  readonly id?: number;
  readonly nullable?: true;
  readonly range?: number;
  readonly size?: number;
  readonly readOnly?: true;
  readonly map?: number | readonly [number];
  readonly target?: number;
  readonly reference?: number;
}

export type ValueRecord = NumberRecord | PointerRecord;

export interface FrameRecord {
  readonly entry: number;
  readonly call: number;
  readonly callback?: {
    readonly slot: number;
    readonly args: readonly (ValueRecord | null)[];
    readonly atMost: number;
    readonly once: boolean;
    readonly held: readonly number[];
  };
  readonly registers: readonly (readonly [register: number, value: ValueRecord])[];
  /** Stored as one: offset from the frame's top, bytes. */
  readonly cells: readonly (readonly [offset: number, size: number, value: ValueRecord])[];
  /** Bytes of the stack that hold something, as a hexadecimal number: bit 0 is the lowest address. */
  readonly bytes: string;
}

/** A state at a place where paths meet: all paths from it end, or come to states before it in the list (or to the heads of their loops). */
export interface PointRecord {
  readonly slot: number;
  readonly frames: readonly FrameRecord[];
  /** What must be given back: id, what, and for a lock the id of the pointer to its value. */
  readonly references?: readonly (readonly [id: number, what: string, owner: number])[];
  /**
   * Loops that it lies in: index of the head's state; id and distance of the number that moves on, as it was there; number of frames of
   * the function that has asked a bounded iteration for its next round since, 0 where none has.
   */
  readonly loops?: readonly (readonly [head: number, id: number, distance: number, asked: number])[];
  /** Head of a loop: what moves on with each round (frame, register or 10 + offset + 512 of the stack, bytes, direction); `[]` where an iteration is bounded. */
  readonly head?: readonly [frame: number, place: number, size: number, direction: number] | readonly [];
}

export interface Certificate {
  readonly format: 1;
  /** Names program, maps and platform (certificateDigest), for a clear message: nothing rests on it. */
  readonly digest: string;
  /** Instructions that the check goes through. */
  readonly visits: number;
  /**
   * Distinct bounds: `umin umax smin smax` of 64 bits, the same of the lower 32, value and mask of the known bits; a single number
   * is a constant.
   */
  readonly numbers: readonly string[];
  readonly points: readonly PointRecord[];
}
