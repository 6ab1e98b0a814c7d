using System.Globalization;
using System.Text;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Host.Workers;

/// <summary>Makes the process of a worker: with which user, in which namespaces, behind which arguments. What this host cannot give is a gap, and the rest holds.</summary>
internal sealed class WorkerSpawn : IDisposable
{
    private const string ProgramName = "channel-worker";

    // The same place as appliances': a number that one program has is no other's.
    private const string UsersFolder = "/run/channelsdk/users";

    // By its own limit what is reserved counts too, used or not: stacks, and what the C library keeps for each thread.
    private const long ReservedBytes = 64L << 20;

    private const NamespaceKinds All = NamespaceKinds.Network | NamespaceKinds.Process | NamespaceKinds.Mount | NamespaceKinds.Ipc | NamespaceKinds.HostName;

    private readonly WorkerOptions _options;
    private readonly WorkerNeeds _needs;
    private readonly string _program;
    private readonly List<WorkerGap> _gaps = [];

    /// <summary>Looks what this host gives, and takes a user.</summary>
    /// <param name="options">What is wanted.</param>
    /// <param name="needs">What its endpoint takes besides.</param>
    /// <param name="number">A number by which the search for a user begins.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: there is no program. <see cref="ChannelError.ResourceExhausted"/>: all users are taken.</exception>
    public WorkerSpawn(WorkerOptions options, WorkerNeeds needs, uint number)
    {
        (_options, _needs) = (options, needs);
        _program = options.Program ?? Path.Combine(AppContext.BaseDirectory, ProgramName);
        if (!File.Exists(_program))
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"there is no {_program}, in which the bytes of guests are parsed; install it beside this program, or give its path");
        }

        Lease = TryTake(number);
    }

    /// <summary>The user that is taken; null if it gets none of its own.</summary>
    public UserLease? Lease { get; }

    /// <summary>What this host cannot give it; whole once it is started.</summary>
    public IReadOnlyList<WorkerGap> Gaps => _gaps;

    /// <summary>Starts it.</summary>
    /// <param name="group">The control groups that it begins in.</param>
    /// <param name="control">Its end of the control socket, and then what else it is given.</param>
    /// <param name="pid">Its number.</param>
    /// <param name="hasJoined">Whether it is in all of the groups.</param>
    /// <returns>0, or the errno.</returns>
    public int Start(ResourceGroup group, IReadOnlyList<SafeFileHandle> control, out int pid, out bool hasJoined)
    {
        // Its lock ends with the worker, should that outlive this process.
        IReadOnlyList<SafeFileHandle> kept = [.. control, .. Lease is null ? [] : (SafeFileHandle[])[Lease.File]];
        var request = new SpawnRequest(Encoding.UTF8.GetBytes(_program), [], [])
        {
            IsQuiet = true,
            Kept = kept,
            NewSession = true,
            ProcessesFiles = group.ProcessesFiles,
        };
        var error = Capabilities.Has(Capabilities.SysAdmin) ? 0 : Errno.EPERM;
        if (error == 0)
        {
            error = ThreadNamespaces.Start(request with { Argv = Arguments(kept.Count, ThreadNamespaces.OwnMounts()) }, All, out pid, out hasJoined);
            if (error is not (Errno.EPERM or Errno.ENOSPC or Errno.EINVAL))
            {
                return error;
            }
        }

        var why = error == Errno.EPERM ? "only root can make others" : Errno.Describe(error);
        _gaps.Add(new WorkerGap(WorkerMeasure.Namespaces, $"the worker is in this program's namespaces: {why}"));
        _gaps.Add(new WorkerGap(WorkerMeasure.EmptyRoot, $"the worker has the host's root folder, where only landlock and the filter keep it from files: {why}"));
        return ProcessSpawn.Start(request with { Argv = Arguments(kept.Count, 0) }, out pid, out hasJoined);
    }

    /// <inheritdoc/>
    public void Dispose() => Lease?.Dispose();

    private byte[][] Arguments(int descriptors, ulong mounts)
    {
        // Numbers alone: all users of the host may read them. Bounds that control groups have too are set in any case: whether it is in these is
        // known only once it is started.
        return
        [
            Encoding.UTF8.GetBytes(ProgramName), Argument("control", SpawnRequest.KeptNumber), Argument("descriptors", descriptors), Argument("user", Lease?.User ?? 0),
            Argument("mounts", mounts), Argument("data", _options.MemoryBytes + ReservedBytes), Argument("files", _options.Descriptors + _needs.Descriptors), Argument("tasks", _options.Tasks),
            Argument("kind", (int)_needs.Kind),
        ];
    }

    private static byte[] Argument<T>(string name, T value) => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{name}={value}"));

    private UserLease? TryTake(uint number)
    {
        if (_options.Users is not { } users)
        {
            return Without("no range of users is set for it");
        }

        if (!Capabilities.Has(Capabilities.SetUid) || !Capabilities.Has(Capabilities.SetGid))
        {
            return Without("only root can give it one of its own");
        }

        if (!Capabilities.IsMapped(users.First, users.Last))
        {
            return Without($"the users {users} are not there in this container; set another range");
        }

        try
        {
            return UserLease.Take(users, UsersFolder, number)
                ?? throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"all users of the range {users} are taken by other workers; wait, or widen the range");
        }
        catch (IOException e)
        {
            return Without($"no other can be had by {e.Message}");
        }
    }

    private UserLease? Without(string why)
    {
        _gaps.Add(new WorkerGap(WorkerMeasure.User, $"the worker has this program's user, as {why}"));
        return null;
    }
}
