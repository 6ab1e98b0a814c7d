using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Channels;

/// <summary>Bounds and times of a channel. The defaults suit a host with many instances.</summary>
public sealed record ChannelOptions
{
    /// <summary>Bounds and times of the session.</summary>
    public SessionOptions Session { get; init; } = new();

    /// <summary>Largest message accepted, 1 KiB to 64 MiB. With less than 1 MiB a host cannot copy large files out of a guest.</summary>
    public int MaxMessage { get; init; } = 1 << 20;

    /// <summary>
    /// Bytes for messages that are longer than half of their stream's window, until they were read, 0 to 1 GiB; room for two of
    /// <see cref="MaxMessage"/> is always there. A message that finds no room waits, and its sender with it. With
    /// <see cref="SessionOptions.SessionWindow"/> it bounds what is kept of a peer's messages.
    /// </summary>
    public int AssemblyBytes { get; init; } = 16 << 20;

    /// <summary>First wait after an endpoint failed or a link died at once; doubles up to <see cref="RetryMax"/>, with jitter.</summary>
    public TimeSpan RetryMin { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Longest wait between two attempts at a link.</summary>
    public TimeSpan RetryMax { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long a connection to a listening endpoint may take for its first frame, 100 ms to 10 min. Until then it ends no link that
    /// is up; four are waited for at a time, and one more drops the oldest.
    /// </summary>
    public TimeSpan CandidateTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Receive buffer of an idle link, bytes; it grows to <see cref="ReceiveBufferMax"/> under load.</summary>
    public int ReceiveBufferMin { get; init; } = 4 << 10;

    /// <summary>Receive buffer of a busy link, bytes; at least 128 KiB, so that a largest frame fits.</summary>
    public int ReceiveBufferMax { get; init; } = 256 << 10;

    /// <summary>
    /// Callers' continuations run on the I/O thread that received the answer: some microseconds faster, and the caller
    /// promises not to block there. Off: they run on the thread pool.
    /// </summary>
    public bool InlineCompletions { get; init; }

    /// <summary>This side's policy on calls; null: the peer's policy alone.</summary>
    public ICallGuard? Guard { get; init; }

    /// <summary>Is told of each call of this side that ends; null: no observer.</summary>
    public ICallObserver? Observer { get; init; }

    /// <summary>Events kept for a watcher that does not read; the oldest are dropped, and it is told so.</summary>
    public int EventBacklog { get; init; } = 256;

    /// <summary>For the agent in the guest: everything adds up to well below a 32 MiB heap.</summary>
    public static ChannelOptions ForGuest { get; } = new()
    {
        AssemblyBytes = 4 << 20,
        Session = new SessionOptions
        {
            StreamWindow = new(16 << 10, 32 << 10, 512 << 10),
            MaxStreams = new(16, 64, 4),
            SessionWindow = 4 << 20,
            // Its host may do with it what it likes.
            TotalLimit = null,
        },
    };

    /// <summary>Checks every range.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>; the text names the option and what is allowed.</exception>
    public void Validate()
    {
        if (Session is null)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{nameof(Session)} is null");
        }

        Session.Validate();
        Check(nameof(MaxMessage), MaxMessage, 1 << 10, 64 << 20);
        Check(nameof(AssemblyBytes), AssemblyBytes, 0, 1 << 30);
        Check(nameof(ReceiveBufferMin), ReceiveBufferMin, 1 << 10, 64 << 10);
        Check(nameof(ReceiveBufferMax), ReceiveBufferMax, 128 << 10, 16 << 20);
        Check(nameof(EventBacklog), EventBacklog, 2, 1 << 20);
        Check(nameof(CandidateTime), (long)CandidateTime.TotalMilliseconds, 100, 600_000);
        Check(nameof(RetryMin), (long)RetryMin.TotalMilliseconds, 1, 60_000);
        Check(nameof(RetryMax), (long)RetryMax.TotalMilliseconds, (long)RetryMin.TotalMilliseconds, 600_000);

        static void Check(string name, long value, long min, long max)
        {
            if (value < min || value > max)
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{name} is {value}; allowed are {min} to {max}");
            }
        }
    }
}
