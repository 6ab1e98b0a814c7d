using System.Diagnostics;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Tests.Vsock;
using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Hostile;

/// <summary>A well-behaved instance on the same I/O thread as those that are attacked.</summary>
internal sealed class QuietInstance : IAsyncDisposable
{
    /// <summary>Far above what an answer takes on a busy machine, far below what an attack lasts.</summary>
    private static readonly TimeSpan s_answered = TimeSpan.FromSeconds(10);

    private readonly DeviceBench _bench = new();
    private readonly GuestDouble _guest;
    private readonly byte[] _buffer = new byte[64];
    private ITransportLink? _link;

    internal QuietInstance() => _guest = new GuestDouble(_bench.Path);

    /// <summary>Makes it, with its link up.</summary>
    internal static async Task<QuietInstance> StartAsync()
    {
        var quiet = new QuietInstance();
        quiet._link = await quiet._bench.ConnectAsync(quiet._guest);
        return quiet;
    }

    /// <summary>Asserts that it is served now: bytes of its guest reach the host, and the host's the guest.</summary>
    /// <returns>How long that took.</returns>
    internal async Task<TimeSpan> AssertServedAsync()
    {
        var begin = Stopwatch.GetTimestamp();
        await Task.Run(RoundAsync).WaitAsync(s_answered);
        return Stopwatch.GetElapsedTime(begin);
    }

    public async ValueTask DisposeAsync()
    {
        if (_link is { } link)
        {
            await link.DisposeAsync();
        }

        _guest.Dispose();
        await _bench.DisposeAsync();
    }

    private async Task RoundAsync()
    {
        var header = DeviceBench.Header(VsockOperation.Data, length: 4);
        // Waits already when the bytes come, so that it takes the I/O thread to end it.
        var receive = _link!.ReceiveAsync(_buffer).AsTask();
        _guest.Say(header, "ping"u8);
        Assert.Equal(4, await receive);
        Assert.Equal(4, await _link.SendAsync(_buffer.AsMemory(0, 4)));
        while (_guest.Expect(out _).Operation != VsockOperation.Data)
        {
        }
    }
}
