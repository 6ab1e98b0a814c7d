using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Bench.Core;

/// <summary>Time and allocated bytes of the pure core.</summary>
internal static class CoreBench
{
    public static int Run(string[] args)
    {
        // In process: the generated project of the default toolchain would not see this solution's build settings.
        var config = DefaultConfig.Instance.AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance));
        BenchmarkSwitcher.FromTypes([typeof(FrameBenchmarks), typeof(SessionBenchmarks), typeof(CallBenchmarks)])
            .Run(args.Length > 0 ? args : ["--filter", "*"], config);
        return 0;
    }
}

/// <summary>The frame codec.</summary>
[MemoryDiagnoser]
public class FrameBenchmarks
{
    private readonly byte[] _frame = new byte[FrameHeader.Size + 65536];
    private byte[] _payload = [];

    /// <summary>Payload bytes.</summary>
    [Params(64, 65536)]
    public int Payload { get; set; }

    /// <summary>Prepares the payload and one frame.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _payload = new byte[Payload];
        Write();
    }

    /// <summary>Payload copied, both CRCs computed, header written.</summary>
    [Benchmark]
    public int Write() => FrameHeader.WriteFrame(_frame, FrameType.Data, DataFlags.None, 4, 7, _payload);

    /// <summary>Header and payload checked.</summary>
    [Benchmark]
    public bool Read() =>
        FrameHeader.TryRead(_frame, out var header) == HeaderStatus.Ok
        && Crc32C.Compute(_frame.AsSpan(FrameHeader.Size, header.Length)) == header.PayloadCrc;
}

/// <summary>One message from one session to the other: framing, credit, acknowledgement and replay log included.</summary>
[MemoryDiagnoser]
public class SessionBenchmarks
{
    private readonly Consumer _consumer = new();
    private LoopedSessions _sessions = null!;
    private SessionStream _stream = null!;
    private byte[] _message = [];

    /// <summary>Message bytes.</summary>
    [Params(64, 65536)]
    public int Message { get; set; }

    /// <summary>Connects both sides.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _message = new byte[Message];
        _sessions = new LoopedSessions((role, nonces) => new Session(role, new SessionOptions { TotalLimit = null }, _consumer, _consumer, nonces));
        _consumer.Owner = _sessions.Host;
        _stream = _sessions.Guest.Open(StreamClass.Bulk, "bench"u8, fin: false, null);
        // The replay log and the pools grow to their working size first.
        for (var i = 0; i < 5000; i++)
        {
            Send();
        }
    }

    /// <summary>Written, framed, received, checked and consumed.</summary>
    [Benchmark]
    public void Send()
    {
        _sessions.Guest.Write(_stream, _message, DataFlags.None);
        _sessions.Pump();
    }
}
