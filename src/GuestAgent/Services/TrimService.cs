using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Services;

/// <summary>storage.Trim.</summary>
/// <param name="platform">The kernel.</param>
internal sealed class TrimService(IFreezePlatform platform)
{
    private const int MaxMounts = 256;
    private int _underWay;

    /// <summary>Trims one file system after the other on a thread of its own; storage may take long.</summary>
    /// <exception cref="ChannelException">Code 405 while another trim runs, 408 for what is no mount point, 401 for too many.</exception>
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
            FreezePlan plan = FreezePlan.Make(platform.ReadMounts(), request.Mounts, platform.BackingFiles);
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
        int error = platform.Open(target.Main, out int handle);
        if (error == 0)
        {
            error = platform.Trim(handle, minimum, out ulong trimmed);
            result.TrimmedBytes = trimmed;
            platform.Close(handle);
        }
        result.Reason = error switch
        {
            0 => "",
            FreezeEngine.NotSupported => "the file system or its storage cannot be trimmed",
            FreezeEngine.NotPermitted => "not permitted: the agent lacks CAP_SYS_ADMIN",
            _ => $"the kernel reports error {error}",
        };
        return result;
    }
}
