// Where our verdict on the kernel's annotated verifier tests (Linux 6.12) is another one than the annotation, and why.

export interface Difference {
  readonly reason: string;
  /** `file/program` of tools/testing/selftests/bpf/progs. */
  readonly programs: readonly string[];
}

/** Refused by Linux, accepted here. None is a matter of memory safety. */
export const MORE: readonly Difference[] = [];

/** Accepted by Linux, refused here. */
export const LESS: readonly Difference[] = [];

/** Another return value than the annotated one, or none. */
export const OTHER_VALUE: readonly Difference[] = [];
