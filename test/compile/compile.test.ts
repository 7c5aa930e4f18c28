import { compilerBackend } from '../../src/compile/wasm/backend.ts';
import { expect, test } from 'vitest';
import { helper } from '../../src/spec/helper.ts';
import { testCheckedEngine } from './checked-engine.ts';
import { start } from './support.ts';

testCheckedEngine(compilerBackend, { stepped: false });

test('a tail call that fails does not go where one before it went', () => {
  const tail = helper({
    name: 'tail_call',
    numbers: {},
    args: ['scalar', 'scalar', 'u32'],
    returns: 'integerOrNoReturn',
    doc: 'Goes on with another program.',
    body: (env, _ctx, _map, index) => (env.tailCall(index) ? 0 : -2),
  });
  const programs = ['r3 = 1\n call 12\n r0 = 5\n exit', 'r3 = 9\n call 12\n r0 = 6\n exit'];
  const { run } = start({ backend: compilerBackend, programs, helpers: { 12: tail } });
  expect(run()).toBe(6n);
});
