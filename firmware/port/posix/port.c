// SPDX-License-Identifier: BSD-3-Clause
// dredkit/port.h for a Linux process: a TCP port, a pseudo terminal, or stdin and stdout.
#define _GNU_SOURCE  // dl_iterate_phdr, posix_openpt, cfmakeraw

#include "dredkit/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "posix.h"

#define NOTE_ALIGN 4u
#define FIFO_PRIORITY 50  // above other programs, below the threads of the kernel
#define NANOSECONDS 1000000000u

static struct {
    int listener;           // -1 unless listening
    int in, out;            // -1 while no host is connected
    uint8_t pending[4096];  // not sent yet: an answer becomes one packet, not one a COBS group
    size_t pending_count;
    bool real_time;  // ticks are the clock on the wall
    uint8_t build_id[DK_PORT_BUILD_ID_BYTES];
    uint64_t steps;  // what a real-time process tells of its steps at the end, in the core's cycles
    uint64_t cycles;
    uint32_t most;
    uint32_t began;
} port = {.listener = -1, .in = -1, .out = -1};

static bool fail(const char *what)
{
    fprintf(stderr, "firmware: %s: %s\n", what, strerror(errno));
    return false;
}

static void announce(const char *scheme, const char *where)
{
    printf("%s%s\n", scheme, where);
    fflush(stdout);
}

bool dk_posix_listen(const char *text, bool all_addresses)
{
    char *end;
    const unsigned long number = strtoul(text, &end, 10);
    const int on = 1;
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    if (*text == '\0' || *end != '\0' || number > UINT16_MAX) {
        errno = EINVAL;
        return fail(text);
    }
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)number);
    address.sin_addr.s_addr = htonl(all_addresses ? INADDR_ANY : INADDR_LOOPBACK);
    port.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (port.listener < 0 ||
        setsockopt(port.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(port.listener, (const struct sockaddr *)&address, size) < 0 ||
        listen(port.listener, 4) < 0 ||
        getsockname(port.listener, (struct sockaddr *)&address, &size) < 0) {
        return fail("cannot listen");
    }
    char where[32];
    snprintf(where, sizeof where, "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    announce("socket://", where);
    return true;
}

bool dk_posix_open_pty(void)
{
    struct termios raw;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) {
        return fail("cannot open a pseudo terminal");
    }
    // Hold the other end open: otherwise reading fails whenever no host is connected.
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, &raw) < 0) {
        return fail("cannot open a pseudo terminal");
    }
    cfmakeraw(&raw);
    if (tcsetattr(slave, TCSANOW, &raw) < 0) {
        return fail("cannot set up a pseudo terminal");
    }
    port.in = port.out = master;
    announce("", ptsname(master));
    return true;
}

void dk_posix_use_stdio(void)
{
    port.in = STDIN_FILENO;
    port.out = STDOUT_FILENO;
}

void dk_posix_use_real_time(void)
{
    const struct sched_param asked = {.sched_priority = FIFO_PRIORITY};
    port.real_time = true;
    if (sched_setscheduler(0, SCHED_FIFO, &asked) < 0) {
        fail("SCHED_FIFO");
    }
    if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
        fail("memory that stays in RAM");
    }
}

bool dk_posix_is_real_time(void)
{
    return port.real_time;
}

static int find_build_id(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_NOTE) {
            continue;
        }
        const uint8_t *at = (const uint8_t *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        const uint8_t *const end = at + info->dlpi_phdr[i].p_memsz;
        while (at + sizeof(ElfW(Nhdr)) <= end) {
            ElfW(Nhdr) note;
            memcpy(&note, at, sizeof note);
            const uint8_t *name = at + sizeof note;
            const uint8_t *value =
                name + (note.n_namesz + NOTE_ALIGN - 1u) / NOTE_ALIGN * NOTE_ALIGN;
            if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz == DK_PORT_BUILD_ID_BYTES &&
                note.n_namesz == sizeof "GNU" && memcmp(name, "GNU", sizeof "GNU") == 0) {
                memcpy(port.build_id, value, DK_PORT_BUILD_ID_BYTES);
                return 1;
            }
            at = value + (note.n_descsz + NOTE_ALIGN - 1u) / NOTE_ALIGN * NOTE_ALIGN;
        }
    }
    return 1;  // the program itself comes first; libraries have build ids of their own
}

