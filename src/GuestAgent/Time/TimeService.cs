using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Time;

namespace ChannelSdk.GuestAgent.Time;

/// <summary>time.Get and time.Set.</summary>
/// <param name="setClock">Sets the wall clock to nanoseconds since 1970; an errno number, 0 for success.</param>
/// <param name="time">The clocks.</param>
internal sealed class TimeService(Func<long, int> setClock, TimeProvider time) : IAgentService
{
    private static readonly DateTimeOffset s_earliest = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_latest = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Unary(TimeMethods.Get, (_, _) => ValueTask.FromResult(Get()));
        gate.Unary(TimeMethods.Set, (request, _) => new(OwnThread.RunAsync(() => Set(request))));
    }

    /// <summary>Whether a clock can show a time: no guest lives before the year 2000, or after 2199.</summary>
    /// <param name="unixNs">Nanoseconds since 1970.</param>
    public static bool IsAllowed(long unixNs) => unixNs >= Nanoseconds(s_earliest) && unixNs < Nanoseconds(s_latest);

    /// <summary>The clocks now.</summary>
    public TimeReply Get() => new()
    {
        UnixNs = Nanoseconds(time.GetUtcNow()),
        MonotonicNs = (ulong)time.GetElapsedTime(0).Ticks * TimeSpan.NanosecondsPerTick,
    };

    /// <summary>Sets the wall clock.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a time that no guest lives in, <see cref="ChannelError.Unsupported"/> where the agent may not.</exception>
    public TimeReply Set(TimeSetRequest request)
    {
        if (!IsAllowed(request.UnixNs))
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused,
                $"unix_ns is {request.UnixNs}; allowed are the years 2000 to 2199, in nanoseconds since 1970");
        }

        var before = Nanoseconds(time.GetUtcNow());
        var error = setClock(request.UnixNs);
        if (error != 0)
        {
            throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused,
                $"the kernel refuses to set the clock (error {error}); the agent needs CAP_SYS_TIME");
        }

        var reply = Get();
        reply.MovedNs = request.UnixNs - before;
        return reply;
    }

    private static long Nanoseconds(DateTimeOffset at) => (at - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
}
