using System.Text;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Processes;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Makes the process of a QEMU: with which environment, behind which programs, and in which network.</summary>
internal static class QemuSpawn
{
    // What a QEMU needs to find its files; nothing else of the environment of a host manager is its business.
    private static readonly string[] s_inherited = ["PATH", "TMPDIR"];

    /// <summary>Makes it.</summary>
    /// <param name="options">What it is.</param>
    /// <param name="command">Its command line.</param>
    /// <param name="group">The control groups that it begins in.</param>
    /// <param name="output">Gets all that it writes.</param>
    /// <param name="files">What it is given open.</param>
    /// <param name="pid">Its number.</param>
    /// <param name="hasJoined">Whether it is in all of the groups.</param>
    /// <returns>0, or the errno of what failed.</returns>
    public static int Start(QemuOptions options, string[] command, ResourceGroup group, SafeFileHandle output, QemuDescriptors files, out int pid, out bool hasJoined)
    {
        // Where it begins is kept from being unmounted.
        string[] arguments = ["sh", "-c", options.IsDetached ? "cd / && exec \"$@\"" : "exec \"$@\"", "sh", .. options.Confinement?.Wrapper(group) ?? [], .. command];
        var request = new SpawnRequest("/bin/sh"u8.ToArray(), [.. arguments.Select(Encoding.UTF8.GetBytes)], Environment(options.Environment))
        {
            Output = output,
            Error = output,
            Kept = files.Files,
            NewSession = true,
            ProcessesFiles = group.ProcessesFiles,
        };
        return InNetwork(options, request, out pid, out hasJoined);
    }

    // In an empty namespace of the network, or where its network is. A process is in the one of the thread that starts it.
    private static int InNetwork(QemuOptions options, SpawnRequest request, out int pid, out bool hasJoined)
    {
        var (started, joined) = (0, false);
        int Start() => ProcessSpawn.Start(request, out started, out joined);
        var error = options.Confinement is { IsAlone: true } confinement
            ? ThreadNamespaces.RunInEmpty(fault =>
            {
                confinement.ToldNetwork(fault);
                return Start();
            })
            : options.Network is { } network ? network.Run(Start) : Start();
        (pid, hasJoined) = (started, joined);
        return error;
    }

    private static byte[][] Environment(IReadOnlyDictionary<string, string> given)
    {
        var environment = s_inherited.Where(name => System.Environment.GetEnvironmentVariable(name) is not null)
            .ToDictionary(static name => name, static name => System.Environment.GetEnvironmentVariable(name)!);
        environment["LC_ALL"] = "C";
        foreach (var (name, value) in given)
        {
            environment[name] = value;
        }

        return [.. environment.Select(static variable => Encoding.UTF8.GetBytes($"{variable.Key}={variable.Value}"))];
    }
}
