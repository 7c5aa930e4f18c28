typedef unsigned int __u32;

typedef unsigned char __u8;

struct network4 {
	__u32 prefix;
	__u8 address[4];
};

typedef unsigned long long __u64;

struct hits {
	__u64 packets;
	__u64 bytes;
};

struct network6 {
	__u32 prefix;
	__u8 address[16];
};

struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};
