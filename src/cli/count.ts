import { InvalidArgumentError } from 'commander';

/** A number of an option, from 1. */
export function count(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value === 0) throw new InvalidArgumentError('It must be a number from 1 to 999999999.');
  return value;
}
