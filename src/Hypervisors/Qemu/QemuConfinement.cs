using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// What keeps the QEMU of one appliance from all else of the host: a user of its own, an empty namespace of the network, and bounds of
/// memory, processes and time of processors. What this host cannot give is told, and the rest holds.
/// </summary>
internal sealed class QemuConfinement : IDisposable
{
    /// <summary>Where the users that are taken are kept, one file each.</summary>
    public const string UsersFolder = "/run/channelsdk/users";

    // Of the sockets that QEMU's user must find. All may enter it, and none but root list it.
    private const string SocketsFolder = "/run/channelsdk/sockets";

    private const string Kvm = "/dev/kvm";

    // What QEMU and its threads take beside the guest's memory; emulation keeps translated code, 1 GiB at most.
    private const int OverheadMiB = 512;
    private const int TranslationMiB = 1024;

    // By address space the threads' stacks and heaps count too, used or not.
    private const int ReservedMiB = 2048;
    private const int MaxTasks = 512;
    private const int PercentOfProcessor = 100;

    private readonly Action<string> _tell;
    private readonly bool _isForwarded;

    private QemuConfinement(UserLease? lease, QemuUser? user, uint? group, string accelerator, ResourceLimits limits, bool isForwarded, Action<string> tell) =>
        (Lease, User, Group, Accelerator, Limits, _isForwarded, _tell) = (lease, user, group, accelerator, limits, isForwarded, tell);

    /// <summary>The user that is taken; null if QEMU gets none of a range.</summary>
    public UserLease? Lease { get; }

    /// <summary>Whom QEMU runs as; null for this process's user.</summary>
    public QemuUser? User { get; }

    /// <summary>A further group of QEMU's user; null for none.</summary>
    public uint? Group { get; }

    /// <summary>What QEMU is to run its machine by.</summary>
    public string Accelerator { get; }

    /// <summary>What QEMU may use.</summary>
    public ResourceLimits Limits { get; }

    /// <summary>Whether it gets an empty namespace of the network.</summary>
    public bool IsAlone { get; } = Capabilities.Has(Capabilities.SysAdmin);

    /// <summary>Makes one.</summary>
    /// <param name="options">What appliances are made of.</param>
    /// <param name="operation">Name of the operation, 32 hexadecimal digits.</param>
    /// <param name="memoryMiB">The machine's memory in MiB.</param>
    /// <param name="cpus">The machine's processors.</param>
    /// <param name="tell">Takes a line for each thing that this host cannot give.</param>
    public static QemuConfinement Of(QemuLauncherOptions options, string operation, int memoryMiB, int cpus, Action<string> tell)
    {
        var lease = options.RunAs is null ? TryTake(options.Users, operation, tell) : null;
        var user = lease is null ? options.RunAs : new QemuUser(lease.User, lease.User);
        var accelerator = new QemuOptions { Accelerator = options.Accelerator }.EffectiveAccelerator;
        uint? group = null;
        if (lease is not null && accelerator == "kvm" && !TryGroup(out group) && options.Accelerator is null)
        {
            tell($"{Kvm} can be used by neither its group nor all users, and so not by a user of QEMU's own; the appliance is emulated; chgrp kvm and chmod 660 mend that");
            accelerator = "tcg";
        }

        if (!options.Sandbox)
        {
            tell("the system calls of the appliance's QEMU are not filtered, as its sandbox is switched off");
        }
        else if (options.Transport == ApplianceTransport.UserNet)
        {
            tell("the appliance's QEMU may start programs, as the user network starts one for each connection");
        }

        if (!Capabilities.Has(Capabilities.SysAdmin))
        {
            tell("the appliance's QEMU is in this program's network, as only root can make another");
        }

        var isForwarded = options.Transport == ApplianceTransport.UserNet;
        if (user is not null && isForwarded)
        {
            PublicFolder.Ensure(SocketsFolder);
        }

        var memory = (long)memoryMiB + OverheadMiB + (accelerator == "tcg" ? TranslationMiB : 0);
        return new QemuConfinement(lease, user, group, accelerator, new ResourceLimits(memory << 20, MaxTasks, (cpus + 1) * PercentOfProcessor), isForwarded, tell);
    }

