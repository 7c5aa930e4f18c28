// Cases in PREVAIL's form whose verdict is another here, and why. `test/verify/cases.test.ts` holds the table to what happens.

const PARTIAL_COPY = 'Linux lets privileged programs copy half of a pointer; it is a number then';
const PARTIAL_STORE = 'Linux too stores pointers in whole, aligned slots only';
const UNINITIALISED = 'what was never stored to cannot be loaded here, nor what was never computed be stored';
const ANY_COMPARISON = 'as in Linux, pointers may be compared with anything: nothing follows from it';
const CONTEXT_POINTER = 'as in Linux, a pointer of the context is loaded whole or not at all';

export const UNLIKE_PREVAIL: Readonly<Record<string, string>> = {
  'assign: 32-bit assign register stack value': PARTIAL_COPY,
  'assign: 32-bit assign register shared value': PARTIAL_COPY,
  'assign: 32-bit assign register packet value': PARTIAL_COPY,
  'assign: 32-bit assign register context value': PARTIAL_COPY,
  'assign: 32-bit assign register map value': PARTIAL_COPY,
  'assign: 32-bit assign register map programs value': PARTIAL_COPY,
  'pointer: 32-bit return context pointer': PARTIAL_COPY,
  'assign: 16-bit indirect assignment from context': CONTEXT_POINTER,
  'pointer: non-singleton typeset in-bounds access still passes': CONTEXT_POINTER,
  'calllocal: jump out of a subfunction':
    'r0 holds nothing in a function that is called; PREVAIL inlines functions, so that it holds what the caller left there',
  'calllocal: callee reads caller r6': 'a function does not see its caller’s r6 to r9, in Linux as here',
  'jump: lost implications in correlated branches': 'safe: what was found on a path is not lost where paths meet',
  'jump: assume map_fd1 < map_fd2': ANY_COMPARISON,
  'jump: assume reg-vs-reg with different types (packet != number)': ANY_COMPARISON,
  'jump: assume reg-vs-reg with different types (stack < number)': ANY_COMPARISON,
  'loop: realistic forward loop':
    'data_end - data is a number like any other, in Linux as here: as a bound it says nothing of the packet',
  'loop: very large loop > 1M iterations': 'it ends; PREVAIL allows loops 100,000 rounds',
  'movsx: movsx32 into the same register to 32 bits': 'RFC 9669 has no such instruction: MOVSX of 32 bits goes into 64',
  'observe: observe entailed fails for partial observation': 'a fault of the observation, not of the code',
  'stack: havoc numeric size r10': PARTIAL_STORE,
  'stack: shorten numeric size from int64* to int32*': PARTIAL_STORE,
  'stack: havoc if clobber stack bytes': PARTIAL_STORE,
  'stack: overwrite exact-match stack cell with uninitialized register havocs stale value': UNINITIALISED,
  'uninit: Read uninitialized stack range - aligned': UNINITIALISED,
  'uninit: Read uninitialized stack range - aligned #2': UNINITIALISED,
  'uninit: Read uninitialized stack range - unaligned': UNINITIALISED,
  'subtract: disallow subtraction of pointer from invalid pointer to a singleton region':
    'the difference of two pointers is a number, wherever they point',
};

/** Cases whose end no run reaches here, though PREVAIL's state after it has members. */
export const UNREACHED: Readonly<Record<string, string>> = {
  'jump: assume reg-vs-reg with different types (ctx == number)': 'the number is 0, and the context is never NULL',
};
