// What the programs of the tests need in place of a C library, so that they are small and all of what they do is the kernel's.
#include <linux/time_types.h>
#include <sys/syscall.h>

#define O_APPEND_NEW 02101 // O_WRONLY, O_CREAT and O_APPEND
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

static void hex(char *to, unsigned long value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
    {
        to[i] = "0123456789abcdef"[value & 15];
    }
}

static unsigned long nanoseconds(long clock)
{
    struct __kernel_timespec now;
    call(SYS_clock_gettime, clock, (long)&now, 0, 0, 0, 0);
    return (unsigned long)now.tv_sec * 1000000000ul + (unsigned long)now.tv_nsec;
}

// The rest of the millisecond is other programs'.
static void pause_a_moment(void)
{
    struct __kernel_timespec moment = { 0, 1000000 };
    call(SYS_nanosleep, (long)&moment, 0, 0, 0, 0, 0);
}

// Its argument is what the kernel has put on the stack: the count of the arguments, and then the arguments (elf(5)).
static void run(long *stack) __attribute__((used));

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n");
