import type { Command } from 'commander';
import { AnyBpfError } from '../base/diagnostic.ts';
import type { Io } from './io.ts';

export const EXIT = { done: 0, failed: 1, unusable: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/**
 * Adds a subcommand. Its action raises AnyBpfError; `finish` sets an exit code other than 0 without an error: one of EXIT, or what the
 * command that the verb stands for would end with (bpftool).
 */
export type Verb = (program: Command, io: Io, finish: (code: number) => void) => void;

/** A finding about a program that is well-formed but not run: exit code 1, whatever stage it comes from. */
export class RefusedError extends AnyBpfError {}
