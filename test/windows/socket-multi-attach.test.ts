// S15: cases of eBPF for Windows' tests/socket/socket_tests.cpp by name, about several programs on connect.
import { afterAll, afterEach, expect, test } from 'vitest';
import {
  ALL_SPEECHES,
  everywhere,
  loopback,
  Machine,
  outward,
  PORT,
  type Programs,
  PROTOCOLS,
  type Speech,
  SPEECHES,
  VERDICT,
} from './sockets.ts';

const machine = new Machine();
afterEach(() => machine.reset());
afterAll(() => machine[Symbol.dispose]());
const { SOFT, HARD } = VERDICT;
const [TCP, UDP] = PROTOCOLS;

const FAMILIES = ['IPv4', 'IPv6'] as const;
const SCOPES = [
  ['', 1],
  ['_wildcard', 0],
] as const;
const rows = (name: string, scopes: readonly (readonly [string, number])[] = SCOPES) =>
  scopes.flatMap(([scope, compartment]) =>
    PROTOCOLS.flatMap((protocol) =>
      FAMILIES.map((family) => [`${name}${scope}_${protocol.name}_${family}`, compartment, protocol, family] as const),
    ),
  );

async function attached(count: number, speech: Speech, compartment: number): Promise<readonly Programs[]> {
  const all = await machine.loads(count);
  for (const programs of all) await programs.attach('connect', speech.version, compartment);
  return all;
}

test.each(rows('multi_attach_test'))('%s', (_name, compartment, protocol, family) =>
  everywhere(
    machine,
    async (speech) => {
      const verdict = compartment === 0 ? SOFT : HARD;
      const [blocked, allowed] = [outward(protocol), 'allow'];
      const all = await attached(3, speech, compartment);
      const reach = () => machine.result(loopback(speech), speech, protocol);
      for (const programs of all) await programs.policy(loopback(speech), protocol, verdict);
      expect(await reach()).toBe(allowed);
      // Any of them refuses, wherever it stands; detached it does not, and attached again, now as the last, it does.
      for (const programs of [...all, all[0], all[2], all[2]]) {
        await programs.policy(loopback(speech), protocol, undefined);
        expect(await reach()).toBe(blocked);
        await programs.detach();
        expect(await reach()).toBe(allowed);
        await programs.attach('connect', speech.version, compartment);
        expect(await reach()).toBe(blocked);
        await programs.policy(loopback(speech), protocol, verdict);
        expect(await reach()).toBe(allowed);
      }
      // One that refuses all in another compartment is not asked.
      const [, , , elsewhere] = await machine.loads(4);
      await elsewhere.attach('connect', speech.version, compartment + 2);
      expect(await reach()).toBe(allowed);
    },
    SPEECHES[family],
    [protocol],
  ),
);

const ACTIONS = ['allow', 'redirect', 'block'] as const;
const PROXY = PORT;
const DESTINATION = PORT - 1;

test.each(rows('multi_attach_test_combined', [['', 1]]))('%s', (_name, _compartment, protocol, family) =>
  everywhere(
    machine,
    async (speech) => {
      // Two for the compartment, then two for all.
      const all = await machine.loads(4);
      for (const [i, programs] of all.entries()) await programs.attach('connect', speech.version, i < 2 ? 1 : 0);
      for (let combination = 0; combination < 3 ** 4; combination++) {
        const actions = all.map((_, i) => ACTIONS[Math.floor(combination / 3 ** i) % 3]);
        for (const [i, programs] of all.entries()) {
          const to = { allow: DESTINATION, redirect: PROXY, block: DESTINATION }[actions[i]];
          const verdict = actions[i] === 'block' ? undefined : SOFT;
          await programs.policy(loopback(speech, DESTINATION), protocol, verdict, loopback(speech, to));
        }
        // The first that does other than allow it decides.
        const decisive = actions.find((action) => action !== 'allow') ?? 'allow';
        const { result, reached: end } = await machine.reach(loopback(speech, DESTINATION), speech, protocol);
        if (decisive === 'block') expect([actions, result]).toEqual([actions, outward(protocol)]);
        else
          expect([actions, result, end.port]).toEqual([
            actions,
            'allow',
            decisive === 'redirect' ? PROXY : DESTINATION,
          ]);
      }
    },
    SPEECHES[family],
    [protocol],
  ),
);

