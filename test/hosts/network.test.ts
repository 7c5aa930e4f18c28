import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inPrefix, parseAddress, parseMac, parsePrefix } from '../../src/hosts/memory/addresses.ts';
import { type NetworkDescription, SimulatedNetwork } from '../../src/hosts/memory/network.ts';

const bits = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');

describe('addresses', () => {
  test.each([
    ['10.0.0.1', [10, 0, 0, 1]],
    ['255.255.255.255', [255, 255, 255, 255]],
    ['::', Array.from({ length: 16 }, () => 0)],
    ['::1', [...Array.from({ length: 15 }, () => 0), 1]],
    ['2001:db8::ff00:42:8329', [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0x42, 0x83, 0x29]],
    ['1:2:3:4:5:6:7:8', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
    ['fe80::', [0xfe, 0x80, ...Array.from({ length: 14 }, () => 0)]],
    ['::ffff:1.2.3.4', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4]],
  ])('%s', (text, bytes) => {
    expect([...parseAddress(text)]).toEqual(bytes);
  });

  test.each([
    '',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.1.2',
    '10.0.0.x',
    '1:2',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::g',
    '1:2:3:4:5:6:7::8:9',
  ])('%j is none', (text) => {
    expect(() => parseAddress(text)).toThrow(/\[network\/address\]/);
  });

  test.each(['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-1', 'x/8'])('%j is no prefix', (text) => {
    expect(() => parsePrefix(text)).toThrow(/\[network\/address\]/);
  });

  test.each(['', '02:00', '02:00:00:00:00:zz', '02-00-00-00-00-01', '02:00:00:00:00:00:01'])('%j is no MAC', (text) => {
    expect(() => parseMac(text)).toThrow(/\[network\/address\]/);
  });

  test('lie in a prefix where their first bits are its', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.nat(32),
        (a, b, length) => {
          const prefix = { address: new Uint8Array(b), length };
          expect(inPrefix(a, prefix)).toBe(bits(a).slice(0, length) === bits(b).slice(0, length));
        },
      ),
    );
  });
});

describe('descriptions that cannot be used', () => {
  const eth0 = { index: 2, name: 'eth0' };
  const cases: readonly (readonly [string, NetworkDescription, RegExp])[] = [
    ['an index of 0', { interfaces: [{ index: 0, name: 'x' }] }, /interface x .*index 0/],
    ['an mtu of 0', { interfaces: [{ ...eth0, mtu: 0 }] }, /mtu 0/],
    ['two with one index', { interfaces: [eth0, { index: 2, name: 'eth1' }] }, /two with the index 2/],
    ['an unknown interface', { routes: [{ destination: '0.0.0.0/0', interface: 'eth0' }] }, /no interface eth0/],
    ['a route without one', { interfaces: [eth0], routes: [{ destination: '0.0.0.0/0' }] }, /needs an interface/],
    ['an address that is none', { interfaces: [{ ...eth0, addresses: ['10.0.0.1/99'] }] }, /network\/address/],
    [
      'a socket of two families',
      { sockets: [{ protocol: 'tcp', localAddress: '::1', localPort: 1, remoteAddress: '10.0.0.1' }] },
      /different families/,
    ],
    ['a current socket that is not there', { currentSocket: 3 }, /no socket 3/],
  ];
  test.each(cases)('%s', (_, description, sentence) => {
    expect(() => new SimulatedNetwork(description)).toThrow(sentence);
  });
});
