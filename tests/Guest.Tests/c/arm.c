// Lets the kernel kill a process when something comes on a serial port, also while this program and all others stand still: arm PORT PROCESS.
#include <sys/syscall.h>

#define O_PORT 04402    // O_RDWR, O_NOCTTY and O_NONBLOCK
#define O_SIGNALS 024000 // O_ASYNC and O_NONBLOCK
#define F_SETFL 4
#define F_SETOWN 8
#define F_SETSIG 10
#define SIGKILL 9

static long call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

__attribute__((used)) static void run(long *stack)
{
    long port = call(SYS_open, stack[2], O_PORT, 0), process = 0;
    for (const char *digit = (const char *)stack[3]; *digit; digit++)
    {
        process = 10 * process + *digit - '0';
    }

    if (port < 0 || process < 2 || call(SYS_fcntl, port, F_SETOWN, process) || call(SYS_fcntl, port, F_SETSIG, SIGKILL) || call(SYS_fcntl, port, F_SETFL, O_SIGNALS))
    {
        call(SYS_exit_group, 1, 0, 0);
    }

    call(SYS_write, 1, (long)"armed\n", 6);
    for (;;)
    {
        call(SYS_pause, 0, 0, 0);
    }
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n");
