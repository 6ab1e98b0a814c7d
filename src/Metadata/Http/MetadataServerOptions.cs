using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Http;

/// <summary>Bounds and times of the metadata server, no time longer than a day; all of an instance are its own, so that one cannot use up another's.</summary>
public sealed record MetadataServerOptions
{
    private const long MaxRate = 1_000_000_000;

    /// <summary>Requests a second that an instance may go on with, at most 1,000,000,000; 0: no limit. Token requests are never refused.</summary>
    public long RequestsPerSecond { get; init; } = 200;

    /// <summary>Requests that an instance may make at once, 1 to 1,000,000,000; a boot of cloud-init makes about 100.</summary>
    public long RequestsBurst { get; init; } = 1000;

    /// <summary>Connections that an instance may have; further ones wait in the listener's backlog. 1 to 10000.</summary>
    public int ConnectionsPerInstance { get; init; } = 64;

    /// <summary>Bytes that wait in each direction of an instance's pipe. 1024 to 1 GiB.</summary>
    public int PipeBytes { get; init; } = 256 * 1024;

    /// <summary>Bytes that one <c>write</c> may have; more get 413. At most <see cref="PipeBytes"/>.</summary>
    public int WriteBytes { get; init; } = 64 * 1024;

    /// <summary>Progress events that are kept of an instance, 1 to 1,048,576.</summary>
    public int ProgressHistory { get; init; } = 256;

    /// <summary>Time that a request's line and headers may take.</summary>
    public TimeSpan HeadersTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Time that a connection may be idle between requests.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Time after which a body must flow: 240 bytes a second from the guest, 256 KiB a second to it. More than one second.</summary>
    public TimeSpan SlowBodyGrace { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest wait of a request with wait_for_change.</summary>
    public TimeSpan LongestPoll { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a request waits for the metadata of an instance that has none yet.</summary>
    public TimeSpan StartHold { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the answer 429 is held back: it bounds what a guest that goes on regardless can make the host do.</summary>
    public TimeSpan LimitedDelay { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Hops that an answer with a session token may make, where the guest is reached by IP: with 1, as EC2 has it, no machine
    /// behind the guest gets one. 1 to 255; 0: as the system has it.
    /// </summary>
    public int TokenHops { get; init; } = 1;

    /// <summary>
    /// Is told of each answer that failed for a reason of this server's, at most once a second of an instance; null: no report.
    /// It runs on a thread of the pool, and may throw.
    /// </summary>
    public Action<MetadataFailure>? Failed { get; init; }

    /// <summary>Clock of tokens, rates and waits.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: one is not allowed; the text has its name and what is.</exception>
    internal void Validate()
    {
        Number(nameof(RequestsPerSecond), RequestsPerSecond, 0, MaxRate);
        Number(nameof(RequestsBurst), RequestsBurst, 1, MaxRate);
        Number(nameof(ConnectionsPerInstance), ConnectionsPerInstance, 1, 10_000);
        Number(nameof(PipeBytes), PipeBytes, 1024, 1 << 30);
        Number(nameof(WriteBytes), WriteBytes, 1, PipeBytes);
        Number(nameof(ProgressHistory), ProgressHistory, 1, 1 << 20);
        Number(nameof(TokenHops), TokenHops, 0, 255);
        Span(nameof(HeadersTimeout), HeadersTimeout, TimeSpan.FromTicks(1));
        Span(nameof(IdleTimeout), IdleTimeout, TimeSpan.FromTicks(1));
        // Kestrel takes nothing shorter.
        Span(nameof(SlowBodyGrace), SlowBodyGrace, TimeSpan.FromSeconds(1) + TimeSpan.FromTicks(1));
        Span(nameof(LongestPoll), LongestPoll, TimeSpan.FromTicks(1));
        Span(nameof(StartHold), StartHold, TimeSpan.Zero);
        Span(nameof(LimitedDelay), LimitedDelay, TimeSpan.Zero);
        if (Time is null)
        {
            throw Wrong($"{nameof(Time)} is null");
        }

        static void Number(string name, long value, long min, long max)
        {
            if (value < min || value > max)
            {
                throw Wrong($"{name} is {value}; allowed are {min} to {max}");
            }
        }

        static void Span(string name, TimeSpan value, TimeSpan min)
        {
            if (value < min || value > TimeSpan.FromDays(1))
            {
                throw Wrong($"{name} is {value}; allowed are {min} to 1 day");
            }
        }
    }

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"the metadata server's {text}");
}

/// <summary>What an instance has done to the metadata server since it was attached.</summary>
/// <param name="Requests">Requests that were looked at.</param>
/// <param name="WithoutToken">Of them, those for data that had no session token.</param>
/// <param name="BadTokens">Of them, those with a token that is wrong or has expired.</param>
/// <param name="Limited">Of them, those above the rate.</param>
/// <param name="Failures">Answers that failed for a reason of this server's; each got 503.</param>
public sealed record MetadataCounters(long Requests, long WithoutToken, long BadTokens, long Limited, long Failures);

/// <summary>An answer that failed for a reason of this server's; the guest got 503.</summary>
/// <param name="Instance">The instance.</param>
/// <param name="Path">What it asked for, as the guest wrote it: escape it before a terminal or log sees it.</param>
/// <param name="Cause">What failed.</param>
/// <param name="Untold">Failures since the last that was told, of which nothing was told.</param>
public sealed record MetadataFailure(string Instance, string Path, Exception Cause, long Untold);