void dk_port_init(void)
{
    signal(SIGPIPE, SIG_IGN);
    dl_iterate_phdr(find_build_id, NULL);
    dk_timer_init();
}

const uint8_t *dk_port_build_id(void)
{
    return port.build_id;
}

uint32_t dk_port_ticks(void)
{
    struct timespec now;
    if (!port.real_time) {
        return dk_timer_now();
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec);
}

bool dk_port_ticks_are_cycles(void)
{
    return !port.real_time && dk_timer_counts_cycles();
}

uint32_t dk_port_isr_ticks(void)
{
    return 0;
}

uint32_t dk_port_work_ticks(void)
{
    return dk_port_ticks();
}

void dk_port_mark(bool running)
{
    if (!port.real_time || !dk_timer_counts_cycles()) {
        return;
    }
    if (running) {
        port.began = dk_timer_now();
        return;
    }
    uint32_t cycles = dk_timer_now() - port.began;
    port.steps++;
    port.cycles += cycles;
    port.most = cycles > port.most ? cycles : port.most;
}

static void tell_cycles(void)
{
    if (port.steps > 0) {
        fprintf(stderr,
                "firmware: perf_event: a step took %" PRIu64 " cycles, at most %" PRIu32 "\n",
                port.cycles / port.steps, port.most);
    }
}

uint32_t dk_port_rx_dropped(void)
{
    return 0;
}

uint32_t dk_port_stack_peak(void)
{
    return 0;
}

static void hang_up(void)
{
    if (port.listener < 0 || port.real_time) {
        tell_cycles();
        exit(0);  // the only host is gone
    }
    close(port.in);
    port.in = port.out = -1;
    port.pending_count = 0;
}

static void flush(void)
{
    size_t sent = 0;
    while (port.out >= 0 && sent < port.pending_count) {
        ssize_t count = write(port.out, port.pending + sent, port.pending_count - sent);
        if (count < 0 && errno != EINTR) {
            hang_up();
            return;
        }
        sent += count > 0 ? (size_t)count : 0;
    }
    port.pending_count = 0;
}

void dk_port_write(const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        if (port.pending_count == sizeof port.pending) {
            flush();
        }
        size_t room = sizeof port.pending - port.pending_count;
        size_t now = count < room ? count : room;
        memcpy(port.pending + port.pending_count, bytes, now);
        port.pending_count += now;
        bytes += now;
        count -= now;
    }
}

static void answer_the_door(void)
{
    const int on = 1;
    int caller = accept(port.listener, NULL, NULL);
    if (caller < 0) {
        return;
    }
    if (port.in >= 0) {
        close(caller);  // a serial port has one user: refuse a second one at once
        return;
    }
    setsockopt(caller, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    port.in = port.out = caller;
}

static bool watch(struct pollfd watched[2], int wait_ms)
{
    watched[0] = (struct pollfd){port.in, POLLIN, 0};
    watched[1] = (struct pollfd){port.listener, POLLIN, 0};
    return poll(watched, 2, wait_ms) > 0;
}

void dk_port_idle(void)
{
    struct pollfd watched[2];
    flush();
    watch(watched, -1);
}

size_t dk_port_read(uint8_t *bytes, size_t capacity)
{
    struct pollfd watched[2];
    flush();
    if (!watch(watched, 0)) {
        return 0;
    }
    if (watched[0].revents != 0) {
        ssize_t count = read(port.in, bytes, capacity);
        if (count > 0) {
            return (size_t)count;
        }
        if (count == 0 || errno != EINTR) {
            hang_up();
        }
    }
    // Accept a caller only after the hang-up, which may have arrived at the same time.
    if ((watched[1].revents & POLLIN) != 0) {
        answer_the_door();
    }
    return 0;
}
