/*
 * vchan-peer: the other side of a vchan, by Xen's own libxenvchan, for the tests of our transport.
 *
 *   vchan-peer server DOMID PATH [RING-BYTES]   serves the requests below until the client leaves
 *   vchan-peer client DOMID PATH MIB ROUNDS     makes such requests, and prints what it measured
 *   vchan-peer flood DOMID PATH SECONDS         server; sends events to its client as fast as it can
 *   vchan-peer spin SECONDS                     keeps the processor as busy, without events
 *   vchan-peer read PATH                        prints a key of xenstore, or the error
 *
 * A request is 16 bytes: operation, message size (both u32), count (u64). Bytes of bulk follow from their offset.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <libxenvchan.h>
#include <xenstore.h>

enum operation { LEAVE = 0, ECHO = 1, SINK = 2, SOURCE = 3 };

struct request {
    uint32_t operation;
    uint32_t size;
    uint64_t count;
};

#define BLOCK 32768
#define DEFAULT_RING 65536

static struct libxenvchan *channel;
static unsigned char block[65536];

static void fail(const char *what)
{
    fprintf(stderr, "vchan-peer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void receive(void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        int count = libxenvchan_read(channel, (char *)to + done, size - done);
        if (count <= 0)
            fail("the other side left in the middle of a receive");
        done += (size_t)count;
    }
}

static void send_all(const void *from, size_t size)
{
    for (size_t done = 0; done < size;) {
        int count = libxenvchan_write(channel, (const char *)from + done, size - done);
        if (count <= 0)
            fail("the other side left in the middle of a send");
        done += (size_t)count;
    }
}

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * 7 + (offset >> 9));
}

/* Making and checking every byte would measure that and not the rings: the first MiB is enough to tell a wrong order. */
static void bulk(uint64_t total, int sends)
{
    const uint64_t checked = 1 << 20;
    for (uint64_t at = 0; at < total; at += BLOCK) {
        size_t size = total - at < BLOCK ? (size_t)(total - at) : BLOCK;
        if (!sends)
            receive(block, size);
        for (size_t i = 0; at < checked && i < size; i++) {
            if (sends)
                block[i] = byte_at(at + i);
            else if (block[i] != byte_at(at + i)) {
                fprintf(stderr, "vchan-peer: the byte at %llu is wrong\n", (unsigned long long)(at + i));
                exit(1);
            }
        }
        if (sends)
            send_all(block, size);
    }
}

static void serve(void)
{
    struct request request;
    while (libxenvchan_recv(channel, &request, sizeof request) == (int)sizeof request) {
        switch (request.operation) {
        case ECHO:
            if (request.size == 0 || request.size > sizeof block)
                return;
            for (uint64_t i = 0; i < request.count; i++) {
                receive(block, request.size);
                send_all(block, request.size);
            }
            break;
        case SINK:
            bulk(request.count, 0);
            send_all(&request.count, sizeof request.count);
            break;
        case SOURCE:
            bulk(request.count, 1);
            break;
        default:
            return;
        }
    }
}

static void ask(enum operation operation, uint32_t size, uint64_t count)
{
    struct request request = { .operation = operation, .size = size, .count = count };
    send_all(&request, sizeof request);
}

static void measure(uint64_t total, uint64_t rounds)
{
    unsigned char message[64] = { 1 };
    uint64_t taken = 0;
    double begin = seconds(), best = 1e9;
    ask(ECHO, sizeof message, rounds);
    for (uint64_t i = 0; i < rounds; i++) {
        double sent = seconds();
        send_all(message, sizeof message);
        receive(message, sizeof message);
        if (seconds() - sent < best)
            best = seconds() - sent;
    }
    printf("roundtrip %.1f best %.1f\n", (seconds() - begin) * 1e6 / (double)rounds, best * 1e6);

    begin = seconds();
    ask(SINK, BLOCK, total);
    bulk(total, 1);
    receive(&taken, sizeof taken);
    printf("send %.1f\n", (double)total / (1 << 20) / (seconds() - begin));

    begin = seconds();
    ask(SOURCE, BLOCK, total);
    bulk(total, 0);
    printf("receive %.1f\n", (double)total / (1 << 20) / (seconds() - begin));
    ask(LEAVE, 0, 0);
    if (taken != total)
        fail("the server took something else");
}

static void flood(double duration)
{
    unsigned long events = 0;
    while (libxenvchan_is_open(channel) == 2)
        libxenvchan_wait(channel);
    printf("flooding\n");
    for (double end = seconds() + duration; seconds() < end; events += 64)
        for (int i = 0; i < 64; i++)
            xenevtchn_notify(channel->event, channel->event_port);
    printf("events %lu\n", events);
}

static void spin(double duration)
{
    printf("spinning\n");
    for (double end = seconds() + duration; seconds() < end;)
        ;
}

static int read_key(const char *path)
{
    unsigned int length;
    struct xs_handle *store = xs_open(0);
    if (!store)
        fail("xenstore");
    char *value = xs_read(store, XBT_NULL, path, &length);
    printf("%s\n", value ? value : strerror(errno));
    return value ? 0 : 1;
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *role = count > 2 ? words[1] : "";
    if (!strcmp(role, "spin")) {
        spin(atof(words[2]));
        return 0;
    }
    if (!strcmp(role, "read"))
        return read_key(words[2]);
    if (count < 4) {
        fprintf(stderr, "vchan-peer: server|client|flood DOMID PATH ..., spin SECONDS, read PATH\n");
        return 2;
    }
    int domain = atoi(words[2]);
    if (!strcmp(role, "client")) {
        /* The server may still be on its way. */
        for (int i = 0; i < 200 && !channel; i++)
            if (!(channel = libxenvchan_client_init(NULL, domain, words[3])))
                usleep(50000);
    } else {
        size_t ring = count > 4 && !strcmp(role, "server") ? strtoul(words[4], NULL, 0) : DEFAULT_RING;
        channel = libxenvchan_server_init(NULL, domain, words[3], ring, ring);
    }
    if (!channel)
        fail(role);
    channel->blocking = 1;
    if (!strcmp(role, "client"))
        measure((uint64_t)(count > 4 ? atoi(words[4]) : 16) << 20, count > 5 ? strtoull(words[5], NULL, 0) : 200);
    else if (!strcmp(role, "flood"))
        flood(count > 4 ? atof(words[4]) : 5);
    else {
        printf("serving\n");
        serve();
    }
    libxenvchan_close(channel);
    return 0;
}
