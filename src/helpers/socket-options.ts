import { fail } from '../base/diagnostic.ts';
import { helperRefused } from '../base/messages/helper.ts';
import { ERRNO } from '../spec/errno.ts';
import { helper, type HelperEnv, type HelperFamily, type StateKey } from '../spec/helper.ts';
import type { SocketOptions } from '../spec/network.ts';
import { writeField } from './context.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCKADDR_IN = 16;
/** SIN6_LEN_RFC2133. */
const SOCKADDR_IN6 = 24;
/** BPF_SOCK_OPS_ALL_CB_FLAGS. */
const ALL_CALLBACKS = 0x7f;

const optionsOf = (env: HelperEnv, name: string): SocketOptions =>
  env.host.network.socketOptions ?? fail(helperRefused({}, name, 'this host has no sockets with options'));

export const socketOptionHelpers: HelperFamily = {
  family: 'socket-option',
  doc: 'Options of the socket that a program runs for',
  helpers: [
    helper({
      name: 'setsockopt',
      numbers: { linux: 49 },
      args: ['ctx', 's32', 's32', 'mem', 'size'],
      returns: 'integer',
      doc: 'Sets an option as setsockopt(2): level, name, value. 0, or -EINVAL for an option or value that is not known.',
      body: (env, _ctx, level, name, value, size) =>
        optionsOf(env, 'setsockopt').set(level, name, env.memory.u8.slice(value, value + size)),
    }),
    helper({
      name: 'getsockopt',
      numbers: { linux: 57 },
      args: ['ctx', 's32', 's32', 'memOut', 'size'],
      returns: 'integer',
      doc: 'Reads an option as getsockopt(2). 0, or -EINVAL (no such option, or too short a buffer) and zeros.',
      body: (env, _ctx, level, name, out, size) => {
        const { u8 } = env.memory;
        u8.fill(0, out, out + size);
        const value = optionsOf(env, 'getsockopt').get(level, name);
        if (value === undefined || value.length > size) return -ERRNO.EINVAL;
        u8.set(value, out);
        return 0;
      },
    }),
  ],
};

/** The local address that the program chose for the connection (bpf_bind): a struct sockaddr_in or sockaddr_in6. */
export const BOUND_ADDRESS: StateKey<{ address: Uint8Array | undefined }> = {
  name: 'bound-address',
  create: () => ({ address: undefined }),
};

export const bindHelpers: HelperFamily = {
  family: 'bind',
  doc: 'The local address of a connection',
  helpers: [
    helper({
      name: 'bind',
      numbers: { linux: 64 },
      args: ['ctx', 'mem', 'size'],
      returns: 'integer',
      doc:
        'Chooses the local address (struct sockaddr_in, sockaddr_in6) of a socket that connects. 0, -EINVAL: too short, ' +
        '-EAFNOSUPPORT. The run reports the address.',
      body: (env, _ctx, address, size) => {
        if (size < 2) return -ERRNO.EINVAL;
        const family = env.memory.view.getUint16(address, true);
        if (family !== AF_INET && family !== AF_INET6) return -ERRNO.EAFNOSUPPORT;
        if (size < (family === AF_INET ? SOCKADDR_IN : SOCKADDR_IN6)) return -ERRNO.EINVAL;
        env.state(BOUND_ADDRESS).address = env.memory.u8.slice(address, address + size);
        return 0;
      },
    }),
  ],
};

export const sockOpsHelpers: HelperFamily = {
  family: 'sock-ops',
  doc: 'What a sock_ops program is called for',
  helpers: [
    helper({
      name: 'sock_ops_cb_flags_set',
      numbers: { linux: 59 },
      args: ['ctx', 'u32'],
      returns: 'integer',
      doc: 'Sets BPF_SOCK_OPS_*_CB_FLAG bits; the bits that are not known, 0 where all are.',
      body: (env, _ctx, flags) => {
        writeField(env, 'bpf_sock_ops_cb_flags', flags & ALL_CALLBACKS);
        return (flags & ~ALL_CALLBACKS) >>> 0;
      },
    }),
  ],
};
