import { decodeBtf } from '../btf/decode.ts';
import type { Handlers } from '../spec/session.ts';
import { ContextBtf } from './btf-object.ts';
import type { ContextSession } from './session.ts';

export const btfMethods: Pick<Handlers<ContextSession>, 'btf.load' | 'btf.data'> = {
  'btf.load': (session, { btf, name = '' }) => {
    const { btfs } = session.context;
    const bytes = new Uint8Array(btf);
    const types = decodeBtf(bytes);
    session.checkRoom(1);
    return { fd: session.open(btfs.add(new ContextBtf(btfs.nextId(), name, types, bytes))) };
  },
  'btf.data': (session, { fd }) => ({ btf: session.handleOf<ContextBtf>('btf', fd, 'btf.data').bytes.slice() }),
};
