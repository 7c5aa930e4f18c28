// S15: cases of eBPF for Windows' tests/socket/socket_tests.cpp by name, about binds.
import { afterAll, afterEach, expect, test } from 'vitest';
import { assemble } from '../../src/isa/assembler.ts';
import { everywhere, loopback, Machine, type Protocol, type Speech, verdictName, VERDICT } from './sockets.ts';

const machine = new Machine();
afterEach(() => machine.reset());
afterAll(() => machine[Symbol.dispose]());
const { REJECT, SOFT, HARD, UNKNOWN } = VERDICT;

const assembledBind = (verdict: number) => ({
  name: 'verdict',
  type: 'bind' as const,
  code: assemble(`r0 = ${verdict}\nexit`).code,
  license: '',
  dialect: 'windows' as const,
});

/** Windows' bind hook: its verdicts' names, and whether the port is had. */
const bindHook = (): Promise<void> =>
  everywhere(machine, async (speech, protocol) => {
    const { session } = machine;
    for (const [verdict, name, allowed] of [
      [1, 'BIND_DENY', false],
      [0, 'BIND_PERMIT_SOFT', true],
      [3, 'BIND_PERMIT_HARD', true],
    ] as const) {
      const { fd } = await session.call('prog.load', assembledBind(verdict));
      const link = await session.call('link.create', { fd, attachType: 'bind', target: {} });
      expect(await machine.own('bind', loopback(speech), speech, protocol)).toEqual({
        allowed,
        verdict: name,
        ran: 1,
      });
      for (const each of [link.fd, fd]) await session.call('object.close', { fd: each });
    }
  });

test('bind_policy_basic', bindHook);
test('bind_policy_hard_permit_wfp', bindHook);

/** What programs that are attached one after the other say, and what comes of it. */
const VERDICTS: readonly (readonly [name: string, verdicts: readonly number[], verdict: number, ran: number])[] = [
  ['sock_addr_bind_basic, refused', [REJECT], REJECT, 1],
  ['sock_addr_bind_basic, soft', [SOFT], SOFT, 1],
  ['sock_addr_bind_basic, hard', [HARD], HARD, 1],
  ['sock_addr_bind_hard_permit_wfp, soft', [SOFT], SOFT, 1],
  ['sock_addr_bind_hard_permit_wfp, hard', [HARD], HARD, 1],
  ['sock_addr_bind_unknown_verdict', [UNKNOWN], REJECT, 1],
  ['sock_addr_bind_multi_all_soft', [SOFT, SOFT], SOFT, 2],
  ['sock_addr_bind_multi_second_rejects', [SOFT, REJECT], REJECT, 2],
  ['sock_addr_bind_multi_first_rejects', [REJECT, SOFT], REJECT, 1],
  ['sock_addr_bind_multi_soft_hard_mix', [SOFT, HARD], HARD, 2],
  ['sock_addr_bind_multi_soft_blocked_by_wfp', [SOFT, SOFT], SOFT, 2],
  ['sock_addr_bind_multi_hard_overrides_wfp', [SOFT, HARD], HARD, 2],
  ['sock_addr_bind_multi_three_soft', [SOFT, SOFT, SOFT], SOFT, 3],
  ['sock_addr_bind_multi_hard_first_overrides_wfp', [HARD, SOFT], HARD, 2],
  ['sock_addr_bind_multi_reject_beats_hard', [REJECT, HARD], REJECT, 1],
  ['sock_addr_bind_multi_hard_then_reject', [HARD, REJECT], REJECT, 2],
  ['sock_addr_bind_multi_third_rejects', [SOFT, SOFT, REJECT], REJECT, 3],
  ['sock_addr_bind_multi_third_hard_overrides_wfp', [SOFT, SOFT, HARD], HARD, 3],
];

test.each(VERDICTS)('%s', (_name, verdicts, verdict, ran) =>
  everywhere(machine, async (speech, protocol) => {
    await bindPrograms(verdicts, speech, protocol);
    expect(await machine.own('bind', loopback(speech), speech, protocol)).toEqual({
      allowed: verdict !== REJECT,
      verdict: verdictName(verdict),
      ran,
    });
  }),
);

async function bindPrograms(verdicts: readonly number[], speech: Speech, protocol: Protocol) {
  const all = await machine.loads(verdicts.length);
  for (const [i, programs] of all.entries()) {
    await programs.attach('bind', speech.version);
    await programs.policy(loopback(speech), protocol, verdicts[i]);
  }
  return all;
}

test.each([
  ['sock_addr_bind_multi_detach_first', 0],
  ['sock_addr_bind_multi_detach_middle', 1],
  ['sock_addr_bind_multi_detach_last', 2],
])('%s', (_name, refuses) =>
  everywhere(machine, async (speech, protocol) => {
    const verdicts = [0, 1, 2].map((i) => (i === refuses ? REJECT : SOFT));
    const all = await bindPrograms(verdicts, speech, protocol);
    expect((await machine.own('bind', loopback(speech), speech, protocol)).allowed).toBe(false);
    await all[refuses].detach();
    expect(await machine.own('bind', loopback(speech), speech, protocol)).toMatchObject({ allowed: true, ran: 2 });
  }),
);

test('sock_addr_bind_multi_detach_reattach', () =>
  everywhere(machine, async (speech, protocol) => {
    const [, second] = await bindPrograms([SOFT, SOFT], speech, protocol);
    expect((await machine.own('bind', loopback(speech), speech, protocol)).allowed).toBe(true);
    await second.detach();
    await second.attach('bind', speech.version);
    await second.policy(loopback(speech), protocol, REJECT);
    expect((await machine.own('bind', loopback(speech), speech, protocol)).allowed).toBe(false);
  }));

/** Two programs for the compartment and two for all: a refusal of either counts, in whichever order they came. */
const scopes = (rows: readonly (readonly [specific: readonly number[], wildcard: readonly number[]])[]) =>
  everywhere(machine, async (speech, protocol) => {
    for (const wildcardFirst of [false, true]) {
      const all = await machine.loads(4);
      for (const [i, programs] of all.entries())
        await programs.attach('bind', speech.version, i < 2 === wildcardFirst ? 0 : 1);
      for (const [specific, wildcard] of rows) {
        const [first, second] = wildcardFirst ? [wildcard, specific] : [specific, wildcard];
        for (const [i, verdict] of [...first, ...second].entries())
          await all[i].policy(loopback(speech), protocol, verdict);
        expect((await machine.own('bind', loopback(speech), speech, protocol)).allowed).toBe(false);
      }
      await machine.reset();
    }
  });

test('sock_addr_bind_multi_specific_reject', () =>
  scopes([
    [
      [SOFT, REJECT],
      [HARD, SOFT],
    ],
    [
      [REJECT, SOFT],
      [SOFT, SOFT],
    ],
  ]));
// Windows does not do so yet, and its test may fail.
test('sock_addr_bind_multi_wildcard_reject', () =>
  scopes([
    [
      [SOFT, SOFT],
      [REJECT, REJECT],
    ],
    [
      [HARD, SOFT],
      [REJECT, SOFT],
    ],
  ]));
