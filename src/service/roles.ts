// Who may call what. A connection's role is what its socket gives, or less.
import { METHOD_ROLES, type MethodName, type Params, ROLES, type Role } from '../spec/session.ts';

const rank = (role: Role): number => ROLES.indexOf(role);

/** A role includes those before it. */
export const allows = (has: Role, needs: Role): boolean => rank(has) >= rank(needs);

export const lesser = (a: Role, b: Role): Role => (allows(a, b) ? b : a);

/** The role that this call needs: the method's, but where its parameters ask for more. */
export function neededRole<M extends MethodName>(method: M, params: Params<M>): Role {
  const removes = method === 'map.lookupBatch' && (params as Params<'map.lookupBatch'>).remove === true;
  return removes ? METHOD_ROLES['map.lookupAndDelete'] : METHOD_ROLES[method];
}
