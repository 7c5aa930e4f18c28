// Does with a datagram what its port says, and counts it there. `other` counts and drops beside it, for replacement under traffic.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { OTHERS, DROPPED, SENT_BACK, TO_DEVICE, TO_QUEUE, ABORTED, TO_CPU, REPLACED, COUNTS };

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, COUNTS);
  __type(key, __u32);
  __type(value, __u64);
} seen SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} devices SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CPUMAP);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} cpus SEC(".maps");

static __always_inline void count(__u32 what)
{
  __u64 *value = bpf_map_lookup_elem(&seen, &what);
  if (value)
    *value += 1;
}

/* The port of a datagram to 9000 and above; 0 for anything else. */
static __always_inline int port_of(struct xdp_md *ctx, struct ethhdr **eth, struct iphdr **ip, struct udphdr **udp)
{
  void *end = (void *)(long)ctx->data_end;
  *eth = (void *)(long)ctx->data;
  *ip = (void *)(*eth + 1);
  *udp = (void *)(*ip + 1);
  if ((void *)(*udp + 1) > end || (*eth)->h_proto != bpf_htons(ETH_P_IP) || (*ip)->ihl != 5 ||
      (*ip)->protocol != IPPROTO_UDP)
    return 0;
  int port = bpf_ntohs((*udp)->dest);
  return port < 9000 ? 0 : port;
}

SEC("xdp") int verdicts(struct xdp_md *ctx)
{
  struct ethhdr *eth;
  struct iphdr *ip;
  struct udphdr *udp;
  __u8 mac[ETH_ALEN];
  __be32 address;
  __be16 port;

  switch (port_of(ctx, &eth, &ip, &udp)) {
  case 9000:
    count(DROPPED);
    return XDP_DROP;
  case 9001:
    count(SENT_BACK);
    __builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
    __builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
    __builtin_memcpy(eth->h_source, mac, ETH_ALEN);
    address = ip->saddr;
    ip->saddr = ip->daddr;
    ip->daddr = address;
    port = udp->source;
    udp->source = udp->dest;
    udp->dest = port;
    return XDP_TX;
  case 9002:
    count(TO_DEVICE);
    return bpf_redirect_map(&devices, 0, 0);
  case 9003:
    count(TO_CPU);
    return bpf_redirect_map(&cpus, 0, 0);
  case 9004:
    count(ABORTED);
    return XDP_ABORTED;
  }
  count(OTHERS);
  return XDP_PASS;
}

SEC("xdp") int other(struct xdp_md *ctx)
{
  struct ethhdr *eth;
  struct iphdr *ip;
  struct udphdr *udp;

  if (port_of(ctx, &eth, &ip, &udp) != 9000)
    return XDP_PASS;
  count(REPLACED);
  return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
