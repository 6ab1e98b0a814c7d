// Has an id of 8 random bytes that is good for one generation of the guest, and uses it each millisecond: it looks at the page before,
// draws a new id if the generation is another one, and appends a line to the file that it is given: the monotonic clock in nanoseconds,
// the generation's number and the id, 16 hexadecimal digits each.
#include "bare.h"

#define LINE 51
#define SEQUENCE 12 // struct vmclock_abi, of which the page has the layout
#define COUNTER 104

static unsigned long generation(const char *page)
{
    for (;;)
    {
        unsigned before = __atomic_load_n((const unsigned *)(page + SEQUENCE), __ATOMIC_ACQUIRE);
        unsigned long value = __atomic_load_n((const unsigned long *)(page + COUNTER), __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (before % 2 == 0 && before == __atomic_load_n((const unsigned *)(page + SEQUENCE), __ATOMIC_RELAXED))
        {
            return value;
        }
    }
}

static void run(long *stack)
{
    long file = call(SYS_open, stack[2], O_APPEND_NEW, 0600, 0, 0, 0);
    long shared = call(SYS_open, (long)"/run/channelsdk/generation", 0, 0, 0, 0, 0);
    const char *page = (const char *)call(SYS_mmap, 0, 4096, 1, 1, shared, 0); // PROT_READ, MAP_SHARED
    // On one processor no other program comes between a look and its use then: between those two nothing can be known.
    int priority = 1;
    if ((unsigned long)page > -4096ul || call(SYS_sched_setscheduler, 0, 1, (long)&priority, 0, 0, 0) != 0) // SCHED_FIFO
    {
        call(SYS_exit_group, 1, 0, 0, 0, 0, 0);
    }

    unsigned long known = generation(page), id = 0;
    call(SYS_getrandom, (long)&id, sizeof id, 0, 0, 0, 0);
    for (;;)
    {
        char line[LINE];
        unsigned long now = nanoseconds(CLOCK_MONOTONIC);
        unsigned long present = generation(page);
        if (present != known)
        {
            call(SYS_getrandom, (long)&id, sizeof id, 0, 0, 0, 0);
            known = present;
        }

        hex(line, now);
        hex(line + 17, known);
        hex(line + 34, id);
        line[16] = line[33] = ' ';
        line[50] = '\n';
        call(SYS_write, file, (long)line, LINE, 0, 0, 0);
        pause_a_moment();
    }
}