    /// <summary>
    /// Where the socket is that the programs of a user network connect to, which run as QEMU's user and cannot enter the operation's
    /// folder; null where they can, or there are none.
    /// </summary>
    public string? ForwardSocket(string operation) => User is null || !_isForwarded ? null : Path.Combine(SocketsFolder, $"{operation[..16]}.sock");

    /// <summary>What QEMU's command begins with, for what the control groups do not bound.</summary>
    public IEnumerable<string> Wrapper(ResourceGroup group)
    {
        var limits = new List<string>();
        if (group.Missing.Contains("memory"))
        {
            limits.Add($"--data={Invariant(Limits.MemoryBytes!.Value + ((long)ReservedMiB << 20))}");
        }

        // The kernel counts this by user.
        if (group.Missing.Contains("pids") && Lease is not null)
        {
            limits.Add($"--nproc={Invariant(Limits.Tasks!.Value)}");
        }

        return limits.Count == 0 ? [] : ["prlimit", .. limits, "--"];
    }

    /// <summary>Tells what the control groups do not bound.</summary>
    public void Told(ResourceGroup group, bool hasJoined)
    {
        var missing = hasJoined || group.Paths.Count == 0 ? group.Missing : Limits.Controllers;
        foreach (var controller in missing)
        {
            _tell($"no control group of this host bounds the {Describe(controller)} of the appliance's QEMU"
                + (controller == "memory" ? "; a limit of its data does" : controller == "pids" && Lease is not null ? "; a limit of its user does" : ""));
        }
    }

    /// <summary>Tells why it got no namespace of the network.</summary>
    public void ToldNetwork(int error)
    {
        if (error != 0)
        {
            _tell($"the appliance's QEMU is in this program's network, as no other can be made: {Errno.Describe(error)}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Lease?.Dispose();

    private static string Describe(string controller) => controller switch
    {
        "memory" => "memory",
        "pids" => "processes",
        _ => "time of processors",
    };

    private static UserLease? TryTake(UserRange? range, string operation, Action<string> tell)
    {
        if (range is not { } users)
        {
            tell("the appliance's QEMU runs as this program's user, as no range of users is set for it");
            return null;
        }

        if (!Capabilities.Has(Capabilities.SetUid) || !Capabilities.Has(Capabilities.SetGid) || !Capabilities.Has(Capabilities.SetPCap) || !Capabilities.Has(Capabilities.Chown))
        {
            tell("the appliance's QEMU runs as this program's user, as only root can give it one of its own");
            return null;
        }

        if (!Capabilities.IsMapped(users.First, users.Last))
        {
            tell($"the appliance's QEMU runs as this program's user, as the users {users} are not there in this container; set another range");
            return null;
        }

        try
        {
            return UserLease.Take(users, UsersFolder, uint.Parse(operation.AsSpan(0, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture))
                ?? throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"all users of the range {users} are taken by other appliances; wait, or widen the range");
        }
        catch (IOException e)
        {
            tell($"the appliance's QEMU runs as this program's user, as no other can be had by {e.Message}");
            return null;
        }
    }

    // False: no other user may use it.
    private static bool TryGroup(out uint? group)
    {
        const int othersMay = 6;
        const int groupMay = othersMay << 3;
        var facts = FileOwner.Of(Kvm);
        group = facts is { } owned && (owned.Mode & othersMay) != othersMay && (owned.Mode & groupMay) == groupMay ? owned.Gid : null;
        return facts is { } found && ((found.Mode & othersMay) == othersMay || group is not null);
    }

    private static string Invariant(long number) => number.ToString(CultureInfo.InvariantCulture);
}
