// The side of the process that loads: reads what others wrote, and says what came of it.
import { AnyBpfError } from '../../base/diagnostic.ts';
import { builtInPlatform } from '../../hosts/platform.ts';
import { kernelBtf } from '../../hosts/kernel-btf.ts';
import type { CoreCache } from '../../btf/core.ts';
import { relocateProgram } from '../../link/core.ts';
import { linkObject } from '../../link/link.ts';
import { MAP_FLAGS } from '../../spec/map-types.ts';
import type { MapSpec, ObjectSpec } from '../../spec/object.ts';
import { DEFAULT_LIMITS, verify } from '../../verify/verify.ts';
import { verdictRecord } from '../evidence.ts';
import { type LoaderMessage, type LoaderRequest, objectDigest, objectOf, objectPlain } from './protocol.ts';

/** Answers a request; never raises. What is sent must be on its way before this goes on: it may take all the time that it has. */
export function serveLoad(request: LoaderRequest, send: (message: LoaderMessage) => void): void {
  try {
    if (request.kind === 'link') send({ kind: 'linked', object: objectPlain(linked(request)) });
    else verifyAll(request, send);
  } catch (error) {
    if (error instanceof AnyBpfError) send({ kind: 'failed', diagnostic: error.diagnostic });
    else send({ kind: 'bug', stack: String((error as Error).stack ?? error) });
  }
}

type Request<K> = Extract<LoaderRequest, { readonly kind: K }>;

/** The object, with its CO-RE relocations resolved where there is something to resolve them against. */
function linked({ object: bytes, name, types, btf }: Request<'link'>): ObjectSpec {
  const object = linkObject(bytes, { name, programType: types });
  if (btf === undefined || object.btf === undefined) return object;
  const { btf: own } = object;
  const target = kernelBtf(btf, { file: 'btf' });
  const cache: CoreCache = new Map();
  return { ...object, programs: object.programs.map((program) => relocateProgram(program, own, [target], cache)) };
}

function verifyAll(
  { object: plain, limits = DEFAULT_LIMITS }: Request<'verify'>,
  send: (m: LoaderMessage) => void,
): void {
  const digest = objectDigest(plain);
  const sent = objectOf(plain);
  const object = { ...sent, maps: sent.maps.map(asCreated) };
  const platform = builtInPlatform(object.dialect);
  for (const spec of object.programs) {
    send({ kind: 'begin', program: spec.name });
    const verdict =
      spec.unsupported === undefined
        ? verify(object, spec, platform, limits)
        : ({ verdict: 'refused', diagnostic: spec.unsupported, visits: 0, states: 0 } as const);
    send({ kind: 'verdict', program: spec.name, digest, verdict: verdictRecord(verdict) });
  }
  send({ kind: 'done' });
}

/** As run/verification.ts takes maps: only what neither programs nor applications can change is known. */
function asCreated(map: MapSpec): MapSpec {
  const constant = map.frozen && map.data !== undefined && (map.flags & MAP_FLAGS.RDONLY_PROG) !== 0;
  const { data, ...rest } = map;
  return constant && data !== undefined ? map : { ...rest, frozen: false };
}
