// Draws 8 random bytes each millisecond and appends a line to the file that it is given: the monotonic clock in nanoseconds and the
// bytes, 16 hexadecimal digits each. Without a C library, so that it is small and all of it is the kernel's.
#include <linux/time_types.h>
#include <sys/syscall.h>

#define O_APPEND_NEW 02101 // O_WRONLY, O_CREAT and O_APPEND
#define CLOCK_MONOTONIC 1
#define LINE 34

static long call(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}

static void hex(char *to, unsigned long value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
    {
        to[i] = "0123456789abcdef"[value & 15];
    }
}

__attribute__((used)) static void run(long *stack)
{
    long file = call(SYS_open, stack[2], O_APPEND_NEW, 0600, 0);
    struct __kernel_timespec pause = { 0, 1000000 };
    for (;;)
    {
        char line[LINE];
        unsigned long value = 0;
        struct __kernel_timespec now;
        call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0);
        if (call(SYS_getrandom, (long)&value, sizeof value, 0, 0) != sizeof value)
        {
            call(SYS_exit_group, 1, 0, 0, 0);
        }

        hex(line, (unsigned long)now.tv_sec * 1000000000ul + (unsigned long)now.tv_nsec);
        line[16] = ' ';
        hex(line + 17, value);
        line[33] = '\n';
        call(SYS_write, file, (long)line, LINE, 0);
        call(SYS_nanosleep, (long)&pause, 0, 0, 0);
    }
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n");
