// The `ctx` of a test-run: bytes as BPF_PROG_TEST_RUN takes them, or fields by name; either becomes an image of the structure.
import { fail } from '../base/diagnostic.ts';
import { badContext, testRunRefused } from '../base/messages/run.ts';
import type { ErrnoName } from '../spec/errno.ts';
import type { ContextField, TestRunInput } from '../spec/program.ts';

type Fields = Readonly<Record<string, Pick<ContextField, 'offset' | 'size'>>>;

/** Refuses a test-run as the kernel does, with the errno that bpf(2) gives. */
export const refuse = (errno: ErrnoName, why: string): never => fail(testRunRefused({}, errno, why));

/**
 * The structure's bytes as the caller gave them: a shorter one is filled with zeros, a longer one must end in zeros
 * (bpf_check_uarg_tail_zero).
 *
 * @throws AnyBpfError run/test-run-refused for nonzero bytes beyond the structure, run/context for a field that does not exist
 *   or a value that does not fit it
 */
export function contextImage(
  input: TestRunInput['ctx'],
  name: string,
  size: number,
  fields: Fields,
): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(size);
  if (input === undefined) return image;
  if (input instanceof Uint8Array) {
    if (input.subarray(size).some((byte) => byte !== 0)) {
      refuse('E2BIG', `the context has nonzero bytes beyond the ${size} bytes of ${name}`);
    }
    image.set(input.subarray(0, size));
    return image;
  }
  const view = new DataView(image.buffer);
  for (const [key, value] of Object.entries(input)) {
    const place = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (place === undefined)
      fail(badContext({}, name, `has no field '${key}'; it has ${Object.keys(fields).join(', ')}`));
    writeField(image, view, name, key, place, value);
  }
  return image;
}

function writeField(
  image: Uint8Array,
  view: DataView,
  name: string,
  key: string,
  { offset, size }: { readonly offset: number; readonly size: number },
  value: number | bigint | Uint8Array,
): void {
  if (value instanceof Uint8Array) {
    if (value.length !== size) fail(badContext({}, name, `field '${key}' has ${size} bytes, not ${value.length}`));
    image.set(value, offset);
    return;
  }
  const bits = Math.min(size, 8) * 8;
  const integer = typeof value === 'bigint' || Number.isInteger(value) ? BigInt(value) : undefined;
  if (integer === undefined || integer < -(1n << BigInt(bits - 1)) || integer >= 1n << BigInt(bits)) {
    fail(badContext({}, name, `field '${key}' cannot hold ${value}`));
  }
  for (let i = 0, rest = BigInt.asUintN(bits, integer); i < bits / 8; i++, rest >>= 8n) {
    view.setUint8(offset + i, Number(rest & 0xffn));
  }
}

/** Refuses (EINVAL) where a byte outside the allowed fields is not zero: what the kernel's range_is_zero checks. */
export function onlyFields(image: Uint8Array, name: string, fields: Fields, allowed: readonly string[]): void {
  const rest = image.slice();
  for (const key of allowed) rest.fill(0, fields[key].offset, fields[key].offset + fields[key].size);
  const at = rest.findIndex((byte) => byte !== 0);
  if (at < 0) return;
  const [key] = Object.entries(fields).find(([, f]) => at >= f.offset && at < f.offset + f.size) ?? [`byte ${at}`];
  refuse('EINVAL', `${name}: a test-run takes only ${allowed.join(', ')}, not ${key}`);
}
