using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Storage;

namespace ChannelSdk.GuestAgent.Storage;

/// <summary>storage.Trim.</summary>
/// <param name="platform">The kernel.</param>
internal sealed class TrimService(IFreezePlatform platform) : IAgentService
{
    private const int MaxMounts = 256;
    private int _underWay;

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Unary(StorageMethods.Trim, (request, _) => TrimAsync(request));
    }

    /// <summary>Trims one file system after the other on its own thread; storage may take long.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/> while another trim runs, <see cref="ChannelError.NotFound"/> for what is no mount point, <see cref="ChannelError.InvalidArgument"/> for too many.</exception>
    public ValueTask<TrimReply> TrimAsync(TrimRequest request)
    {
        if (request.Mounts.Count > MaxMounts)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"{request.Mounts.Count} mounts; at most {MaxMounts} can be named");
        }

        if (Interlocked.Exchange(ref _underWay, 1) != 0)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, "a trim is under way");
        }

        return new ValueTask<TrimReply>(OwnThread.RunAsync(() => Trim(request)));
    }

    private TrimReply Trim(TrimRequest request)
    {
        try
        {
            var plan = FreezePlan.Make(platform.ReadMounts(), request.Mounts, platform.BackingFiles);
            var reply = new TrimReply();
            reply.Mounts.AddRange(plan.Targets.Take(MaxMounts).Select(target => Trim(target, request.MinimumBytes)));
            reply.Mounts.AddRange(plan.Skipped.Select(static skipped => new TrimResult { Mount = skipped.Mount, Type = skipped.Type, Reason = skipped.Reason }));
            return reply;
        }
        finally
        {
            Volatile.Write(ref _underWay, 0);
        }
    }

    private TrimResult Trim(FreezeTarget target, ulong minimum)
    {
        var result = new TrimResult { Mount = target.Main.Path, Type = target.Main.Type };
        var error = platform.Open(target.Main, out var handle);
        if (error == 0)
        {
            error = platform.Trim(handle, minimum, out var trimmed);
            result.TrimmedBytes = trimmed;
            platform.Close(handle);
        }

        result.Reason = error switch
        {
            0 => "",
            Errno.EOPNOTSUPP => "the file system or its storage cannot be trimmed",
            Errno.EPERM => "not permitted: the agent lacks CAP_SYS_ADMIN",
            _ => $"the kernel reports error {error}",
        };
        return result;
    }
}
