using ChannelSdk.Channels;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Limits;
using ChannelSdk.Host.Policy;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Host.Workers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Host;

/// <summary>Bounds and times of one instance.</summary>
public sealed record InstanceOptions
{
    /// <summary>Bounds and times of its channel, rate limits included.</summary>
    public ChannelOptions Channel { get; init; } = new();

    /// <summary>Where the bytes of the guest are read; <see cref="HostIsolation"/> says what each does not stop.</summary>
    public HostIsolation Isolation { get; init; }

    /// <summary>How the instance's worker is started, where it has one.</summary>
    public WorkerOptions Worker { get; init; } = new();

    /// <summary>What it may cost its host besides; <see cref="Instance.Limits"/> changes it.</summary>
    public InstanceLimits Limits { get; init; } = new();

    /// <summary>
    /// Adds the services that this host offers to the guest, once, before the channel starts; <see cref="HostPolicy.GuestMay"/> applies to them too. Null:
    /// none. With the metadata package, <c>services => services.ServeMetadata(instance)</c> gives a guest that has no
    /// network its HTTP metadata.
    /// </summary>
    public Action<ServiceRegistry>? Serve { get; init; }

    /// <summary>
    /// What this instance is after a snapshot, for a guest that notices that it may be a copy and asks (<c>snapshot.Inquire</c>); a null that it returns: the
    /// host knows of no copy. The same copy gets the same record each time. It runs within the call: return at once. Null: the guest is told that it is no copy.
    /// </summary>
    public Func<SnapshotInquiry, SnapshotCompletion?>? Copy { get; init; }

    /// <summary>What this host may ask of the guest, and the guest of it.</summary>
    public HostPolicy Policy { get; init; } = HostPolicy.Open;

    /// <summary>
    /// Called for each refused call and for each privileged call that was let through; null: no record. It runs
    /// within the call, at most ten times a second for calls of a guest: return at once. Its exceptions go to <see cref="Alarm"/>, at
    /// most once a minute, and to the channel's events; the call goes on.
    /// </summary>
    public Action<AuditRecord>? Audit { get; init; }

    /// <summary>
    /// Path of the chardev socket of <c>org.qemu.guest_agent.0</c>, for guests that may have only the QEMU guest agent. It is used
    /// if the SDK's agent was never heard, once <see cref="Instance.WaitReadyAsync(CancellationToken)"/> has waited for it in vain. Null: there is
    /// no fallback.
    /// </summary>
    public string? QgaSocket { get; init; }

    /// <summary>How long our own agent is waited for before qemu-ga is used.</summary>
    public TimeSpan QgaAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Called, on any thread, with a text that an operator must know at once: a guest that was frozen by qemu-ga and cannot be thawed. By
    /// default it is null; a host manager should set it.
    /// </summary>
    public Action<string> Alarm { get; init; } = static _ => { };

    /// <summary>
    /// Deadline of a call that gives none, 1 ms to 7 days. For calls without a fixed duration (programs, copies, lists, transfers, trim, freeze):
    /// until the agent was reached, or has begun where it reports that. An agent that is killed afterwards and stays away fails
    /// them once the session has waited for <see cref="SessionOptions.ResumeTimeout"/>, ten minutes by default; a copy then waits for
    /// <see cref="FileCopyOptions.ResumeTimeout"/> too.
    /// </summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Checks every value.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>; the text names the option and what is allowed.</exception>
    /// <exception cref="ArgumentException">As above, of <see cref="Worker"/> and <see cref="Limits"/>.</exception>
    public void Validate()
    {
        RequireSet(nameof(Channel), Channel);
        RequireSet(nameof(Policy), Policy);
        RequireSet(nameof(Alarm), Alarm);
        RequireSet(nameof(Worker), Worker);
        RequireSet(nameof(Limits), Limits);
        if (QgaSocket is { } socket && (socket.Length == 0 || socket.Contains('\0', StringComparison.Ordinal)))
        {
            throw Wrong($"{nameof(QgaSocket)} is no path; a path or null are allowed");
        }

        Channel.Validate();
        Policy.Validate();
        Worker.Validate();
        Limits.Validate();
        if (!Enum.IsDefined(Isolation))
        {
            throw Wrong($"{nameof(Isolation)} is {Isolation}; {string.Join(" and ", Enum.GetNames<HostIsolation>())} are allowed");
        }

        Check(nameof(CallTimeout), CallTimeout, TimeSpan.FromMilliseconds(1));
        Check(nameof(QgaAfter), QgaAfter, TimeSpan.Zero);

        static void Check(string name, TimeSpan value, TimeSpan min)
        {
            if (value < min || value > TimeSpan.FromDays(7))
            {
                throw Wrong($"{name} is {value}; allowed are {min} to 7 days");
            }
        }

        static void RequireSet(string name, object? value)
        {
            if (value is null)
            {
                throw Wrong($"{name} is null");
            }
        }

        static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
    }
}
