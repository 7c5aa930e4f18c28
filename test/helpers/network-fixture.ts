import type { NetworkDescription } from '../../src/hosts/memory/network.ts';

/** Two Ethernet interfaces and a loopback, a few routes and sockets. */
export const NETWORK = {
  netnsCookie: 9n,
  interfaces: [
    { index: 1, name: 'lo', mtu: 65_536, addresses: ['127.0.0.1/8', '::1/128'], withoutNeighbours: true },
    { index: 2, name: 'eth0', mac: '02:00:00:00:00:02', addresses: ['10.0.0.1/24', '2001:db8::1/64'] },
    { index: 3, name: 'eth1', mac: '02:00:00:00:00:03', mtu: 1400, addresses: ['192.168.1.1/24'] },
    { index: 4, name: 'quiet', mac: '02:00:00:00:00:04', forwarding: false },
  ],
  routes: [
    { destination: '0.0.0.0/0', via: '10.0.0.254', interface: 'eth0', metric: 100 },
    { destination: '172.16.0.0/12', via: '192.168.1.254', interface: 'eth1' },
    { destination: '172.16.5.0/24', type: 'blackhole' },
    { destination: '172.16.6.0/24', type: 'unreachable' },
    { destination: '172.16.7.0/24', type: 'prohibit' },
    { destination: '172.16.8.0/24', via: '192.168.1.254', interface: 'eth1', encapsulated: true },
    { destination: '172.16.9.0/24', via: '192.168.1.254', interface: 3, mtu: 1000, source: '192.168.1.7' },
    { destination: '172.16.9.0/24', via: '10.0.0.254', interface: 'eth0', metric: 5 },
    { destination: '203.0.113.0/24', via: '10.0.0.254', interface: 'eth0', table: 7 },
    { destination: '::/0', via: '2001:db8::fe', interface: 'eth0' },
  ],
  neighbours: [
    { address: '10.0.0.254', mac: '02:00:00:00:01:fe', interface: 'eth0' },
    { address: '10.0.0.7', mac: '02:00:00:00:01:07', interface: 'eth0' },
    { address: '192.168.1.254', mac: '02:00:00:00:02:fe', interface: 'eth1' },
    { address: '2001:db8::fe', mac: '02:00:00:00:03:fe', interface: 'eth0' },
  ],
  sockets: [
    {
      protocol: 'tcp',
      localAddress: '10.0.0.1',
      localPort: 80,
      mark: 5,
      uid: 1000,
      cgroupId: 33n,
      cgroupAncestors: [1n, 22n],
    },
    {
      protocol: 'tcp',
      localAddress: '10.0.0.1',
      localPort: 80,
      remoteAddress: '10.0.0.7',
      remotePort: 4000,
      cookie: 77n,
      tcp: { snd_cwnd: 10, bytes_acked: 5n },
    },
    { protocol: 'udp', localAddress: '::', localPort: 53 },
    { protocol: 'udp', localAddress: '10.0.0.1', localPort: 53, interface: 'eth0' },
    {
      protocol: 'tcp',
      localAddress: '10.0.0.1',
      localPort: 81,
      remoteAddress: '10.0.0.7',
      remotePort: 5,
      state: 'timeWait',
    },
    { protocol: 'udp', localAddress: '::', localPort: 54, onlyIpv6: true },
    { protocol: 'tcp', localAddress: '10.0.0.1', localPort: 90, netns: 3 },
  ],
  currentSocket: 0,
} as const satisfies NetworkDescription;
