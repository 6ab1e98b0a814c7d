using System.Runtime.InteropServices;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Processes;

/// <summary>What a program is started with. All texts are raw bytes without their terminating zero.</summary>
/// <param name="Program">Its path.</param>
/// <param name="Argv">Its arguments, its name first.</param>
/// <param name="Environment">"NAME=value".</param>
public sealed record SpawnRequest(byte[] Program, IReadOnlyList<byte[]> Argv, IReadOnlyList<byte[]> Environment)
{
    /// <summary>Standard input; null for /dev/null.</summary>
    public SafeFileHandle? Input { get; init; }

    /// <summary>Whether standard output and errors that are not given go to /dev/null.</summary>
    public bool IsQuiet { get; init; }

    /// <summary>Standard output; null for the agent's own.</summary>
    public SafeFileHandle? Output { get; init; }

    /// <summary>Standard error; null for the agent's own.</summary>
    public SafeFileHandle? Error { get; init; }

    /// <summary>Where it begins; null for where the agent is.</summary>
    public SafeFileHandle? Folder { get; init; }

    /// <summary>Files that it has open besides, the first as <see cref="KeptNumber"/>, each further one by one higher.</summary>
    public IReadOnlyList<SafeFileHandle> Kept { get; init; } = [];

    /// <summary>Number of the first of <see cref="Kept"/> in the program.</summary>
    public const int KeptNumber = 3;

    /// <summary>In a session and process group of its own.</summary>
    public bool NewSession { get; init; }

    /// <summary>
    /// Done last before it is started, on the thread that starts it: what it makes of the thread, as a new namespace, the program inherits.
    /// It gives 0, or an errno with which the start fails.
    /// </summary>
    public Func<int>? Prepare { get; init; }

    /// <summary>The cgroup.procs of each control group that it is in from its first instruction on; none for the agent's own.</summary>
    public IReadOnlyList<string> ProcessesFiles { get; init; } = [];
}

/// <summary>
/// Starts a program by posix_spawn(3): nothing of the runtime runs between fork and exec. The program has none of the agent's
/// signal settings, and none of its descriptors, which are all close-on-exec.
/// </summary>
public static unsafe class ProcessSpawn
{
    // Larger than glibc's and musl's posix_spawnattr_t (336), posix_spawn_file_actions_t (80) and sigset_t (128).
    private const int OpaqueBytes = 512;
    /// <summary>Where programs are looked for, and the PATH that they get.</summary>
    public const string SearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>Starts it.</summary>
    /// <returns>0, or the errno.</returns>
    public static int Start(SpawnRequest request, out int pid) => Start(request, out pid, out _);

    /// <summary>Starts it.</summary>
    /// <param name="request">What to start.</param>
    /// <param name="pid">Its number.</param>
    /// <param name="hasJoined">Whether it is in all control groups that were asked for.</param>
    /// <returns>0, or the errno.</returns>
    public static int Start(SpawnRequest request, out int pid, out bool hasJoined)
    {
        hasJoined = false;
        if (request.ProcessesFiles.Count == 0)
        {
            return Start(request, null, out pid);
        }

        var started = 0;
        var error = SpawnGate.Start(request.ProcessesFiles, gate => Start(request, gate, out started), out hasJoined);
        pid = started;
        return error;
    }