test.each(rows('multi_attach_test_redirection'))('%s', (_name, compartment, protocol, family) =>
  everywhere(
    machine,
    async (speech) => {
      const verdict = compartment === 0 ? SOFT : HARD;
      for (const which of [0, 1, 2]) {
        const all = await attached(3, speech, compartment);
        const here = loopback(speech, DESTINATION);
        const to = (i: number, given: number | undefined, port: number) =>
          all[i].policy(here, protocol, given, loopback(speech, port));
        const outcome = async () => {
          const { result, reached: end } = await machine.reach(here, speech, protocol);
          return result === 'allow' ? end.port : result;
        };
        for (const i of [0, 1, 2]) await to(i, verdict, i === which ? PROXY : DESTINATION);
        expect(await outcome()).toBe(PROXY);
        if (which > 0) {
          await to(which - 1, undefined, 0);
          expect(await outcome()).toBe(outward(protocol));
          await all[which - 1].detach();
          expect(await outcome()).toBe(PROXY);
        }
        if (which < 2) {
          // Those behind it are not asked any more.
          await to(which + 1, undefined, 0);
          expect(await outcome()).toBe(PROXY);
          await to(which + 1, verdict, PROXY + 1);
          expect(await outcome()).toBe(PROXY);
        }
        await machine.reset();
      }
    },
    SPEECHES[family],
    [protocol],
  ),
);

test('multi_attach_test_invocation_order', () =>
  everywhere(
    machine,
    async (speech) => {
      const [specific, wildcard] = await machine.loads(2);
      const order = async () => {
        const { result, reached: end } = await machine.reach(loopback(speech, DESTINATION), speech, TCP);
        return result === 'allow' ? end.port : result;
      };
      const policy = (programs: Programs, verdict: number | undefined, port = DESTINATION) =>
        programs.policy(loopback(speech, DESTINATION), TCP, verdict, loopback(speech, port));
      // The one for all is attached first, and yet comes after the other.
      await wildcard.attach('connect', speech.version, 0);
      await specific.attach('connect', speech.version, 1);
      await policy(specific, SOFT);
      await policy(wildcard, SOFT);
      expect(await order()).toBe(DESTINATION);
      for (const [refusing, other] of [
        [specific, wildcard],
        [wildcard, specific],
      ]) {
        await policy(refusing, undefined);
        await policy(other, HARD);
        expect(await order()).toBe('connect');
        await policy(refusing, SOFT);
        await policy(other, SOFT);
        expect(await order()).toBe(DESTINATION);
      }
      await policy(specific, SOFT, PROXY);
      await policy(wildcard, undefined);
      expect(await order()).toBe(PROXY);
      await specific.detach();
      expect(await order()).toBe('connect');
      await specific.attach('connect', speech.version, 1);
      expect(await order()).toBe(PROXY);
      await policy(specific, SOFT);
      await policy(wildcard, SOFT, PROXY);
      expect(await order()).toBe(PROXY);
      await policy(specific, undefined);
      expect(await order()).toBe('connect');
      await specific.detach();
      expect(await order()).toBe(PROXY);
    },
    ALL_SPEECHES,
    [TCP],
  ));

/** Programs come and go while connections are made; nothing fails, and what is refused is refused by its policy. */
const concurrently = (flapping: readonly number[]): Promise<void> =>
  everywhere(
    machine,
    async (speech, protocol) => {
      const [steady, ...others] = await machine.loads(1 + flapping.length);
      await steady.attach('connect', speech.version, 1);
      for (const programs of [steady, ...others]) await programs.policy(loopback(speech), protocol, SOFT);
      const flap = async (programs: Programs, compartment: number): Promise<void> => {
        for (let i = 0; i < 50; i++) {
          await programs.attach('connect', speech.version, compartment);
          await Promise.resolve();
          await programs.detach();
        }
      };
      const reach = async (): Promise<string[]> => {
        const results: string[] = [];
        for (let i = 0; i < 100; i++) results.push(await machine.result(loopback(speech), speech, protocol));
        return results;
      };
      const [results] = await Promise.all([reach(), ...others.map((programs, i) => flap(programs, flapping[i]))]);
      expect(new Set(results)).toEqual(new Set(['allow']));
      await steady.policy(loopback(speech), protocol, undefined);
      expect(await machine.result(loopback(speech), speech, protocol)).toBe(outward(protocol));
    },
    SPEECHES.IPv4,
    [TCP, UDP],
  );
test('multi_attach_concurrency_test1', () => concurrently([0, 1, 1]));
test('multi_attach_concurrency_test2', () => concurrently([1, 0]));
