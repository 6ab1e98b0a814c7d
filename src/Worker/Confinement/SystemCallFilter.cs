using System.Runtime.InteropServices;
using System.Text;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Worker.Confinement;

/// <summary>The filter of the system calls of all threads (seccomp(2)), by libseccomp. Nothing takes it off again.</summary>
internal static unsafe partial class SystemCallFilter
{
    // seccomp.h.
    private const uint KillProcess = 0x80000000;
    private const uint Allow = 0x7FFF0000;
    private const uint Fail = 0x00050000;
    private const int OtherArchitecture = 2;
    private const int AllThreads = 4;
    private const int Optimize = 8;
    private const int KernelErrors = 9;
    private const uint SearchTree = 2;
    private const int MaskedEqual = 7;

    private const int NoSuchCall = -1;

    /// <summary>Switches it on.</summary>
    /// <param name="calls">What is allowed, besides signals to the own process.</param>
    /// <returns>0, or the errno.</returns>
    public static int Apply(IReadOnlyList<AllowedCall> calls)
    {
        var filter = Create(Fail | Errno.EPERM);
        if (filter == 0)
        {
            return Errno.ENOMEM;
        }

        try
        {
            var error = Set(filter, KernelErrors, 1);
            error = error != 0 ? error : Set(filter, OtherArchitecture, KillProcess);
            error = error != 0 ? error : Set(filter, AllThreads, 1);
            error = error != 0 ? error : Set(filter, Optimize, SearchTree);
            error = error != 0 ? error : AddAll(filter, calls);
            return -(error != 0 ? error : Load(filter));
        }
        finally
        {
            Release(filter);
        }
    }

    private static int AddAll(nint filter, IReadOnlyList<AllowedCall> calls)
    {
        foreach (var name in SystemCallList.Deadly)
        {
            // One that this architecture does not have, or the library does not know, fails as all others.
            if (Number(name) is not NoSuchCall and var number && Add(filter, KillProcess, number, []) is < 0 and var error)
            {
                return error;
            }
        }

        foreach (var call in calls)
        {
            if (Number(call.Name) is not NoSuchCall and var number)
            {
                if (Add(filter, Allow, number, call.Tests) is < 0 and var error)
                {
                    return error;
                }
            }
            else
            {
                return -Errno.ENOSYS;
            }
        }

        // The flags of clone3 lie in memory, where no filter sees them; the C library makes its threads by clone when there is none.
        return Add(filter, Fail | Errno.ENOSYS, Number("clone3"), []) is < 0 and var last ? last
            : Add(filter, Allow, Number("tgkill"), [new ArgumentTest(0, uint.MaxValue, (uint)Environment.ProcessId)]);
    }

    private static int Add(nint filter, uint action, int number, ReadOnlySpan<ArgumentTest> tests)
    {
        var comparisons = stackalloc Comparison[tests.Length];
        for (var i = 0; i < tests.Length; i++)
        {
            comparisons[i] = new Comparison { Argument = tests[i].Argument, Operator = MaskedEqual, First = tests[i].Mask, Second = tests[i].Value };
        }

        return AddRule(filter, action, number, (uint)tests.Length, comparisons);
    }

    private static int Number(string name)
    {
        fixed (byte* text = Encoding.ASCII.GetBytes(name + "\0"))
        {
            return Resolve(text);
        }
    }

    [LibraryImport("libseccomp", EntryPoint = "seccomp_init")]
    private static partial nint Create(uint otherwise);

    [LibraryImport("libseccomp", EntryPoint = "seccomp_release")]
    private static partial void Release(nint filter);

    [LibraryImport("libseccomp", EntryPoint = "seccomp_attr_set")]
    private static partial int Set(nint filter, int attribute, uint value);

    [LibraryImport("libseccomp", EntryPoint = "seccomp_syscall_resolve_name")]
    private static partial int Resolve(byte* name);

    [LibraryImport("libseccomp", EntryPoint = "seccomp_rule_add_array")]
    private static partial int AddRule(nint filter, uint action, int number, uint count, Comparison* comparisons);

    [LibraryImport("libseccomp", EntryPoint = "seccomp_load")]
    private static partial int Load(nint filter);

    /// <summary>struct scmp_arg_cmp.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Comparison
    {
        public uint Argument;
        public int Operator;
        public ulong First;
        public ulong Second;
    }
}