    private static int Start(SpawnRequest request, SpawnGate? gate, out int pid)
    {
        var attributes = stackalloc byte[OpaqueBytes];
        var actions = stackalloc byte[OpaqueBytes];
        var signals = stackalloc byte[OpaqueBytes];
        var strings = new List<nint>();
        var kept = new List<SafeFileHandle>();
        pid = 0;
        _ = ProcessCalls.SpawnAttributesInit(attributes);
        _ = ProcessCalls.SpawnActionsInit(actions);
        try
        {
            foreach (var file in request.Kept)
            {
                // Above all of their numbers in the program, as one of them may have another's number here.
                if (Descriptor.Above(file, SpawnRequest.KeptNumber + request.Kept.Count) is not { } copy)
                {
                    return Errno.Last;
                }

                kept.Add(copy);
            }

            // The runtime ignores SIGPIPE; a program must not inherit that.
            _ = ProcessCalls.SigFillSet(signals);
            _ = ProcessCalls.SpawnAttributesSetSigDefault(attributes, signals);
            _ = ProcessCalls.SigEmptySet(signals);
            _ = ProcessCalls.SpawnAttributesSetSigMask(attributes, signals);
            _ = ProcessCalls.SpawnAttributesSetFlags(attributes, (short)(Abi.POSIX_SPAWN_SETSIGDEF | Abi.POSIX_SPAWN_SETSIGMASK | (request.NewSession ? Abi.POSIX_SPAWN_SETSID : 0)));
            if (gate is not null)
            {
                // First of all; the opened descriptors are replaced below.
                _ = ProcessCalls.SpawnActionsAddOpen(actions, 0, Allocate(System.Text.Encoding.UTF8.GetBytes(gate.Path), strings), 0, 0);
            }

            if (request.Folder is { } folder)
            {
                _ = ProcessCalls.SpawnActionsAddFChDir(actions, Number(folder));
            }

            if (request.Input is { } input)
            {
                _ = ProcessCalls.SpawnActionsAddDup2(actions, Number(input), 0);
            }
            else
            {
                _ = ProcessCalls.SpawnActionsAddOpen(actions, 0, Allocate("/dev/null"u8, strings), 0, 0);
            }

            foreach (var (file, number) in ((SafeFileHandle?, int)[])[(request.Output, 1), (request.Error, 2)])
            {
                if (file is null && request.IsQuiet)
                {
                    _ = ProcessCalls.SpawnActionsAddOpen(actions, number, Allocate("/dev/null"u8, strings), Abi.O_WRONLY, 0);
                }

                Redirect(actions, file, number);
            }
            // Last, as one of the others may have this number here.
            foreach (var (index, file) in kept.Index())
            {
                Redirect(actions, file, SpawnRequest.KeptNumber + index);
            }

            var program = Allocate(request.Program, strings);
            var argv = Vector(request.Argv, strings);
            var environment = Vector(request.Environment, strings);
            return request.Prepare?.Invoke() is { } error and not 0 ? error : ProcessCalls.PosixSpawn(out pid, program, actions, attributes, argv, environment);
        }
        finally
        {
            _ = ProcessCalls.SpawnActionsDestroy(actions);
            _ = ProcessCalls.SpawnAttributesDestroy(attributes);
            foreach (var text in strings)
            {
                // A parameter in the environment may be a secret.
                NativeMemory.Clear((void*)text, SystemCalls.MallocUsableSize((void*)text));
                NativeMemory.Free((void*)text);
            }

            kept.ForEach(static file => file.Dispose());
            GC.KeepAlive(request);
        }
    }

    private static void Redirect(byte* actions, SafeFileHandle? file, int number)
    {
        if (file is not null)
        {
            _ = ProcessCalls.SpawnActionsAddDup2(actions, Number(file), number);
        }
    }

    private static int Number(SafeFileHandle file) => (int)file.DangerousGetHandle();

    private static byte** Vector(IReadOnlyList<byte[]> texts, List<nint> owned)
    {
        var vector = (byte**)NativeMemory.Alloc((nuint)(texts.Count + 1), (nuint)sizeof(byte*));
        owned.Add((nint)vector);
        for (var i = 0; i < texts.Count; i++)
        {
            vector[i] = Allocate(texts[i], owned);
        }

        vector[texts.Count] = null;
        return vector;
    }

    private static byte* Allocate(ReadOnlySpan<byte> text, List<nint> owned)
    {
        var memory = (byte*)NativeMemory.Alloc((nuint)text.Length + 1);
        owned.Add((nint)memory);
        text.CopyTo(new Span<byte>(memory, text.Length));
        memory[text.Length] = 0;
        return memory;
    }
}
