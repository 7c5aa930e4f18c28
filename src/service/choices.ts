// What a service can be told to do in one way or another: apart from the code that does it, which the command need not load to say so.

/**
 * What acknowledged changes survive: `process`: the service's own end, at any point (the system has the bytes); `power`: the machine's,
 * too (fdatasync before each answer, about a hundred times slower).
 */
export const DURABILITIES = ['process', 'power'] as const;
export type Durability = (typeof DURABILITIES)[number];

/** `off`: signatures are not looked at; `warn`: modules without a right one are loaded, and that is reported; `enforce`: they are refused. */
export const SIGNATURE_POLICIES = ['off', 'warn', 'enforce'] as const;
export type SignaturePolicy = (typeof SIGNATURE_POLICIES)[number];
