// BTF objects of the context as types.
import type { Btf } from '../../btf/btf.ts';
import { decodeBtf } from '../../btf/decode.ts';
import type { Id } from '../../spec/session.ts';
import { unless } from './errors.ts';
import type { Tool } from './tool.ts';

/** The types of a BTF object; undefined for id 0, and where it is gone. */
export async function btfOf(tool: Tool, id: Id): Promise<Btf | undefined> {
  if (id === 0) return undefined;
  const opened = await unless('ENOENT', tool.call('object.open', { kind: 'btf', id }));
  if (opened === undefined) return undefined;
  const { btf } = await tool.call('btf.data', opened);
  await tool.call('object.close', opened);
  return decodeBtf(btf, { place: { file: `BTF object ${id}` } });
}
