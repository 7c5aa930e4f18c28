/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef ANYBPF_TEST_SAMPLE_H
#define ANYBPF_TEST_SAMPLE_H

#include <anybpf/bpf.h>

/* Section sample_ext, the program type of the sample extension. */
struct _sample_program_context {
	__u8 *data_start;
	__u8 *data_end;
	__u32 uint32_data;
	__u16 uint16_data;
	__u32 helper_data_1;
	__u32 helper_data_2;
};
typedef struct _sample_program_context sample_program_context_t;

#endif
