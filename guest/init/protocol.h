/* The numbers of guest/protocol.md, which is the source; a test compares the two. */
#pragma once
#include <stdint.h>

#define HB_PORT_NAME "hb.control"
#define HB_PROTOCOL_VERSION 1u

/*     0        4    5    6      8        12       16        20
       +--------+----+----+------+--------+--------+---------+-----------+
       | magic  |type|flag| zero | id     | length | crc     | payload…  |
       +--------+----+----+------+--------+--------+---------+-----------+  little-endian */
#define HB_FRAME_MAGIC 0x31464248u
#define HB_FRAME_HEADER_BYTES 20u
#define HB_FRAME_TO_GUEST_BYTES_MAX 1048576u
#define HB_FRAME_TO_HOST_BYTES_MAX 65536u
#define HB_NONCE_BYTES 16u

#define HB_TYPE_HELLO 1u
#define HB_TYPE_HELLO_ACK 2u
#define HB_TYPE_REQUEST 3u
#define HB_TYPE_RESPONSE 4u
#define HB_TYPE_DATA 5u
#define HB_TYPE_WINDOW 6u
#define HB_TYPE_EVENT 7u

#define HB_STREAM_STDIN 0u
#define HB_STREAM_STDOUT 1u
#define HB_STREAM_STDERR 2u
#define HB_FLAG_STREAM_MASK 0x03u
#define HB_FLAG_END 0x80u

#define HB_STATE_CONFIGURED 1u

#define HB_OP_PING 1u
#define HB_OP_CONFIGURE 2u
#define HB_OP_WARM 3u
#define HB_OP_CREATE_CONTAINER 4u
#define HB_OP_START_PROCESS 5u
#define HB_OP_SIGNAL 6u
#define HB_OP_RESIZE 7u
#define HB_OP_FORGET 8u
#define HB_OP_STATS 9u
#define HB_OP_TOP 10u
#define HB_OP_DELETE_CONTAINER 11u
#define HB_OP_SHUTDOWN 12u
#define HB_OP_SYNC 13u
#define HB_OP_UPDATE_CONTAINER 14u
#define HB_OP_SET_CLOCK 15u
#define HB_OP_START_FILES 16u
#define HB_OP_SET_INTERFACE 17u
#define HB_OP_REMOVE_INTERFACE 18u
#define HB_OP_GROW_DISK 19u
#define HB_OP_FREEZE_CONTAINER 20u

#define HB_TAG_MESSAGE 1u
#define HB_TAG_STAGE 2u
#define HB_TAG_PROCESS_ID 3u
#define HB_TAG_CONTAINER_ID 4u
#define HB_TAG_ENTROPY 5u
#define HB_TAG_REALTIME_NS 6u
#define HB_TAG_HOSTNAME 7u
#define HB_TAG_DOMAINNAME 8u
#define HB_TAG_INTERFACE 9u
#define HB_TAG_NAME 10u
#define HB_TAG_MAC 11u
#define HB_TAG_MTU 12u
#define HB_TAG_ADDRESS 13u
#define HB_TAG_GATEWAY 14u
#define HB_TAG_SYSCTL 15u
#define HB_TAG_VALUE 16u
#define HB_TAG_ROOT_DISK 17u
#define HB_TAG_SCRATCH_DISK 18u
#define HB_TAG_ROOT_READONLY 19u
#define HB_TAG_FILE 20u
#define HB_TAG_PATH 21u
#define HB_TAG_MODE 22u
#define HB_TAG_TMPFS 23u
#define HB_TAG_FLAGS 24u
#define HB_TAG_MOUNT 25u
#define HB_TAG_DISK 26u
#define HB_TAG_SOURCE_PATH 27u
#define HB_TAG_MASKED_PATH 28u
#define HB_TAG_READONLY_PATH 29u
#define HB_TAG_SHM_BYTES 30u
#define HB_TAG_MEMORY_MAX 31u
#define HB_TAG_CPU_QUOTA_US 32u
#define HB_TAG_CPU_PERIOD_US 33u
#define HB_TAG_CPU_WEIGHT 34u
#define HB_TAG_PIDS_MAX 35u
#define HB_TAG_PRIVILEGED 36u
#define HB_TAG_MAIN 37u
#define HB_TAG_INIT 38u
#define HB_TAG_TTY 39u
#define HB_TAG_STDIN 40u
#define HB_TAG_ARG 41u
#define HB_TAG_ENV 42u
#define HB_TAG_CWD 43u
#define HB_TAG_USER 44u
#define HB_TAG_GROUP 45u
#define HB_TAG_CAP_BOUNDING 46u
#define HB_TAG_CAP_EFFECTIVE 47u
#define HB_TAG_CAP_INHERITABLE 48u
#define HB_TAG_CAP_AMBIENT 49u
#define HB_TAG_NO_NEW_PRIVS 50u
#define HB_TAG_RLIMIT 51u
#define HB_TAG_NUMBER 52u
#define HB_TAG_SOFT 53u
#define HB_TAG_HARD 54u
#define HB_TAG_ROWS 55u
#define HB_TAG_COLUMNS 56u
#define HB_TAG_OOM_SCORE_ADJ 57u
#define HB_TAG_PID 58u
#define HB_TAG_SIGNAL 59u
#define HB_TAG_ALL 60u
#define HB_TAG_TEXT 61u
#define HB_TAG_TASK 62u
#define HB_TAG_PPID 63u
#define HB_TAG_UID 64u
#define HB_TAG_PROCESS 65u
#define HB_TAG_STATE 66u
#define HB_TAG_EXIT_CODE 67u
#define HB_TAG_EXIT_SIGNAL 68u
#define HB_TAG_EXITED_NS 69u
#define HB_TAG_OOM 70u
#define HB_TAG_STDIN_ACKED 71u
#define HB_TAG_STDOUT_ACKED 72u
#define HB_TAG_STDOUT_END 73u
#define HB_TAG_STDERR_ACKED 74u
#define HB_TAG_STDERR_END 75u
#define HB_TAG_CLOCK_AHEAD_NS 76u
#define HB_TAG_ACTION 77u
#define HB_TAG_SLOT 78u
#define HB_TAG_COPY_UP 79u
#define HB_TAG_GID 80u
#define HB_TAG_MTIME_NS 81u
#define HB_TAG_SIZE 82u
#define HB_TAG_DEVICE 83u
#define HB_TAG_TARGET 84u
#define HB_TAG_XATTR 85u
#define HB_TAG_FROZEN 86u

#define HB_PROCESS_RUNNING 1u
#define HB_PROCESS_EXITED 2u

#define HB_EVENT_EXIT 1u
#define HB_EVENT_OOM 2u

#define HB_CONTAINERS_MAX 64u
/* All of them must fit in one HELLO_ACK: a PROCESS is at most 272 bytes. */
#define HB_PROCESSES_MAX 240u
#define HB_OUTPUT_BYTES_MAX 262144u
#define HB_INPUT_BYTES_MAX 65536u
#define HB_LIST_ITEMS_MAX 4096u
#define HB_CONTAINER_ID_BYTES_MAX 64u
#define HB_TEXT_VALUE_BYTES_MAX 8192u
#define HB_COMMAND_BYTES_MAX 1024u
#define HB_ENTROPY_BYTES_MIN 32u
#define HB_ENTROPY_BYTES_MAX 512u
