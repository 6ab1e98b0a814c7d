using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Channels;

/// <summary>The begin of a call whose end the observer is told; empty without an observer. Allocates nothing.</summary>
internal struct CallMeasure
{
    private ChannelCore? _core;
    private MethodDescriptor? _method;
    private long _startedAt;

    /// <summary>A call begins.</summary>
    public static CallMeasure Begin(ChannelCore core, MethodDescriptor method) =>
        core.Options.Observer is { IsEnabled: true } ? new CallMeasure { _core = core, _method = method, _startedAt = core.Now } : default;

    /// <summary>It has ended; later ends of it are not told. Outside of the channel's lock.</summary>
    public void End(ChannelError outcome)
    {
        if (Interlocked.Exchange(ref _core, null) is not { } core)
        {
            return;
        }

        try
        {
            core.Options.Observer!.OnCallEnded(_method!, TimeSpan.FromMicroseconds(core.Now - _startedAt), outcome);
        }
        catch (Exception e)
        {
            core.Faults.Report("the call observer failed", e);
        }
    }
}
