// Names of netfilter's hooks: `ipv4/local_in` (enum nfproto, enum nf_inet_hooks).
import { refuse } from './errors.ts';

export const NETFILTER_FAMILIES = [
  { name: 'ipv4', number: 2 },
  { name: 'ipv6', number: 10 },
] as const;
/** By their numbers. */
export const NETFILTER_HOOKS = ['pre_routing', 'local_in', 'forward', 'local_out', 'post_routing'] as const;

/** @throws AnyBpfError EINVAL */
export function netfilterHook(
  name: string | undefined,
  operation: string,
): { readonly family: number; readonly hook: number } {
  const [family, hook] = (name ?? '').split('/');
  const row = NETFILTER_FAMILIES.find((one) => one.name === family);
  const number = NETFILTER_HOOKS.findIndex((one) => one === hook);
  if (row === undefined || number < 0)
    return refuse(operation, 'EINVAL', `netfilter needs a hook by name, ipv4/local_in, not '${name ?? ''}'`);
  return { family: row.number, hook: number };
}
