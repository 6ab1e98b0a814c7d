using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Services;

/// <summary>time.Get and time.Set.</summary>
/// <param name="setClock">Sets the wall clock to nanoseconds since 1970; an errno number, 0 for success.</param>
/// <param name="time">The clocks.</param>
internal sealed class TimeService(Func<long, int> setClock, TimeProvider time)
{
    private static readonly DateTimeOffset s_earliest = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_latest = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The clocks now.</summary>
    public TimeReply Get() => new()
    {
        UnixNs = Nanoseconds(time.GetUtcNow()),
        MonotonicNs = (ulong)time.GetElapsedTime(0).Ticks * TimeSpan.NanosecondsPerTick,
    };

    /// <summary>Sets the wall clock.</summary>
    /// <exception cref="ChannelException">Code 401 for a time that no guest lives in, 407 where the agent may not.</exception>
    public TimeReply Set(TimeSetRequest request)
    {
        if (request.UnixNs < Nanoseconds(s_earliest) || request.UnixNs >= Nanoseconds(s_latest))
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused,
                $"unix_ns is {request.UnixNs}; allowed are the years 2000 to 2199, in nanoseconds since 1970");
        }
        long before = Nanoseconds(time.GetUtcNow());
        int error = setClock(request.UnixNs);
        if (error != 0)
        {
            throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused,
                $"the kernel refuses to set the clock (error {error}); the agent needs CAP_SYS_TIME");
        }
        TimeReply reply = Get();
        reply.MovedNs = request.UnixNs - before;
        return reply;
    }

    private static long Nanoseconds(DateTimeOffset at) => (at - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
}
