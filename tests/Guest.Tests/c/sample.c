// Draws 8 random bytes each millisecond and appends a line to the file that it is given: the time of day in nanoseconds and the bytes,
// 16 hexadecimal digits each. A repair sets that clock, so that it tells of the gate, and not of a guest that was slow for a moment.
#include "bare.h"

#define LINE 34

static void run(long *stack)
{
    long file = call(SYS_open, stack[2], O_APPEND_NEW, 0600, 0, 0, 0);
    for (;;)
    {
        char line[LINE];
        unsigned long value = 0;
        unsigned long now = nanoseconds(CLOCK_REALTIME);
        if (call(SYS_getrandom, (long)&value, sizeof value, 0, 0, 0, 0) != sizeof value)
        {
            call(SYS_exit_group, 1, 0, 0, 0, 0, 0);
        }

        hex(line, now);
        line[16] = ' ';
        hex(line + 17, value);
        line[33] = '\n';
        call(SYS_write, file, (long)line, LINE, 0, 0, 0);
        pause_a_moment();
    }
}
