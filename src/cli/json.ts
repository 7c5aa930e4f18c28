// Results as JSON, which knows neither 64-bit integers nor bytes.
import { toHex } from '../base/bytes.ts';

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  return value instanceof Uint8Array ? toHex(value) : value;
}

/** Integers above 2^53 as decimal text, bytes as hexadecimal text. */
export const toJson = (value: unknown, indent?: number): string => JSON.stringify(value, plain, indent);
